"""Values that have to be rejected: cut off, too long, with impossible lengths and ids, or without a valid schema."""

from __future__ import annotations

import json
from typing import Any

from .registry import case

GIGABYTES = "feffffff0f"
ITEM = json.dumps(
    {
        "type": "record",
        "name": "Item",
        "fields": [
            {"name": "id", "type": "int"},
            {"name": "name", "type": "string"},
            {"name": "maybe", "type": ["null", "long"]},
            {"name": "ratio", "type": "double"},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
            {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 4}},
            {"name": "list", "type": {"type": "array", "items": "int"}},
            {"name": "map", "type": {"type": "map", "values": "boolean"}},
        ],
    }
)
WHOLE_ITEM = "02" + "046162" + "0204" + "000000000000f03f" + "02" + "01020304" + "020600" + "02026b0100"
PROTO = """syntax = "proto3";

message Item {
  int32 i = 1;
  string s = 2;
  Item next = 3;
  repeated fixed32 fixed = 4;
  repeated int32 many = 5;
  map<string, string> texts = 6;
  bytes raw = 7;
  double d = 8;
  message Inner { int32 x = 1; }
}
"""


class Bad:
    def __init__(self) -> None:
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        kind: str,
        schema: str,
        data: str,
        error: str | bool = True,
        *,
        format: str | None = None,
        **more: Any,
    ) -> None:
        """Data behind a prefix with the schema's id."""
        schema_id = len(self.cases) + 1
        payload = b"\0" + schema_id.to_bytes(4, "big") + bytes.fromhex(data)
        self.put(name, kind, schema, schema_id, payload, error, format, **more)

    def put(
        self,
        name: str,
        kind: str,
        schema: str,
        schema_id: int,
        payload: bytes,
        error: str | bool,
        format: str | None = None,
        **more: Any,
    ) -> None:
        formats = {"AVRO": "avro", "PROTOBUF": "protobuf", "JSON": "json_schema"}
        self.cases.append(
            case(name, kind, schema_id, schema, payload, error=error, format=format or formats[kind], **more)
        )


def prefix(bad: Bad) -> None:
    for kind, schema in (("AVRO", ITEM), ("PROTOBUF", PROTO), ("JSON", '{"type":"object"}')):
        for name, payload, error in (
            ("an empty payload", "", "is empty"),
            ("the first byte alone", "00", "ends after 1 bytes"),
            ("a part of the id", "000000", "ends after 3 bytes"),
            ("an id of 8 bytes, cut off", "0000000000000001", "ends after 8 bytes"),
            ("JSON without a prefix", b'{"id":1}'.hex(), "begins with the byte 0x7b"),
            ("another first byte", "0200000001", "begins with the byte 0x02"),
            ("a GUID, cut off", "01" + "ab" * 15, "ends after 16 bytes"),
            ("an id that nobody has", "007fffffff00", "has no schema 2147483647"),
        ):
            bad.put(f"{kind}: {name}", kind, schema, len(bad.cases) + 1, bytes.fromhex(payload), error)
        bad.add(
            f"{kind}: a header that is no id",
            kind,
            schema,
            "",
            "__value_schema_id",
            headers={"__value_schema_id": b"\1\2"},
        )
    bad.add("Avro, read as Protobuf", "AVRO", ITEM, WHOLE_ITEM, format="protobuf")
    bad.add("Protobuf, read as Avro", "PROTOBUF", PROTO, "00" + "0801", format="avro")
    bad.add("JSON Schema, read as Avro", "JSON", '{"type":"object"}', b"{}".hex(), format="avro")
    bad.add("Avro, read as JSON Schema", "AVRO", ITEM, WHOLE_ITEM, format="json_schema")


def avro(bad: Bad) -> None:
    whole = bytes.fromhex(WHOLE_ITEM)
    for length in range(len(whole)):
        bad.add(f"Avro: {length} bytes of {len(whole)}", "AVRO", ITEM, whole[:length].hex(), "does not fit schema")
    bad.add("Avro: a byte too many", "AVRO", ITEM, WHOLE_ITEM + "00", "unexpected data after the value")

    def one(name: str, kind: Any, data: str, error: str | bool = "does not fit schema") -> None:
        bad.add(
            f"Avro: {name}",
            "AVRO",
            json.dumps({"type": "record", "name": "R", "fields": [{"name": "v", "type": kind}]}),
            data,
            error,
        )

    one("a union's branch that does not exist", ["null", "int"], "04")
    one("a negative branch of a union", ["null", "int"], "01")
    one("an enum's symbol that does not exist", {"type": "enum", "name": "E", "symbols": ["A"]}, "02")
    one("a negative symbol of an enum", {"type": "enum", "name": "E", "symbols": ["A"]}, "01")
    one("text of gigabytes", "string", GIGABYTES + "61")
    one("text of a negative length", "string", "01")
    one("text of the longest length", "string", "feffffffffffffffff01")
    one("bytes of gigabytes", "bytes", GIGABYTES + "61")
    one("bytes of the least length", "bytes", "ffffffffffffffffff01")
    one("a list of gigabytes", {"type": "array", "items": "int"}, GIGABYTES)
    one("a list of gigabytes of null", {"type": "array", "items": "null"}, "feffffffffffffffff01" + "00")
    one(
        "a list of gigabytes of nothing",
        {"type": "array", "items": {"type": "record", "name": "N", "fields": []}},
        GIGABYTES + "00",
    )
    one("a block of the least length", {"type": "array", "items": "int"}, "ffffffffffffffffff01" + "00" + "00")
    one("a map of gigabytes", {"type": "map", "values": "null"}, GIGABYTES)
    one("a list without an end", {"type": "array", "items": "int"}, "0202")
    one("an int of 33 bits", "int", "8080808020")
    one("an int of 11 bytes", "int", "8080808080808080808000")
    one("a long of 11 bytes", "long", "8080808080808080808000")
    one("a long of 65 bits", "long", "ffffffffffffffffff02")
    one("a varint without an end", "long", "80")
    one("a boolean of 2", "boolean", "02")
    one("text that is not UTF-8", "string", "04c328", "invalid UTF-8")
    one("a surrogate in text", "string", "06eda080", "invalid UTF-8")
    one("a map's key that is not UTF-8", {"type": "map", "values": "int"}, "0202ff0200", "invalid UTF-8")
    chain = {"type": "record", "name": "Chain", "fields": [{"name": "next", "type": ["null", "Chain"]}]}
    bad.add("Avro: ten thousand levels", "AVRO", json.dumps(chain), "02" * 10_000 + "00", "max_depth")
    for name, schema in (
        ("no JSON", '{"type":'),
        ("empty", ""),
        ("an unknown type", '{"type":"record","name":"R","fields":[{"name":"v","type":"nonsense"}]}'),
        ("a decimal without precision", '{"type":"bytes","logicalType":"decimal"}'),
        ("an enum without symbols", '{"type":"enum","name":"E"}'),
        (
            "the same field twice",
            '{"type":"record","name":"R","fields":[{"name":"v","type":"int"},{"name":"v","type":"int"}]}',
        ),
    ):
        bad.add(f"Avro, a schema that is not valid: {name}", "AVRO", schema, "02", "cannot be used")
    # These are rejected for their data, not for their schema.
    itself = '{"type":"record","name":"R","fields":[{"name":"v","type":"R"}]}'
    bad.add("Avro: a record that contains itself", "AVRO", itself, "02")
    bad.add("Avro: the same type twice in a union", "AVRO", '["int","int"]', "02")


def protobuf(bad: Bad) -> None:
    def one(name: str, data: str, error: str | bool = True, index: str = "00", **more: Any) -> None:
        bad.add(f"Protobuf: {name}", "PROTOBUF", PROTO, (index + data).replace(" ", ""), error, **more)

    one("a message that does not exist", "0801", index="0202")
    one("a nested message that does not exist", "0801", index="040004")
    one("the child of a message without children", "0801", index="06000000")
    one("a negative index", "0801", index="0201")
    one("a negative count of indexes", "0801", index="01")
    one("gigabytes of indexes", "0801", index=GIGABYTES)
    one("indexes that are cut off", "", index="04")
    one("no indexes", "", index="")
    one("a tag that is cut off", "80")
    one("a varint that is cut off", "08 80")
    one("a varint of 11 bytes", "08 8080808080808080808000")
    one("a varint of 65 bits", "08 ffffffffffffffffff02", open="Google's libraries take it")
    one("field number 0", "00 01")
    one("a tag of more than 32 bits", "88 80 80 80 80 01 01")
    one("wire type 6", "0e")
    one("wire type 7", "0f")
    one("text beyond the end", "12 05 61")
    one("text of gigabytes", "12 ffffffff07 61")
    one("text of the longest length", "12 ffffffffffffffffff01 61")
    one("a message beyond the end", "1a 05 08 01")
    one("a message that is cut off within", "1a 01 08")
    one("a double that is cut off", "41 00000000")
    one("packed numbers that are cut off", "22 03 000000")
    one("packed varints that are cut off", "2a 02 01 80")
    one("an entry of a map that is cut off", "32 03 0a 05 61")
    one("an unknown field beyond the end", "a2 06 05 61")
    one("a group that does not end", "a3 06 08 01")
    one("the end of a group that did not begin", "a4 06")
    one("the end of another group", "a3 06 ac 06")
    one("text that is not UTF-8", "12 02 c328", "UTF-8")
    one("a map's key that is not UTF-8", "32 03 0a 01 ff", "UTF-8")
    nested = b""
    for _ in range(10_000):
        nested = b"\x1a" + varint(len(nested)) + nested
    one("ten thousand levels", nested.hex(), "max_depth")
    one("ten thousand levels of unknown groups", "a306" * 10_000 + "a406" * 10_000, "max_depth")
    required = 'syntax = "proto2";\nmessage R { required int32 id = 1; optional string s = 2; }\n'
    bad.add(
        "Protobuf: a required field is missing",
        "PROTOBUF",
        required,
        "00" + "120161",
        open="Google's libraries reject it",
    )
    for name, schema in (
        ("no Protobuf", '{"type":"record"}'),
        ("base64 that is no descriptor", "AAAA"),
        ("a type that is not defined", 'syntax = "proto3";\nmessage M { Nowhere x = 1; }'),
        (
            "a type of an import that is no reference",
            'syntax = "proto3";\nimport "a/b.proto";\nmessage M { a.B x = 1; }',
        ),
        ("the same number twice", 'syntax = "proto3";\nmessage M { int32 x = 1; int32 y = 1; }'),
        ("the same name twice", 'syntax = "proto3";\nmessage M { int32 x = 1; int32 x = 2; }'),
        ("a number of 0", 'syntax = "proto3";\nmessage M { int32 x = 0; }'),
        ("a brace that is missing", 'syntax = "proto3";\nmessage M { int32 x = 1;'),
        ("a map with float keys", 'syntax = "proto3";\nmessage M { map<float, int32> x = 1; }'),
    ):
        bad.add(f"Protobuf, a schema that is not valid: {name}", "PROTOBUF", schema, "00" + "0801", "cannot be used")
    bad.add("Protobuf: a schema without text", "PROTOBUF", "", "00" + "0801")
    bad.add("Protobuf: a schema without messages", "PROTOBUF", 'syntax = "proto3";\nenum E { A = 0; }', "00" + "0801")
    bad.add(
        "Protobuf, a schema that is not valid: levels without end",
        "PROTOBUF",
        'syntax = "proto3";\n' + "message M {" * 10_000,
        "00",
        "cannot be used",
    )


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def json_schema(bad: Bad) -> None:
    def one(name: str, data: bytes, error: str | bool = True) -> None:
        bad.add(
            f"JSON Schema: {name}", "JSON", '{"type":"object","properties":{"a":{"type":"string"}}}', data.hex(), error
        )

    one("nothing behind the prefix", b"")
    one("spaces behind the prefix", b"  ")
    one("cut off", b'{"a":')
    one("text that is cut off", b'{"a":"b')
    one("text after the value", b"{} {}", "unexpected text")
    one("NaN", b'{"a":NaN}')
    one("single quotes", b"{'a':1}")
    one("a comma too many", b'{"a":1,}')
    one("text that is not UTF-8", b'{"a":"\xc3("}', "UTF-8")
    one("half of a surrogate pair", rb'{"a":"\ud83d"}')
    one("a thousand levels", b'{"a":' * 1000 + b"1" + b"}" * 1000)
    one("Avro", bytes.fromhex(WHOLE_ITEM))
    for name, schema in (("no JSON", '{"type":'), ("empty", ""), ("a number", "5")):
        bad.add(
            f"JSON Schema, a schema that is not valid: {name}", "JSON", schema, b'{"a":"b"}'.hex(), "cannot be used"
        )


def cases() -> list[dict[str, Any]]:
    bad = Bad()
    for part in (prefix, avro, protobuf, json_schema):
        part(bad)
    return bad.cases
