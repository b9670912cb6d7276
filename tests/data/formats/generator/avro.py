"""Avro, written by Confluent's AvroSerializer (fastavro), and by hand where it writes only one of several forms."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaReference
from confluent_kafka.schema_registry.avro import AvroSerializer

from .registry import HEADER_FORM, Registry, case
from .text import float32

INT, LONG = 2**31, 2**63
EXACT = Context(prec=200)


class Avro:
    def __init__(self, name: str) -> None:
        self.registry = Registry(name)
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        schema: Any,
        values: list[tuple[Any, Any]],
        *,
        references: list[SchemaReference] | None = None,
        header: bool = False,
        note: str = "",
    ) -> None:
        """Values of a schema, each with what it is decoded to."""
        registered = Schema(json.dumps(schema), "AVRO", references or [])
        serializer = AvroSerializer(self.registry.client, registered, conf=HEADER_FORM if header else None)
        for number, (value, expected) in enumerate(values, 1):
            payload, headers = self.registry.serialize(serializer, value, name)
            schema_id = self.registry.schema_id(name)
            stored = self.registry.client.get_schema(schema_id)
            more = {"guid": self.registry.guid(name)} if header else {}
            self.cases.append(
                case(
                    name if len(values) == 1 else f"{name} {number}",
                    "AVRO",
                    schema_id,
                    stored.schema_str,
                    payload,
                    expected,
                    references=self.registry.references(stored.references),
                    headers=headers,
                    note=note,
                    **more,
                )
            )

    def by_hand(self, name: str, schema: Any, values: list[tuple[str, Any]], note: str) -> None:
        """Data that was encoded by hand, behind the prefix of Confluent's serializers."""
        subject = f"{name}-value"
        schema_id = self.registry.client.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
        for number, (data, expected) in enumerate(values, 1):
            payload = b"\0" + schema_id.to_bytes(4, "big") + bytes.fromhex(data)
            title = name if len(values) == 1 else f"{name} {number}"
            self.cases.append(case(title, "AVRO", schema_id, json.dumps(schema), payload, expected, note=note))


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


def same(*values: Any) -> list[tuple[Any, Any]]:
    """Values that are decoded to what they are."""
    return [(value, value) for value in values]


def primitives(avro: Avro) -> None:
    avro.add(
        "primitives at their limits",
        record("P", b="boolean", i="int", l="long", f="float", d="double", y="bytes", s="string", n="null"),
        [
            (value, value | {"f": float32(value["f"])})
            for value in (
                dict(
                    b=True,
                    i=INT - 1,
                    l=LONG - 1,
                    f=3.4028234663852886e38,
                    d=1.7976931348623157e308,
                    y=bytes(range(256)),
                    s="Zürich €😀\0\x7f",
                    n=None,
                ),
                dict(b=False, i=-INT, l=-LONG, f=1e-45, d=5e-324, y=b"", s="", n=None),
                dict(b=True, i=0, l=0, f=0.1, d=0.1, y=b"\0", s='"\\\n\t', n=None),
                dict(b=True, i=-1, l=-1, f=float("nan"), d=float("nan"), y=b"\xff", s="x" * 300, n=None),
                dict(b=True, i=1, l=1, f=float("inf"), d=float("-inf"), y=b"\1", s="a", n=None),
                dict(b=True, i=64, l=-65, f=-0.0, d=-0.0, y=b"\1", s="a", n=None),
            )
        ],
    )
    avro.add("a string as root", {"type": "string"}, same("", "Grüße"))
    avro.add("a long as root", {"type": "long"}, same(0, LONG - 1, -LONG))
    avro.add("an int as root", {"type": "int"}, same(-INT))
    avro.add("a boolean as root", {"type": "boolean"}, same(True))
    avro.add("a double as root", {"type": "double"}, same(-1.5))
    raw = "Confluent's serializers write a root of bytes as it is, without its length"
    avro.add("bytes as root", {"type": "bytes"}, same(b"\0\1\2", b"\4ab", b""), note=raw)
    avro.by_hand("bytes as root, by Java", "bytes", [("cafebabe", b"\xca\xfe\xba\xbe"), ("", b"")], raw)
    decimal = logical("bytes", "decimal", precision=9, scale=2)
    avro.by_hand("a decimal as root, by Java", decimal, [("04d2", Decimal("12.34"))], raw)
    avro.by_hand("a root that is a bare name", "string", [("0661c3a4", "aä")], 'the schema is the text "string"')
    avro.add("a list as root", {"type": "array", "items": "int"}, same([], [1, -2, 3]))
    avro.add("a map as root", {"type": "map", "values": "long"}, same({}, {"a": 1, "ä": -1}))
    avro.add("an enum as root", {"type": "enum", "name": "E", "symbols": ["A", "B_2"]}, same("A", "B_2"))
    avro.add("a fixed as root", {"type": "fixed", "name": "F", "size": 3}, same(b"abc"))


def unions(avro: Avro) -> None:
    avro.add("a union as root", ["null", "string", "long"], same("x", 5))
    avro.add("unions of one type", record("One", a=["int"], b=["null"]), same(dict(a=1, b=None)))
    nullable = record("N", first=["null", "int"], last=["string", "null"])
    avro.add("null first and last", nullable, same(dict(first=None, last=None), dict(first=1, last="a")))
    avro.add(
        "a union of all primitives",
        record("U", u=["null", "boolean", "int", "long", "double", "bytes", "string"]),
        [(dict(u=value), dict(u=value)) for value in (None, True, 7, LONG - 1, 1.5, b"y", "s")],
    )
    shapes = [
        "null",
        record("Circle", r="double"),
        record("Box", w="double", h="double"),
        {"type": "enum", "name": "Kind", "symbols": ["LINE"]},
        {"type": "array", "items": "int"},
        {"type": "map", "values": "string"},
        {"type": "fixed", "name": "Raw", "size": 2},
    ]
    avro.add(
        "a union of records and collections",
        record("Shape", s=shapes),
        [
            (dict(s=None), dict(s=None)),
            (dict(s=("Circle", dict(r=1.0))), dict(s=dict(r=1.0))),
            (dict(s=("Box", dict(w=2.0, h=3.0))), dict(s=dict(w=2.0, h=3.0))),
            (dict(s="LINE"), dict(s="LINE")),
            (dict(s=[1, 2]), dict(s=[1, 2])),
            (dict(s={"a": "b"}), dict(s={"a": "b"})),
            (dict(s=("Raw", b"\1\2")), dict(s=b"\1\2")),
        ],
    )
    branches = [record(f"R{number}", x="int") for number in range(100)]
    avro.add(
        "a union of a hundred records",
        record("Many", u=branches),
        [(dict(u=(f"R{at}", dict(x=at))), dict(u=dict(x=at))) for at in (0, 63, 64, 99)],
    )


def collections(avro: Avro) -> None:
    nested = record(
        "C",
        m={"type": "map", "values": {"type": "array", "items": {"type": "map", "values": ["null", "int"]}}},
        a={"type": "array", "items": {"type": "array", "items": "string"}},
    )
    avro.add(
        "nested lists and maps",
        nested,
        same(dict(m={}, a=[]), dict(m={"k": [{"x": 1, "y": None}, {}], "l": []}, a=[["a"], [], ["b", "c"]])),
    )
    empty = {"type": "record", "name": "Nothing", "fields": []}
    avro.add("a record without fields", empty, same({}))
    avro.add("a list of records without fields", {"type": "array", "items": empty}, same([{}, {}, {}]))
    tree = record("Tree", value="int", children={"type": "array", "items": "Tree"})
    leaf = dict(value=3, children=[])
    avro.add("a recursive record", tree, same(dict(value=1, children=[dict(value=2, children=[leaf]), leaf])))
    chain = record("Chain", value="long", next=["null", "Chain"])
    avro.add("a linked list", chain, same(dict(value=1, next=dict(value=2, next=dict(value=3, next=None)))))
    avro.by_hand(
        "a list in blocks",
        {"type": "array", "items": "int"},
        [("02" + "02" + "04" + "0406" + "00", [1, 2, 3]), ("0102" + "02" + "0304" + "0406" + "00", [1, 2, 3])],
        "blocks with a positive count, and with a negative one, which is followed by the block's length in bytes",
    )
    avro.by_hand(
        "a map in blocks",
        {"type": "map", "values": "int"},
        [
            ("02" + "026102" + "02" + "026204" + "00", {"a": 1, "b": 2}),
            ("01" + "06" + "026102" + "01" + "06" + "026204" + "00", {"a": 1, "b": 2}),
        ],
        "blocks with a positive count, and with a negative one, which is followed by the block's length in bytes",
    )
    avro.by_hand("a varint with needless bytes", "long", [("8280808000", 1)], "readers of Avro take them")


def names(avro: Avro) -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}
    avro.add(
        "namespaces",
        {
            "type": "record",
            "name": "Outer",
            "namespace": "com.example",
            "doc": "d",
            "aliases": ["Old"],
            "fields": [
                {"name": "a", "type": inner, "doc": "in com.example", "aliases": ["b"], "order": "ignore"},
                {"name": "c", "type": "Inner"},
                {"name": "d", "type": "com.example.Inner"},
                {
                    "name": "e",
                    "type": {"type": "enum", "name": "other.place.Color", "symbols": ["RED"], "default": "RED"},
                    "default": "RED",
                },
                {"name": "f", "type": "other.place.Color"},
                {
                    "name": "g",
                    "type": {
                        "type": "record",
                        "name": "Deep",
                        "namespace": "org.deep",
                        "fields": [
                            {"name": "h", "type": {"type": "fixed", "name": "Two", "size": 2}},
                            {"name": "i", "type": "Two"},
                        ],
                    },
                },
                {"name": "j", "type": "org.deep.Two"},
            ],
        },
        same(dict(a=dict(x=1), c=dict(x=2), d=dict(x=3), e="RED", f="RED", g=dict(h=b"hh", i=b"ii"), j=b"jj")),
    )
    avro.add(
        "attributes that nobody knows",
        {
            "type": "record",
            "name": "A",
            "x-owner": {"team": ["a"]},
            "fields": [{"name": "v", "type": {"type": "string", "avro.java.string": "String"}, "pii": True}],
        },
        same(dict(v="w")),
    )


def references(avro: Avro) -> None:
    client = avro.registry.client
    currency = {"type": "enum", "name": "Currency", "namespace": "com.example.money", "symbols": ["EUR", "USD"]}
    client.register_schema("currency", Schema(json.dumps(currency), "AVRO"))
    currency_reference = SchemaReference("com.example.money.Currency", "currency", 1)
    amount = {
        "type": "record",
        "name": "Amount",
        "namespace": "com.example.money",
        "fields": [{"name": "value", "type": "double"}, {"name": "currency", "type": "Currency"}],
    }
    client.register_schema("amount", Schema(json.dumps(amount), "AVRO", [currency_reference]))
    amount_reference = SchemaReference("com.example.money.Amount", "amount", 1)
    order = {
        "type": "record",
        "name": "Order",
        "namespace": "com.example",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "total", "type": "com.example.money.Amount"},
            {"name": "tax", "type": ["null", "com.example.money.Amount"]},
        ],
    }
    avro.add(
        "references of two levels",
        order,
        same(
            dict(id=1, total=dict(value=9.5, currency="EUR"), tax=None),
            dict(id=2, total=dict(value=1.0, currency="USD"), tax=dict(value=0.5, currency="EUR")),
        ),
        references=[amount_reference],
    )
    avro.add(
        "a union of references as root",
        ["com.example.money.Amount", "com.example.money.Currency"],
        [(("com.example.money.Amount", dict(value=1.0, currency="EUR")), dict(value=1.0, currency="EUR"))],
        references=[amount_reference, currency_reference],
        note="Confluent's advice for several event types in one topic",
    )


def headers(avro: Avro) -> None:
    avro.add(
        "the schema id in a header",
        record("H", id="int"),
        same(dict(id=1)),
        header=True,
        note="the header is the GUID; the payload has no prefix",
    )
    avro.add("a root of text with its schema id in a header", {"type": "string"}, same("x"), header=True)


def cases() -> list[dict[str, Any]]:
    avro = Avro("avro")
    for part in (primitives, unions, collections, names, references, headers):
        part(avro)
    return avro.cases
