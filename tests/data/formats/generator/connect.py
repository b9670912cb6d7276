"""Kafka Connect's schemas and data, in the form of its JsonConverter, and names as Confluent's converters change them."""

from __future__ import annotations

import base64
import urllib.parse
from decimal import Decimal
from typing import Any

DECIMAL = "org.apache.kafka.connect.data.Decimal"
DATE = "org.apache.kafka.connect.data.Date"
TIME = "org.apache.kafka.connect.data.Time"
TIMESTAMP = "org.apache.kafka.connect.data.Timestamp"

Schema = dict[str, Any]


def field(name: str, kind: str | Schema, optional: bool = False, **more: Any) -> Schema:
    schema = kind if isinstance(kind, dict) else {"type": kind}
    return schema | {"optional": optional or schema.get("optional", False), "field": name} | more


def struct(name: str | None, *fields: Schema, optional: bool = False) -> Schema:
    named = {"name": name} if name else {}
    return {"type": "struct", "fields": list(fields), "optional": optional} | named


def array(items: str | Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items if isinstance(items, dict) else {"type": items, "optional": False}} | more


def mapping(keys: str, values: str, **more: Any) -> Schema:
    return {
        "type": "map",
        "keys": {"type": keys, "optional": False},
        "values": {"type": values, "optional": False},
    } | more


def logical(name: str, kind: str, **parameters: str) -> Schema:
    more = {"parameters": parameters} if parameters else {}
    return {"type": kind, "name": name, "version": 1} | more


def decimal(scale: int, precision: int | None = None) -> Schema:
    parameters = {"scale": str(scale)}
    if precision:
        parameters["connect.decimal.precision"] = str(precision)
    return logical(DECIMAL, "bytes", **parameters)


def unscaled(number: int) -> bytes:
    """As Java's BigInteger.toByteArray."""
    size = ((number if number >= 0 else ~number).bit_length()) // 8 + 1
    return number.to_bytes(size, "big", signed=True)


def decimal_bytes(text: str) -> str:
    """A decimal as the JsonConverter writes it: base64 of its digits without the point."""
    sign, digits, _ = Decimal(text).as_tuple()
    number = int("".join(map(str, digits)))
    return base64.b64encode(unscaled(-number if sign else number)).decode()


def scale_of(schema: Schema) -> int:
    return int(schema.get("parameters", {}).get("scale", 0))


def decimal_of(schema: Schema, text: str) -> Decimal:
    number = int.from_bytes(base64.b64decode(text), "big", signed=True)
    return Decimal(number).scaleb(-scale_of(schema), context=None)


def scrubbed(name: str) -> str:
    """A name as `scrub.invalid.names` of Confluent's converters changes it."""
    if name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit() and name[0] != "_":
        return name
    encoded = urllib.parse.quote_plus(name)
    if encoded[0].isdigit() or encoded[0] == "_":
        encoded = "x" + encoded
    return "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in encoded)
