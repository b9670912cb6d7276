"""Values as the JSON text that Tidegate writes, independently of its code."""

from __future__ import annotations

import base64
import math
import struct
from decimal import Decimal
from typing import Any

ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Raw(str):
    """Text that is written as it is."""


def text(value: Any) -> str:
    """The JSON text of a value: bytes as base64, decimals with all their digits, floats in their shortest form."""
    match value:
        case Raw():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return number(value)
        case Decimal():
            return format(value, "f")
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case str():
            return string(value)
        case dict():
            return "{" + ",".join(f"{string(name)}:{text(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(text(item) for item in value) + "]"
        case _:
            raise TypeError(f"{type(value)} has no text")


def number(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    shortest = repr(value)
    if "e" not in shortest:
        return shortest
    digits, exponent = shortest.split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def string(value: str) -> str:
    escaped = (ESCAPES.get(char) or (f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else char) for char in value)
    return '"' + "".join(escaped) + '"'


def float32(value: float) -> float:
    """The double with the shortest text that is the same float of 32 bits."""
    if not math.isfinite(value):
        return value
    exact = struct.unpack("<f", struct.pack("<f", value))[0]
    return next(short for digits in range(1, 18) if as_float32(short := float(f"{exact:.{digits}g}")) == exact)


def as_float32(value: float) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.inf
