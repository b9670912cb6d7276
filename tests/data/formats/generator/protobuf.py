"""Protobuf: types, presence, enums and collections."""

from __future__ import annotations

from typing import Any

from .protoc import Protobuf
from .registry import REJECTED
from .text import float32

INT, LONG = 2**31, 2**63

SCALARS = """syntax = "proto3";
package fixtures;

// Every scalar type.
message Scalars {
  double d = 1;
  float f = 2;
  int32 i32 = 3;
  int64 i64 = 4;
  uint32 u32 = 5;
  uint64 u64 = 6;
  sint32 s32 = 7;
  sint64 s64 = 8;
  fixed32 f32 = 9;
  fixed64 f64 = 10;
  sfixed32 sf32 = 11;
  sfixed64 sf64 = 12;
  bool b = 13;
  string s = 14;
  bytes y = 15;
}
"""
SCALAR_NAMES = "d f i32 i64 u32 u64 s32 s64 f32 f64 sf32 sf64 b s y".split()
UNSET = dict(zip(SCALAR_NAMES, [0.0, 0.0, *[0] * 10, False, "", b""], strict=True))


def scalars(protobuf: Protobuf) -> None:
    most = [
        1.7976931348623157e308,
        float32(3.4028234663852886e38),
        INT - 1,
        LONG - 1,
        2 * INT - 1,
        2 * LONG - 1,
        INT - 1,
        LONG - 1,
        2 * INT - 1,
        2 * LONG - 1,
        INT - 1,
        LONG - 1,
        True,
        'Zürich €😀"\\\n',
        bytes(range(256)),
    ]
    least = [
        -1.7976931348623157e308,
        -float32(3.4028234663852886e38),
        -INT,
        -LONG,
        0,
        0,
        -INT,
        -LONG,
        0,
        0,
        -INT,
        -LONG,
        False,
        "",
        b"",
    ]
    protobuf.add(
        "scalars at their limits",
        SCALARS,
        "fixtures.Scalars",
        [
            (fields(most), dict(zip(SCALAR_NAMES, most, strict=True))),
            (fields(least), dict(zip(SCALAR_NAMES, least, strict=True))),
            ("", UNSET),
        ],
    )
    protobuf.add(
        "floats that are no numbers",
        SCALARS,
        "fixtures.Scalars",
        [
            (f"d: {text} f: {text}", UNSET | dict(d=value, f=value))
            for text, value in (("nan", float("nan")), ("inf", float("inf")), ("-inf", float("-inf")), ("-0.0", -0.0))
        ],
    )
    protobuf.add(
        "floats of 32 bits",
        SCALARS,
        "fixtures.Scalars",
        [(f"f: {value!r}", UNSET | dict(f=value)) for value in (0.1, 1e-45, 16777216.0, 3.1415927)],
        note="the double with the same shortest text",
    )


def fields(values: list[Any]) -> str:
    """Fields in Protobuf's text format."""

    def one(value: Any) -> str:
        match value:
            case bool():
                return str(value).lower()
            case bytes():
                return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
            case str():
                return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'
            case _:
                return repr(value)

    return " ".join(f"{name}: {one(value)}" for name, value in zip(SCALAR_NAMES, values, strict=True))


def presence(protobuf: Protobuf) -> None:
    optional = SCALARS.replace("  ", "  optional ")
    protobuf.add(
        "optional fields of proto3",
        optional,
        "fixtures.Scalars",
        [("", dict.fromkeys(SCALAR_NAMES)), (fields(list(UNSET.values())), UNSET)],
        note="a field that is not set is null; a field that is set to its default is that",
    )
    proto2 = """syntax = "proto2";
package fixtures;

message Old {
  enum Size { UNKNOWN = 0; SMALL = 3; LARGE = 7; }
  required string id = 1;
  optional int32 count = 2;
  optional int32 limit = 3 [default = 100];
  optional string name = 4 [default = "n\\"\\303\\244"];
  optional bytes raw = 5 [default = "\\000\\xff"];
  optional double ratio = 6 [default = inf];
  optional float small = 7 [default = -1.5e-3];
  optional bool flag = 8 [default = true];
  optional Size size = 9 [default = LARGE];
  optional uint64 big = 10 [default = 18446744073709551615];
  optional sint64 low = 11 [default = -9223372036854775808];
  repeated int32 many = 12;
  repeated int32 packed = 13 [packed = true];
  optional Size plain = 14;
}
"""
    unset = dict(
        id="a",
        count=None,
        limit=100,
        name='n"ä',
        raw=b"\0\xff",
        ratio=float("inf"),
        small=-0.0015,
        flag=True,
        size="LARGE",
        big=2 * LONG - 1,
        low=-LONG,
        many=[],
        packed=[],
        plain=None,
    )
    protobuf.add(
        "proto2 with defaults",
        proto2,
        "fixtures.Old",
        [
            ('id: "a"', unset),
            (
                'id: "" count: 0 limit: 0 name: "" raw: "" ratio: 0 small: 0 flag: false size: UNKNOWN big: 0 low: 0 many: [1, 2] packed: [3, -4] plain: SMALL',
                dict(
                    id="",
                    count=0,
                    limit=0,
                    name="",
                    raw=b"",
                    ratio=0.0,
                    small=0.0,
                    flag=False,
                    size="UNKNOWN",
                    big=0,
                    low=0,
                    many=[1, 2],
                    packed=[3, -4],
                    plain="SMALL",
                ),
            ),
        ],
        open="an unset optional field of proto2 with a default is its default, one without is null",
    )
    edition = """edition = "2023";
package fixtures;

message Edition {
  int32 explicit = 1;
  int32 implicit = 2 [features.field_presence = IMPLICIT];
  int32 required = 3 [features.field_presence = LEGACY_REQUIRED];
  repeated int32 packed = 4;
  repeated int32 expanded = 5 [features.repeated_field_encoding = EXPANDED];
  Inner delimited = 6 [features.message_encoding = DELIMITED];
  Inner inner = 7;
  message Inner { string s = 1; }
}
"""
    protobuf.add(
        "edition 2023",
        edition,
        "fixtures.Edition",
        [
            ("required: 1", REJECTED),
            (
                'explicit: 0 required: 2 packed: [1, 2] expanded: [3, 4] delimited { s: "d" } inner { s: "i" }',
                REJECTED,
            ),
        ],
        open="editions are rejected",
    )


def enums(protobuf: Protobuf) -> None:
    schema = """syntax = "proto3";
package fixtures;

enum Color {
  option allow_alias = true;
  COLOR_UNSPECIFIED = 0;
  RED = 1;
  CRIMSON = 1;
  DARK = -5;
  LAST = 2147483647;
}
message Paint {
  Color color = 1;
  repeated Color all = 2;
  optional Color maybe = 3;
  map<string, Color> named = 4;
  Finish finish = 5;
  enum Finish { MATT = 0; GLOSS = 1; }
}
"""
    plain = dict(color="COLOR_UNSPECIFIED", all=[], maybe=None, named={}, finish="MATT")
    protobuf.add(
        "enums",
        schema,
        "fixtures.Paint",
        [
            ("", plain),
            (
                'color: RED all: [DARK, LAST, COLOR_UNSPECIFIED] maybe: COLOR_UNSPECIFIED named { key: "x" value: RED } finish: GLOSS',
                dict(
                    color="RED",
                    all=["DARK", "LAST", "COLOR_UNSPECIFIED"],
                    maybe="COLOR_UNSPECIFIED",
                    named={"x": "RED"},
                    finish="GLOSS",
                ),
            ),
            ("color: CRIMSON", plain | dict(color="RED")),
        ],
        note="of two names of a number, the first in the schema",
    )
    protobuf.add(
        "a number that an enum does not have",
        schema,
        "fixtures.Paint",
        [("color: 42 all: [1, -7]", plain | dict(color=42, all=["RED", -7]))],
        open="a number without a name is the number",
    )
    closed = """syntax = "proto2";
package fixtures;

message Closed {
  enum Kind { A = 1; B = 2; }
  optional Kind kind = 1;
  repeated Kind kinds = 2;
  optional Kind other = 3 [default = B];
}
"""
    protobuf.add(
        "an enum of proto2 without zero",
        closed,
        "fixtures.Closed",
        [
            ("", dict(kind=None, kinds=[], other="B")),
            ("kind: B kinds: [A, B] other: A", dict(kind="B", kinds=["A", "B"], other="A")),
        ],
    )


def collections(protobuf: Protobuf) -> None:
    schema = """syntax = "proto3";

message Collections {
  repeated int32 packed = 1;
  repeated int32 unpacked = 2 [packed = false];
  repeated string texts = 3;
  repeated Item items = 4;
  repeated double doubles = 5;
  repeated sint64 zigzag = 6;
  repeated bool flags = 7;
  repeated bytes blobs = 8;
  message Item { string name = 1; }
}
"""
    empty = dict(packed=[], unpacked=[], texts=[], items=[], doubles=[], zigzag=[], flags=[], blobs=[])
    protobuf.add(
        "repeated fields",
        schema,
        "Collections",
        [
            ("", empty),
            (
                'packed: [0, -1, 2147483647] unpacked: [0, -1] texts: ["", "ä"] items {} items { name: "i" } doubles: [nan, -0.0] zigzag: [-9223372036854775808, 0] flags: [true, false] blobs: ["", "\\000"]',
                dict(
                    packed=[0, -1, INT - 1],
                    unpacked=[0, -1],
                    texts=["", "ä"],
                    items=[dict(name=""), dict(name="i")],
                    doubles=[float("nan"), -0.0],
                    zigzag=[-LONG, 0],
                    flags=[True, False],
                    blobs=[b"", b"\0"],
                ),
            ),
        ],
    )
    maps = """syntax = "proto3";

message Maps {
  map<string, string> texts = 1;
  map<string, Item> items = 2;
  map<int32, string> numbered = 3;
  map<sint64, bool> signed = 4;
  map<bool, bytes> flags = 5;
  map<uint64, double> large = 6;
  map<string, int32> counts = 7;
  message Item { optional string name = 1; }
}
"""
    none = dict(texts={}, items={}, numbered=[], signed=[], flags=[], large=[], counts={})
    protobuf.add(
        "maps",
        maps,
        "Maps",
        [
            ("", none),
            (
                'texts { key: "ä" value: "b" } items { key: "" value {} } numbered { key: -1 value: "m" } signed { key: -9223372036854775808 value: true } flags { key: true value: "\\001" } large { key: 18446744073709551615 value: 1.5 } counts { key: "c" value: 7 }',
                dict(
                    texts={"ä": "b"},
                    items={"": dict(name=None)},
                    numbered=[[-1, "m"]],
                    signed=[[-LONG, True]],
                    flags=[[True, b"\1"]],
                    large=[[2 * LONG - 1, 1.5]],
                    counts={"c": 7},
                ),
            ),
        ],
        note="a map with text keys is a struct, any other a list of pairs",
    )
    oneof = """syntax = "proto3";

message Payment {
  string id = 1;
  oneof method {
    int64 card = 2;
    string iban = 3;
    Cash cash = 4;
    bool free = 5;
  }
  optional int32 tip = 6;
  message Cash { string currency = 1; }
}
"""
    unset = dict(id="", card=None, iban=None, cash=None, free=None, tip=None)
    protobuf.add(
        "oneof",
        oneof,
        "Payment",
        [
            ("", unset),
            ("card: 0", unset | dict(card=0)),
            ('iban: ""', unset | dict(iban="")),
            ("cash {}", unset | dict(cash=dict(currency=""))),
            ("free: true tip: 1", unset | dict(free=True, tip=1)),
        ],
        note="the members that are not set are null",
    )


def cases() -> list[dict[str, Any]]:
    protobuf = Protobuf("protobuf")
    for part in (scalars, presence, enums, collections):
        part(protobuf)
    return protobuf.cases
