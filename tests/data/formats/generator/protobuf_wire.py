"""Protobuf: bytes that are valid but that serializers do not, or no longer, write."""

from __future__ import annotations

from typing import Any

from .protoc import Protobuf
from .registry import REJECTED, case

SCHEMA = """syntax = "proto3";

message Wire {
  int32 i = 1;
  string s = 2;
  repeated int32 packed = 3;
  repeated int32 unpacked = 4 [packed = false];
  Inner inner = 5;
  map<string, int32> counts = 6;
  bool b = 7;
  sint32 z = 8;
  uint32 u = 9;
  Kind kind = 10;
  oneof either { int32 left = 11; Inner right = 12; }
  fixed32 f = 13;
  map<string, Inner> inners = 14;
  repeated Kind kinds = 15;
  message Inner { int32 x = 1; repeated int32 y = 2; Inner next = 3; }
  enum Kind { ZERO = 0; ONE = 1; }
}
"""
EMPTY = dict(
    i=0,
    s="",
    packed=[],
    unpacked=[],
    inner=None,
    counts={},
    b=False,
    z=0,
    u=0,
    kind="ZERO",
    left=None,
    right=None,
    f=0,
    inners={},
    kinds=[],
)


def inner(**fields: Any) -> dict[str, Any]:
    return dict(x=0, y=[], next=None) | fields


def cases() -> list[dict[str, Any]]:
    protobuf = Protobuf("protobuf-wire")
    protobuf.registry.skip(2000)

    def raw(name: str, note: str, *values: tuple[str, dict[str, Any] | None], open: str = "") -> None:
        protobuf.raw(
            name,
            SCHEMA,
            "Wire",
            [(data.replace(" ", ""), REJECTED if expected is None else EMPTY | expected) for data, expected in values],
            note,
            open,
        )

    raw(
        "packed and unpacked, each where the other is declared",
        "readers take both, and mixtures",
        ("18 01 18 02", dict(packed=[1, 2])),
        ("22 02 01 02", dict(unpacked=[1, 2])),
        ("1a 02 01 02 18 03 1a 01 04", dict(packed=[1, 2, 3, 4])),
        ("1a 00", {}),
        ("78 01 7a 02 00 01", dict(kinds=["ONE", "ZERO", "ONE"])),
    )
    raw(
        "a field more than once",
        "of a scalar the last value counts; messages are merged",
        ("08 01 08 02", dict(i=2)),
        ("2a 02 08 01 2a 02 10 05", dict(inner=inner(x=1, y=[5]))),
        ("2a 04 08 01 10 01 2a 04 08 02 10 02", dict(inner=inner(x=2, y=[1, 2]))),
        ("2a 04 1a 02 08 01 2a 04 1a 02 10 07", dict(inner=inner(next=inner(x=1, y=[7])))),
    )
    raw(
        "fields in any order",
        "numbers need not ascend",
        ("38 01 08 01", dict(b=True, i=1)),
        ("12 01 61 08 01", dict(i=1, s="a")),
    )
    raw(
        "several members of a oneof",
        "the last one counts",
        ("58 01 62 00", dict(left=None, right=inner())),
        ("62 02 08 01 58 02", dict(left=2, right=None)),
        ("62 02 08 01 62 02 10 02", dict(right=inner(x=1, y=[2]))),
    )
    raw(
        "entries of a map without key or value",
        "a missing key or value is its default; of equal keys the last one counts",
        ("32 00", dict(counts={"": 0})),
        ("32 03 0a 01 61", dict(counts={"a": 0})),
        ("32 02 10 05", dict(counts={"": 5})),
        ("32 05 0a 01 61 10 01 32 05 0a 01 61 10 02", dict(counts={"a": 2})),
        ("32 05 10 03 0a 01 61", dict(counts={"a": 3})),
        ("72 03 0a 01 61", dict(inners={"a": inner()})),
    )
    raw(
        "unknown fields",
        "of every wire type; noted, not decoded",
        ("a0 06 05 08 01", dict(i=1)),
        ("a1 06 0102030405060708 08 01", dict(i=1)),
        ("a2 06 03 616263 08 01", dict(i=1)),
        ("a5 06 01020304 08 01", dict(i=1)),
        ("a3 06 08 05 a4 06 08 01", dict(i=1)),
        ("a3 06 a3 06 a4 06 12 01 61 a4 06 08 01", dict(i=1)),
        ("f8 ff ff ff 0f 01 08 01", dict(i=1)),
    )
    raw(
        "a known field with another wire type",
        "the schema is not that of the data",
        ("0a 01 61 10 05", None),
        ("0d 01000000", None),
        ("28 05", None),
        open="rejected; Google's libraries treat it as an unknown field",
    )
    raw(
        "varints with needless bytes",
        "up to ten bytes",
        ("08 81 80 80 80 00", dict(i=1)),
        ("08 81 80 80 80 80 80 80 80 80 00", dict(i=1)),
        ("88 80 00 01", dict(i=1)),
    )
    raw(
        "int32 of more than 32 bits",
        "the lowest 32 bits count",
        ("08 ff ff ff ff 0f", dict(i=-1)),
        ("08 ff ff ff ff ff ff ff ff ff 01", dict(i=-1)),
        ("08 80 80 80 80 10", dict(i=0)),
        ("48 ff ff ff ff ff 01", dict(u=4294967295)),
        ("40 ff ff ff ff 1f", dict(z=-2147483648)),
        ("50 81 80 80 80 10", dict(kind="ONE")),
    )
    raw(
        "bool of another number",
        "any number but 0 is true",
        ("38 02", dict(b=True)),
        ("38 80 80 80 80 80 80 80 80 80 01", dict(b=True)),
        ("38 80 00", dict(b=False)),
    )
    prefix(protobuf)
    return protobuf.cases


def prefix(protobuf: Protobuf) -> None:
    """Forms of the message indexes in the prefix."""
    schema = 'syntax = "proto3";\n\nmessage A {\n  int32 x = 1;\n  message B { int32 y = 1; }\n}\nmessage C { int32 z = 1; }\n'
    line = protobuf.messages("message indexes", schema, [(protobuf.compile(schema, "A")(x=1), dict(x=1))])
    protobuf.cases.remove(line)
    start = bytes.fromhex(line["payload"])[:5]
    for name, data, expected, note in (
        (
            "the first message by its full index",
            "0200" + "0801",
            dict(x=1),
            "one index, 0, instead of the single byte 0",
        ),
        ("a nested message", "040000" + "0802", dict(y=2), "indexes 0, 0"),
        ("an index with a needless byte", "02" + "8200" + "0803", dict(z=3), "index 1 in two bytes"),
    ):
        rest = {key: line[key] for key in ("references", "schema_base64")}
        protobuf.cases.append(
            case(
                f"message indexes: {name}",
                "PROTOBUF",
                line["schema_id"],
                schema,
                start + bytes.fromhex(data),
                expected,
                note=note,
                **rest,
            )
        )
