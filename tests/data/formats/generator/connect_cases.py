"""Kafka Connect's types and Debezium's events, as Confluent's JsonSchemaConverter and ProtobufConverter write them.

The converters are only in Java; their classes JsonSchemaData and ProtobufData are followed here (`connect_json_schema.py`,
`connect_protobuf.py`). The bytes of Protobuf are Google's library's.
"""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka.schema_registry import Schema as Registered

from .connect import (
    DATE,
    TIME,
    TIMESTAMP,
    Schema,
    array,
    decimal,
    decimal_bytes,
    field,
    logical,
    mapping,
    struct,
)
from .connect_json_schema import json_data, json_schema
from .connect_protobuf import Converter, Nulls
from .json_schema import JsonSchema
from .protoc import Protobuf, standard_source
from .text import Raw, float32

TYPES = struct(
    "fixtures.Types",
    field("i8", "int8"),
    field("i16", "int16"),
    field("i32", "int32"),
    field("i64", "int64"),
    field("f32", "float"),
    field("f64", "double"),
    field("b", "boolean"),
    field("s", "string"),
    field("y", "bytes"),
    field("price", decimal(2, 10)),
    field("day", logical(DATE, "int32")),
    field("clock", logical(TIME, "int32")),
    field("at", logical(TIMESTAMP, "int64")),
    field("texts", array("string")),
    field("counts", mapping("string", "int32")),
    field("numbered", mapping("int32", "string")),
    field("inner", struct("fixtures.Inner", field("x", "int32", optional=True))),
    field("inners", array(struct("fixtures.Inner", field("x", "int32", optional=True)))),
    field("unnamed", struct(None, field("u", "string"))),
)
FULL = dict(
    i8=-128,
    i16=32767,
    i32=-(2**31),
    i64=2**63 - 1,
    f32=0.1,
    f64=1.7976931348623157e308,
    b=True,
    s="Grüße €😀",
    y="AAEC/w==",
    price=decimal_bytes("-1234.50"),
    day=19782,
    clock=47655123,
    at=1709212455123,
    texts=["a", ""],
    counts={"ä": 1},
    numbered=[[5, "five"]],
    inner=dict(x=1),
    inners=[dict(x=2), dict(x=3)],
    unnamed=dict(u="v"),
)
DECODED = FULL | dict(
    f32=float32(0.1),
    y=b"\0\1\2\xff",
    price=Raw("-1234.50"),
    day="2024-02-29",
    clock="13:14:15.123",
    at="2024-02-29T13:14:15.123",
)

PRODUCT = [
    field("id", "int32"),
    field("name", "string", optional=True),
    field("price", decimal(2), optional=True),
    field("qty", "int16", optional=True),
    field("weight", "float", optional=True),
    field("active", "boolean", optional=True),
    field("added", logical(DATE, "int32"), optional=True),
    field("changed", logical("io.debezium.time.MicroTimestamp", "int64"), optional=True),
    field("seen", logical("io.debezium.time.ZonedTimestamp", "string"), optional=True),
    field("about", logical("io.debezium.data.Json", "string"), optional=True),
    field("image", "bytes", optional=True),
    field("tags", array({"type": "string", "optional": True}), optional=True),
]
SOURCE = struct(
    "io.debezium.connector.postgresql.Source",
    field("version", "string"),
    field("connector", "string"),
    field("name", "string"),
    field("ts_ms", "int64"),
    field(
        "snapshot",
        logical("io.debezium.data.Enum", "string", allowed="true,last,false,incremental") | {"default": "false"},
        optional=True,
    ),
    field("db", "string"),
    field("sequence", "string", optional=True),
    field("schema", "string"),
    field("table", "string"),
    field("txId", "int64", optional=True),
    field("lsn", "int64", optional=True),
    field("xmin", "int64", optional=True),
)
BLOCK = struct(
    "event.block",
    field("id", "string"),
    field("total_order", "int64"),
    field("data_collection_order", "int64"),
    optional=True,
) | {"version": 1}
ROW = struct("cdc.public.products.Value", *PRODUCT, optional=True)
ENVELOPE = struct(
    "cdc.public.products.Envelope",
    field("before", ROW),
    field("after", ROW),
    field("source", SOURCE),
    field("transaction", BLOCK),
    field("op", "string"),
    field("ts_ms", "int64", optional=True),
) | {"version": 2}

FIRST = dict(
    id=1,
    name="Äpfel",
    price=decimal_bytes("12.30"),
    qty=-5,
    weight=0.1,
    active=True,
    added=19782,
    changed=1709212455123456,
    seen="2024-02-29T13:14:15.123456Z",
    about='{"a": [1, 2.50]}',
    image="3q2+7w==",
    tags=["x", "y"],
)
SECOND = FIRST | dict(name="", qty=None, weight=None, active=False, about=None, image=None, tags=[])
NULLS = dict.fromkeys([of["field"] for of in PRODUCT]) | dict(id=2)


def source(lsn: int, snapshot: str = "false") -> dict[str, Any]:
    return dict(
        version="3.6.3.Final",
        connector="postgresql",
        name="cdc",
        ts_ms=1709212455000,
        snapshot=snapshot,
        db="shop",
        sequence=f'["1","{lsn}"]',
        schema="public",
        table="products",
        txId=700,
        lsn=lsn,
        xmin=None,
    )


def event(op: str, before: Any, after: Any, lsn: int, transaction: Any = None) -> dict[str, Any]:
    return dict(
        before=before,
        after=after,
        source=source(lsn, "true" if op == "r" else "false"),
        transaction=transaction,
        op=op,
        ts_ms=1709212455999,
    )


EVENTS = {
    "a snapshot read": event("r", None, FIRST, 100),
    "an insert": event("c", None, NULLS, 101),
    "an update": event("u", FIRST, SECOND, 102, dict(id="700:102", total_order=1, data_collection_order=1)),
    "a delete": event("d", SECOND, None, 103),
    "a delete with the key only": event("d", NULLS, None, 104),
}


def decoded_row(row: Any) -> Any:
    """A row with its semantic types, as from JSON with a schema."""
    if row is None:
        return None
    return row | {
        "price": row["price"] and Raw("12.30"),
        "added": row["added"] and "2024-02-29",
        "changed": row["changed"] and "2024-02-29T13:14:15.123456",
        "seen": row["seen"] and "2024-02-29T13:14:15.123456Z",
        "about": row["about"] and Raw(row["about"]),
        "image": row["image"] and b"\xde\xad\xbe\xef",
    }


def decoded(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"before": decoded_row(event["before"]), "after": decoded_row(event["after"])}


def as_json(
    cases: JsonSchema, name: str, schema: Schema, value: Any, expected: Any, numeric: bool = False, open: str = ""
) -> None:
    registered = Registered(json.dumps(json_schema(schema, numeric=numeric)), "JSON")
    schema_id = cases.registry.client.register_schema(f"{name}-value", registered)
    # Jackson writes no spaces.
    text = json.dumps(json_data(schema, value, numeric), ensure_ascii=False, separators=(",", ":"))
    payload = b"\0" + schema_id.to_bytes(4, "big") + text.encode()
    cases.line(name, 1, 1, payload, expected, {}, "as JsonSchemaConverter writes it", open, False)


def as_protobuf(
    cases: Protobuf, name: str, schema: Schema, value: Any, nulls: Nulls, expected: Any = None, scrub: bool = False
) -> None:
    converter = Converter(nulls, scrub)
    text, full = converter.schema(schema)
    message = cases.compile(text, full)()
    converter.fill(message, schema, value)
    note = "as ProtobufConverter writes it" + ("" if nulls is Nulls.LOST else f" with {nulls.value}=true")
    cases.messages(name, text, [(message, expected or converter.expected(schema, value))], note=note)


def by_hand(cases: JsonSchema) -> None:
    """Forms of the converter's schemas that users have after they edited them."""
    price = {
        "title": "org.apache.kafka.connect.data.Decimal",
        "type": "string",
        "connect.type": "bytes",
        "connect.parameters": {"scale": "2"},
    }
    row = {
        "type": "object",
        "title": "Row",
        "properties": {
            "price": {"oneOf": [price, {"type": "null", "title": "Not included"}]},
            "again": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/price"}]},
            "plain": {"$ref": "#/definitions/price"},
            "small": {"type": ["null", "integer"], "connect.type": "int16"},
            "color": {"enum": ["red", None]},
            "list": {"oneOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/definitions/price"}}]},
        },
        "definitions": {"price": price},
    }
    cases.by_hand(
        "JSON Schema: null behind the type, and references",
        row,
        [
            (
                '{"price":"BNI=","again":"BNI=","plain":"/w==","small":-5,"color":"red","list":["BNI="]}',
                dict(
                    price=Raw("12.34"),
                    again=Raw("12.34"),
                    plain=Raw("-0.01"),
                    small=-5,
                    color="red",
                    list=[Raw("12.34")],
                ),
            ),
            (
                '{"price":null,"again":null,"plain":"AA==","small":null,"color":null,"list":null}',
                dict(price=None, again=None, plain=Raw("0.00"), small=None, color=None, list=None),
            ),
        ],
    )


def cases() -> list[dict[str, Any]]:
    as_text, protobuf = JsonSchema("connect"), Protobuf("connect-protobuf")
    protobuf.registry.skip(1000)
    as_json(as_text, "JSON Schema: all types", TYPES, FULL, DECODED)
    as_json(
        as_text,
        "JSON Schema: decimals as numbers",
        struct("fixtures.D", field("d", decimal(2)), field("n", decimal(2), optional=True)),
        dict(d=decimal_bytes("12.34"), n=None),
        dict(d=Raw("12.34"), n=None),
        numeric=True,
    )
    optional = [of | {"optional": True} for of in TYPES["fields"]]
    nothing = dict.fromkeys(of["field"] for of in optional)
    as_json(as_text, "JSON Schema: all types, null", TYPES | {"fields": optional}, nothing, nothing)
    as_json(as_text, "JSON Schema: all types, optional", TYPES | {"fields": optional}, FULL, DECODED)
    floats = struct("fixtures.Floats", field("f", "float"), field("d", "double"))
    for name, text, value in (
        ("NaN", "NaN", float("nan")),
        ("Infinity", "Infinity", float("inf")),
        ("-Infinity", "-Infinity", float("-inf")),
    ):
        as_json(
            as_text,
            f"JSON Schema: {name}",
            floats,
            dict(f=text, d=text),
            dict(f=value, d=value),
            open="Jackson writes what is no number as text",
        )
    defaults = struct(
        "fixtures.Defaults", field("a", "int32", optional=True, default=7), field("b", "string", default="d")
    )
    as_json(
        as_text,
        "JSON Schema: defaults",
        defaults,
        dict(a=None, b="x"),
        dict(a=7, b="x"),
        open="the converter has written the default in place of null",
    )
    debezium = struct(
        "fixtures.Debezium",
        field("micros", logical("io.debezium.time.MicroTime", "int64")),
        field("year", logical("io.debezium.time.Year", "int32")),
        field("uuid", logical("io.debezium.data.Uuid", "string")),
        field("bits", logical("io.debezium.data.Bits", "bytes", length="16")),
        field(
            "number",
            struct("io.debezium.data.VariableScaleDecimal", field("scale", "int32"), field("value", "bytes"))
            | {"version": 1},
        ),
        field(
            "point",
            struct(
                "io.debezium.data.geometry.Point",
                field("x", "double"),
                field("y", "double"),
                field("wkb", "bytes", optional=True),
                field("srid", "int32", optional=True),
                optional=True,
            )
            | {"version": 1},
        ),
        field("span", logical("io.debezium.time.MicroDuration", "int64"), optional=True),
        field("own", logical("com.example.Own", "string")),
    )
    as_json(
        as_text,
        "JSON Schema: Debezium's types",
        debezium,
        dict(
            micros=47655123456,
            year=2024,
            uuid="C0FFEE00-0000-4000-8000-00000000ABCD",
            bits="AgE=",
            number=dict(scale=3, value=decimal_bytes("1.234")),
            point=dict(x=1.0, y=-2.5, wkb="AQ==", srid=None),
            span=1500000,
            own="o",
        ),
        dict(
            micros="13:14:15.123456",
            year=2024,
            uuid="c0ffee00-0000-4000-8000-00000000abcd",
            bits="0000000100000010",
            number=Raw("1.234"),
            point=dict(x=1.0, y=-2.5, wkb=b"\1", srid=None),
            span="PT1.5S",
            own="o",
        ),
    )
    for name, value in EVENTS.items():
        as_json(as_text, f"JSON Schema: {name}", ENVELOPE, value, decoded(value))
    by_hand(as_text)
    key = struct("cdc.public.products.Key", field("id", "int32"), field("tenant", "string"))
    as_json(as_text, "JSON Schema: a key", key, dict(id=1, tenant="t"), dict(id=1, tenant="t"))
    as_json(as_text, "JSON Schema: a key that is no struct", {"type": "int64", "optional": False}, 5, 5)

    for nulls in Nulls:
        form = f"Protobuf, {nulls.value}"
        as_protobuf(protobuf, f"{form}: all types", TYPES, FULL, nulls, DECODED | dict(at="2024-02-29T13:14:15.123Z"))
        as_protobuf(
            protobuf,
            f"{form}: all types, optional",
            TYPES | {"fields": optional},
            FULL,
            nulls,
            DECODED | dict(at="2024-02-29T13:14:15.123Z"),
        )
        as_protobuf(protobuf, f"{form}: all types, null", TYPES | {"fields": optional}, nothing, nulls)
        for name, value in EVENTS.items():
            as_protobuf(protobuf, f"{form}: {name}", ENVELOPE, value, nulls)
        as_protobuf(protobuf, f"{form}: a key", key, dict(id=1, tenant="t"), nulls)
    odd = struct(
        "cdc.public.odd.Value",
        field("_id", "int32"),
        field("größe", "string"),
        field("1st", "string"),
        field("Key One", "string"),
    )
    as_protobuf(
        protobuf,
        "Protobuf, scrub.invalid.names",
        odd,
        {"_id": 1, "größe": "g", "1st": "f", "Key One": "k"},
        Nulls.LOST,
        dict(x_id=1, gr_C3_B6_C3_9Fe="g", x1st="f", Key_One="k"),
        scrub=True,
    )
    wrappers = {"google/protobuf/wrappers.proto": standard_source("google/protobuf/wrappers.proto")}
    protobuf.add(
        "Protobuf: a key that is no struct",
        wrappers,
        "google.protobuf.Int64Value",
        [("value: 5", 5)],
        note="the converter writes it as a wrapper, with google's file as its schema",
        open="a wrapper is its value, as root as well",
    )
    return as_text.cases + protobuf.cases
