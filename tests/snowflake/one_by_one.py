"""Applies change events one statement each, as a simple consumer would: `python one_by_one.py PORT PASSWORD EVENTS`.

60 % updates, 25 % inserts, 15 % deletes through Snowflake's own client, against a running stand-in; prints a line of JSON with
the events and the seconds. It is what the sink's batches are measured against.
"""

from __future__ import annotations

import json
import sys
import time

import snowflake.connector

COLUMNS = ("name", "email", "city", "amount", "quantity", "price", "note", "created_at", "updated_at", "is_open")
TABLE = '"TIDEGATE"."ONE_BY_ONE"."orders"'

#: What becomes of row n of 20: 12 updates, 5 inserts, 3 deletes.
PATTERN = "iuuduuiuuuidiuuuduiu"


def row(number: int) -> tuple[object, ...]:
    """The values of a row, about 200 bytes."""
    return (
        f"name {number}", f"user{number}@example.com", "Amsterdam", f"{number}.25", number % 7, 9.75,
        "a note of some length that nobody reads, as notes are", "2024-01-01 00:07:00", "2024-02-29 13:14:15.123456",
        number % 2 == 0,
    )


def events(count: int) -> list[tuple[str, int]]:
    """Operations and keys; updates and deletes find their row."""
    known: list[int] = []
    made: list[tuple[str, int]] = []
    for number in range(count):
        operation = PATTERN[number % len(PATTERN)]
        if operation == "i" or not known:
            known.append(number)
            made.append(("i", number))
        elif operation == "u":
            made.append(("u", known[number * 7919 % len(known)]))
        else:
            made.append(("d", known.pop(number * 7919 % len(known))))
    return made


def main() -> None:
    port, password, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    connection = snowflake.connector.connect(
        user="LOADER", password=password, account="acme-one", host="127.0.0.1", port=port, protocol="http",
        warehouse="LOAD_WH", database="TIDEGATE", schema="ONE_BY_ONE", paramstyle="qmark",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f'CREATE OR REPLACE TABLE {TABLE} ("id" NUMBER(38,0), "name" VARCHAR, "email" VARCHAR, "city" VARCHAR, '
            '"amount" NUMBER(12,2), "quantity" NUMBER(38,0), "price" FLOAT, "note" VARCHAR, '
            '"created_at" TIMESTAMP_NTZ, "updated_at" TIMESTAMP_NTZ, "is_open" BOOLEAN, PRIMARY KEY ("id"))'
        )
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        insert = f"INSERT INTO {TABLE} VALUES ({marks})"
        assignments = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        update = f'UPDATE {TABLE} SET {assignments} WHERE "id" = ?'
        delete = f'DELETE FROM {TABLE} WHERE "id" = ?'
        prepared = events(count)
        started = time.perf_counter()
        for operation, key in prepared:
            if operation == "i":
                cursor.execute(insert, (key, *row(key)))
            elif operation == "u":
                cursor.execute(update, (*row(key + 1), key))
            else:
                cursor.execute(delete, (key,))
        seconds = time.perf_counter() - started
    print(json.dumps({"events": count, "seconds": seconds}))


main()
