"""Avro: logical types, those that do not hold, and the attributes of Kafka Connect."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from typing import Any

from .avro import INT, LONG, Avro, logical, record, same

EXACT = Context(prec=200)


def decimals(avro: Avro) -> None:
    decimal = {"logicalType": "decimal", "precision": 18, "scale": 2}
    nines = Decimal("9" * 60)
    for size, base in (("bytes", {"type": "bytes"}), ("fixed", {"type": "fixed", "name": "D", "size": 16})):
        schema = record("R", d=base | {"logicalType": "decimal", "precision": 38, "scale": 10})
        wide = Decimal("1234567890123456789012345678.0123456789")
        avro.add(
            f"decimals of 38 digits in {size}",
            schema,
            same(
                *(dict(d=EXACT.multiply(wide, sign)) for sign in (1, -1)),
                dict(d=Decimal("0E-10")),
                dict(d=Decimal("-1E-10")),
            ),
        )
    for size, base in (("bytes", {"type": "bytes"}), ("fixed", {"type": "fixed", "name": "D", "size": 26})):
        schema = record("R", d=base | {"logicalType": "decimal", "precision": 60})
        avro.add(f"decimals of 60 digits in {size}", schema, same(dict(d=nines), dict(d=-nines), dict(d=Decimal(0))))
    for name, unscaled in (("128", "0080"), ("-128", "80"), ("-129", "ff7f"), ("255", "00ff")):
        avro.by_hand(
            f"the decimal {name}",
            record("R", d=logical("bytes", "decimal", precision=9)),
            [(bytes([len(unscaled)]).hex() + unscaled, dict(d=Decimal(name)))],
            "two's complement, the highest byte first",
        )
    avro.by_hand(
        "a decimal with needless bytes",
        record("R", d=logical("bytes", "decimal", precision=9, scale=2)),
        [("0a" + "ffffffff85", dict(d=Decimal("-1.23"))), ("08" + "0000007b", dict(d=Decimal("1.23")))],
        "repeated sign bytes",
    )
    fixed = {"type": "fixed", "name": "Price", "namespace": "com.example", "size": 8} | decimal
    avro.add(
        "fixed decimals in unions",
        record("R", a=["null", fixed], b=["null", "com.example.Price"], c=[fixed["namespace"] + ".Price"]),
        same(dict(a=Decimal("12.34"), b=None, c=Decimal("-0.01"))),
    )
    avro.by_hand(
        "a logical type on the field instead of its type",
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "d", "type": "bytes"} | decimal,
                {"name": "t", "type": "long", "logicalType": "timestamp-millis"},
                {"name": "n", "type": ["null", "bytes"]} | decimal,
            ],
        },
        [("0404d2" + "0a" + "02" + "0205", dict(d=b"\x04\xd2", t=5, n=b"\5"))],
        "a frequent mistake: the attributes of a field say nothing of its type",
    )


def times(avro: Avro) -> None:
    utc = UTC
    avro.add(
        "dates",
        logical("int", "date"),
        [
            (date(2024, 2, 29), "2024-02-29"),
            (date(1, 1, 1), "0001-01-01"),
            (date(9999, 12, 31), "9999-12-31"),
            (-1, "1969-12-31"),
            (2932897, "+10000-01-01"),
            (-719529, "-0001-12-31"),
        ],
    )
    avro.add(
        "times of milliseconds",
        logical("int", "time-millis"),
        [(time(0), "00:00:00"), (time(23, 59, 59, 999000), "23:59:59.999")],
    )
    avro.add(
        "times of microseconds",
        logical("long", "time-micros"),
        [(time(23, 59, 59, 999999), "23:59:59.999999"), (time(1, 2, 3), "01:02:03")],
    )
    moment = datetime(2024, 2, 29, 13, 14, 15, 123456, utc)
    avro.add(
        "timestamps of milliseconds",
        logical("long", "timestamp-millis"),
        [(moment, "2024-02-29T13:14:15.123Z"), (-1, "1969-12-31T23:59:59.999Z"), (0, "1970-01-01T00:00:00Z")],
    )
    avro.add(
        "timestamps of microseconds",
        logical("long", "timestamp-micros"),
        [
            (moment, "2024-02-29T13:14:15.123456Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (253402300800000000, "+10000-01-01T00:00:00Z"),
        ],
    )
    avro.add(
        "timestamps of nanoseconds",
        logical("long", "timestamp-nanos"),
        [
            (1709212455123456789, "2024-02-29T13:14:15.123456789Z"),
            (LONG - 1, "2262-04-11T23:47:16.854775807Z"),
            (-LONG, "1677-09-21T00:12:43.145224192Z"),
        ],
    )
    local = moment.replace(tzinfo=None)
    avro.add(
        "local timestamps of milliseconds",
        logical("long", "local-timestamp-millis"),
        [(local, "2024-02-29T13:14:15.123"), (-1, "1969-12-31T23:59:59.999")],
    )
    avro.add(
        "local timestamps of microseconds",
        logical("long", "local-timestamp-micros"),
        [(local, "2024-02-29T13:14:15.123456")],
    )
    avro.add(
        "local timestamps of nanoseconds",
        logical("long", "local-timestamp-nanos"),
        [(1709212455123456789, "2024-02-29T13:14:15.123456789")],
    )
    some = uuid.UUID("C0FFEE00-0000-4000-8000-00000000ABCD")
    avro.add("uuids in text", logical("string", "uuid"), [(some, str(some))])
    avro.by_hand("text that is no uuid", logical("string", "uuid"), [("0861626364", "abcd")], "stays text")
    avro.by_hand(
        "uuids in capitals",
        logical("string", "uuid"),
        [("48" + str(some).upper().encode().hex(), str(some))],
        "written in lower case",
    )
    avro.add(
        "uuids of 16 bytes",
        {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"},
        [(some.bytes, str(some))],
    )
    duration = {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}

    def parts(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(4, "little") for number in numbers)

    avro.add(
        "durations",
        duration,
        [
            (parts(14, 3, 14706700), "P1Y2M3DT4H5M6.7S"),
            (parts(0, 0, 0), "PT0S"),
            (parts(INT - 1, INT - 1, 2 * INT - 1), "P178956970Y7M2147483647DT1193H2M47.295S"),
        ],
    )
    avro.add(
        "a duration that is too long for an interval", duration, same(parts(2 * INT - 1, 0, 0)), note="stays bytes"
    )


def ignored(avro: Avro) -> None:
    for name, schema, value in (
        ("date on a long", logical("long", "date"), 5),
        ("date on text", logical("string", "date"), "2024-02-29"),
        ("time-millis on a long", logical("long", "time-millis"), 5),
        ("timestamp-millis on an int", logical("int", "timestamp-millis"), 5),
        ("a logical type that nobody knows", logical("string", "acme-money"), "5 EUR"),
        ("uuid on 8 bytes", {"type": "fixed", "name": "U", "size": 8, "logicalType": "uuid"}, b"12345678"),
        ("duration on 8 bytes", {"type": "fixed", "name": "D", "size": 8, "logicalType": "duration"}, b"12345678"),
    ):
        avro.add(name, record("R", v=schema), same(dict(v=value)), note="a logical type that does not hold is ignored")
    for name, schema, data, expected in (
        ("a decimal on text", logical("string", "decimal", precision=5), "06" + "312e35", "1.5"),
        (
            "a decimal whose scale is above its precision",
            logical("bytes", "decimal", precision=2, scale=3),
            "0205",
            b"\5",
        ),
        ("a decimal with a negative scale", logical("bytes", "decimal", precision=5, scale=-2), "0205", b"\5"),
        ("a decimal with precision 0", logical("bytes", "decimal", precision=0), "0205", b"\5"),
        (
            "a decimal too wide for its fixed",
            {"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal", "precision": 5},
            "05",
            b"\5",
        ),
    ):
        avro.by_hand(
            name,
            record("R", v=schema),
            [(data, dict(v=expected))],
            "a logical type that does not hold is ignored; fastavro rejects the schema",
        )


def connect(avro: Avro) -> None:
    """As Confluent's AvroConverter writes Connect schemas; the forms of its AvroData."""
    millis = logical("long", "timestamp-millis") | {
        "connect.version": 1,
        "connect.name": "org.apache.kafka.connect.data.Timestamp",
    }
    avro.add(
        "Connect's logical types",
        record(
            "Row",
            ts=millis,
            day=logical("int", "date") | {"connect.version": 1, "connect.name": "org.apache.kafka.connect.data.Date"},
            clock=logical("int", "time-millis")
            | {"connect.version": 1, "connect.name": "org.apache.kafka.connect.data.Time"},
            price=logical("bytes", "decimal", precision=10, scale=2)
            | {
                "connect.version": 1,
                "connect.parameters": {"scale": "2", "connect.decimal.precision": "10"},
                "connect.name": "org.apache.kafka.connect.data.Decimal",
            },
            small={"type": "int", "connect.type": "int16"},
            micros={"type": "long", "connect.version": 1, "connect.name": "io.debezium.time.MicroTimestamp"},
            zoned={"type": "string", "connect.version": 1, "connect.name": "io.debezium.time.ZonedTimestamp"},
        ),
        [
            (
                dict(
                    ts=1709212455123,
                    day=19782,
                    clock=47655123,
                    price=Decimal("12.34"),
                    small=-7,
                    micros=1709212455123456,
                    zoned="2024-02-29T13:14:15.123456Z",
                ),
                dict(
                    ts="2024-02-29T13:14:15.123",
                    day="2024-02-29",
                    clock="13:14:15.123",
                    price=Decimal("12.34"),
                    small=-7,
                    micros="2024-02-29T13:14:15.123456",
                    zoned="2024-02-29T13:14:15.123456Z",
                ),
            )
        ],
    )
    entry = {
        "type": "record",
        "name": "MapEntry",
        "namespace": "io.confluent.connect.avro",
        "fields": [{"name": "key", "type": "int"}, {"name": "value", "type": "string"}],
    }
    avro.add(
        "Connect's map with int keys",
        record("M", m={"type": "array", "items": entry}),
        [(dict(m=[dict(key=1, value="a"), dict(key=-2, value="b")]), dict(m=[[1, "a"], [-2, "b"]]))],
    )
    optional = entry | {
        "fields": [{"name": "key", "type": ["null", "string"]}, {"name": "value", "type": ["null", "int"]}]
    }
    avro.add(
        "Connect's map with optional keys",
        record("M", m={"type": "array", "items": optional}),
        [(dict(m=[dict(key="a", value=1), dict(key="b", value=None)]), dict(m={"a": 1, "b": None}))],
    )


def cases() -> list[dict[str, Any]]:
    avro = Avro("avro-types")
    # Ids of their own: the cases of Avro are one file.
    avro.registry.skip(500)
    for part in (decimals, times, ignored, connect):
        part(avro)
    return avro.cases
