"""Runs the statement on standard input in a real account and prints its rows as JSON: `python query.py SCHEMA`.

The account is that of the environment's TIDEGATE_SNOWFLAKE_ACCOUNT, _USER, _PASSWORD or _PRIVATE_KEY, _ROLE, _WAREHOUSE and
_DATABASE. The output is that of the stand-in's /__sql.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import snowflake.connector
from cryptography.hazmat.primitives import serialization
from snowflake.connector.constants import FIELD_ID_TO_NAME
from stand_in import values


def variable(name: str) -> str | None:
    return os.environ.get(f"TIDEGATE_SNOWFLAKE_{name}") or None


def proof() -> dict[str, Any]:
    """What the login is proved with."""
    key = variable("PRIVATE_KEY")
    if key is None:
        return {"password": variable("PASSWORD")}
    private = serialization.load_pem_private_key(key.encode(), password=None)
    pkcs8 = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"private_key": pkcs8}


def main() -> None:
    connection = snowflake.connector.connect(
        account=variable("ACCOUNT"),
        user=variable("USER"),
        role=variable("ROLE"),
        warehouse=variable("WAREHOUSE"),
        database=variable("DATABASE"),
        schema=sys.argv[1],
        session_parameters={"TIMEZONE": "UTC"},
        **proof(),
    )
    with connection, connection.cursor() as cursor:
        rows = cursor.execute(sys.stdin.read()).fetchall()
        columns = [
            {"name": column.name, "type": FIELD_ID_TO_NAME[column.type_code].lower()} for column in cursor.description
        ]
    print(json.dumps({"columns": columns, "rows": [[values.text(value) for value in row] for row in rows]}))


main()
