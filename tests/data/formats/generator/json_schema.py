"""JSON with JSON Schema, written by Confluent's JSONSerializer, and by hand where JSON has several forms."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaReference
from confluent_kafka.schema_registry.json_schema import JSONSerializer

from .registry import HEADER_FORM, Registry, case
from .text import Raw

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


class JsonSchema:
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
        open: str = "",
    ) -> None:
        """Values of a schema, each with what it is decoded to."""
        registered = Schema(json.dumps(schema, ensure_ascii=False), "JSON", references or [])
        # Values that do not fit their schema are among the cases.
        options = {"validate": False} | (HEADER_FORM if header else {})
        serializer = JSONSerializer(registered, self.registry.client, conf=options)
        for number, (value, expected) in enumerate(values, 1):
            payload, headers = self.registry.serialize(serializer, value, name)
            self.line(name, number, len(values), payload, expected, headers, note, open, header)

    def by_hand(self, name: str, schema: Any, values: list[tuple[str, Any]], note: str = "", open: str = "") -> None:
        """Texts behind the prefix of Confluent's serializers."""
        registered = Schema(json.dumps(schema, ensure_ascii=False), "JSON")
        schema_id = self.registry.client.register_schema(f"{name}-value", registered)
        prefix = b"\0" + schema_id.to_bytes(4, "big")
        for number, (data, expected) in enumerate(values, 1):
            self.line(name, number, len(values), prefix + data.encode(), expected, {}, note, open, False)

    def line(
        self,
        name: str,
        number: int,
        count: int,
        payload: bytes,
        expected: Any,
        headers: dict[str, bytes],
        note: str,
        open: str,
        header: bool,
    ) -> None:
        schema_id = self.registry.schema_id(name)
        stored = self.registry.client.get_schema(schema_id)
        more = {"guid": self.registry.guid(name)} if header else {}
        if open:
            more["open"] = open
        self.cases.append(
            case(
                name if count == 1 else f"{name} {number}",
                "JSON",
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


def schema(title: str, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    found = {"$schema": DRAFT_7, "title": title, "type": "object", "properties": properties}
    return found | ({"required": required} if required else {})


def same(*values: Any) -> list[tuple[Any, Any]]:
    return [(value, value) for value in values]


def plain(cases: JsonSchema) -> None:
    everything = schema(
        "Everything",
        i={"type": "integer"},
        n={"type": "number"},
        s={"type": "string", "minLength": 0},
        b={"type": "boolean"},
        z={"type": "null"},
        a={"type": "array", "items": {"type": "integer"}},
        o={"type": "object", "properties": {"x": {"type": "integer"}}},
        e={"enum": ["red", "green", 3, None]},
        c={"const": "fixed"},
    )
    cases.add(
        "all types of JSON",
        everything,
        same(
            dict(i=1, n=1.5, s="Zürich €😀\0", b=True, z=None, a=[1, -2], o=dict(x=1), e="red", c="fixed"),
            dict(i=2**63 - 1, n=-1e-300, s="", b=False, z=None, a=[], o={}, e=3, c="fixed"),
            dict(i=2**64 - 1, n=5e-324, s="a", b=True, z=None, a=[], o={}, e="green", c="fixed"),
        ),
    )
    most = dict(
        i=-(2**63), n=1.7976931348623157e308, s='"\\/\n', b=False, z=None, a=[0], o=dict(x=-1), e=None, c="fixed"
    )
    cases.add(
        "the largest number",
        everything,
        [(most, most | dict(n=Raw("1.7976931348623157e+308")))],
        open="a number as text",
    )
    cases.by_hand(
        "numbers that no double holds",
        everything,
        [
            ('{"n":0.1000000000000000000001}', dict(n=Raw("0.1000000000000000000001"))),
            ('{"i":123456789012345678901234567890}', dict(i=Raw("123456789012345678901234567890"))),
            ('{"n":1e400}', dict(n=Raw("1e400"))),
        ],
        note="all digits are kept",
    )
    cases.by_hand(
        "an integer with a point",
        everything,
        [('{"i":1.0}', dict(i=1.0)), ('{"i":1e2}', dict(i=100.0))],
        open="1.0 is an integer in JSON Schema; here a float, as in JSON without a schema",
    )
    cases.by_hand(
        "whole numbers of the type number",
        everything,
        [('{"n":1}', dict(n=1))],
        open="an int, as in JSON without a schema",
    )
    cases.by_hand("escapes and spaces", everything, [(' {\r\n\t"s" : "\\u00e4\\ud83d\\ude00\\/" }\n', dict(s="ä😀/"))])
    cases.add(
        "missing and further fields",
        schema("Some", ["a"], a={"type": "integer"}, b={"type": "string"}),
        same(dict(a=1), dict(a=1, b="x", more=[1], other=None)),
        open="the fields of the value: missing ones are not added, further ones are kept",
    )
    cases.add(
        "no further fields allowed",
        schema("Closed", ["a"], a={"type": "integer"}) | {"additionalProperties": False},
        same(dict(a=1, more=2)),
        open="values are decoded, not validated",
    )
    cases.add(
        "a value of another type than the schema says",
        schema("Typed", a={"type": "integer"}, b={"type": "string"}),
        same(dict(a="text", b=5)),
        open="values are decoded, not validated",
    )
    cases.add(
        "defaults",
        schema(
            "Defaults",
            a={"type": "integer", "default": 7},
            b={"oneOf": [{"type": "null"}, {"type": "string"}], "default": "d"},
        ),
        same({}, dict(a=None, b=None)),
        open="a default is a remark for readers, which do not fill it in",
    )
    cases.add(
        "formats",
        schema(
            "Formats",
            at={"type": "string", "format": "date-time"},
            day={"type": "string", "format": "date"},
            id={"type": "string", "format": "uuid"},
            raw={"type": "string", "contentEncoding": "base64"},
        ),
        same(dict(at="2024-02-29T13:14:15Z", day="2024-02-29", id="c0ffee00-0000-4000-8000-00000000abcd", raw="AAEC")),
        open="text: a format is a remark",
    )


def unions(cases: JsonSchema) -> None:
    text = {"oneOf": [{"type": "null"}, {"type": "string"}]}
    cases.add(
        "null first and last",
        schema(
            "Nulls",
            first=text,
            last={"oneOf": [{"type": "integer"}, {"type": "null"}]},
            both={"type": ["null", "number"]},
            any={"anyOf": [{"type": "null"}, {"type": "array", "items": text}]},
        ),
        same(dict(first=None, last=None, both=None, any=None), dict(first="a", last=1, both=0.5, any=["a", None])),
    )
    circle = {"type": "object", "title": "Circle", "properties": {"r": {"type": "number"}}, "required": ["r"]}
    box = {"type": "object", "title": "Box", "properties": {"w": {"type": "number"}}, "required": ["w"]}
    cases.add(
        "oneOf of objects",
        schema("Shapes", shape={"oneOf": [circle, box]})
        | {"allOf": [{"type": "object", "properties": {"id": {"type": "integer"}}}]},
        same(dict(shape=dict(r=1.5), id=1), dict(shape=dict(w=2.5))),
    )
    cases.add(
        "if, then and else",
        {
            "$schema": DRAFT_7,
            "title": "If",
            "type": "object",
            "if": {"properties": {"a": {"const": 1}}},
            "then": {"required": ["b"]},
            "else": {"not": {"required": ["b"]}},
            "dependencies": {"a": ["b"]},
        },
        same(dict(a=1, b=2)),
    )


def roots(cases: JsonSchema) -> None:
    for kind, values in (
        ("string", ["", "ä"]),
        ("integer", [0, -5]),
        ("number", [0.5]),
        ("boolean", [True]),
        ("array", [[], [1, "a", None, {"x": []}]]),
    ):
        cases.add(f"the root is of the type {kind}", {"$schema": DRAFT_7, "title": kind, "type": kind}, same(*values))
    cases.add(
        "a root of several types",
        {"$schema": DRAFT_7, "title": "Any", "oneOf": [{"type": "null"}, {"type": "string"}, {"type": "object"}]},
        same("x", {"a": {}}),
    )
    cases.by_hand(
        "a root that is null", {"type": ["null", "string"]}, [("null", None)], open="null, as without a schema"
    )
    cases.by_hand("a schema that allows all", {}, [('{"a":1}', dict(a=1))])
    cases.by_hand("a schema that is true", True, [("[true]", [True])])


def references(cases: JsonSchema) -> None:
    client = cases.registry.client
    tree = {
        "$schema": DRAFT_7,
        "title": "Tree",
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#"}},
            "named": {"$ref": "#/definitions/named~1map"},
        },
        "definitions": {
            "named/map": {"type": "object", "additionalProperties": {"$ref": "#/definitions/leaf"}},
            "leaf": {"$id": "#leaf", "type": "string"},
        },
    }
    cases.add(
        "references within the schema",
        tree,
        same(dict(value=1, children=[dict(value=2, children=[])], named=dict(a="x"))),
    )
    draft_2020 = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/order",
        "title": "Order",
        "type": "object",
        "properties": {
            "lines": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"$ref": "#/$defs/line"}},
            "next": {"$dynamicRef": "#node"},
        },
        "$defs": {
            "line": {"$anchor": "line", "type": "object", "properties": {"qty": {"type": "integer"}}},
            "node": {"$dynamicAnchor": "node", "type": "object"},
        },
        "unevaluatedProperties": True,
    }
    cases.add("draft 2020-12", draft_2020, same(dict(lines=["first", dict(qty=2)], next={})))
    country = {"$schema": DRAFT_7, "$id": "country.json", "title": "Country", "type": "string", "enum": ["AT", "DE"]}
    client.register_schema("country", Schema(json.dumps(country), "JSON"))
    customer = {
        "$schema": DRAFT_7,
        "$id": "customer.json",
        "title": "Customer",
        "type": "object",
        "properties": {"name": {"type": "string"}, "country": {"$ref": "country.json"}},
    }
    client.register_schema(
        "customer", Schema(json.dumps(customer), "JSON", [SchemaReference("country.json", "country", 1)])
    )
    order = schema(
        "Order",
        id={"type": "integer"},
        customer={"$ref": "customer.json"},
        all={"type": "array", "items": {"$ref": "customer.json#/properties/name"}},
    )
    cases.add(
        "references of two levels",
        order,
        same(dict(id=1, customer=dict(name="n", country="AT"), all=["a"])),
        references=[SchemaReference("customer.json", "customer", 1)],
    )


def headers(cases: JsonSchema) -> None:
    cases.add(
        "the schema id in a header",
        schema("Header", id={"type": "integer"}),
        same(dict(id=1)),
        header=True,
        note="the header is the GUID; the payload has no prefix",
    )


def cases() -> list[dict[str, Any]]:
    found = JsonSchema("json-schema")
    for part in (plain, unions, roots, references, headers):
        part(found)
    return found.cases
