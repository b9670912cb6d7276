"""Values as exact text, the same from the stand-in and from Snowflake's own client, so that tests compare them as text."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any


def text(value: Any) -> str | None:
    """One value. Numbers keep every digit, timestamps the microsecond, and a zoned one is shown in UTC."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return _timestamp(value)
    if isinstance(value, datetime.time):
        return value.isoformat("microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return repr(value)


def _timestamp(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat("T", "microseconds")
    utc = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return utc.isoformat("T", "microseconds") + "Z"
