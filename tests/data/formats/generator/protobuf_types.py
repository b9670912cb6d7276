"""Protobuf: well-known types, google.type and Confluent's types and options."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .protoc import Protobuf
from .text import Raw

INT, LONG = 2**31, 2**63


def one(imported: str, kind: str, label: str = "") -> str:
    """A schema of one field `v`."""
    return f'syntax = "proto3";\n\nimport "{imported}";\n\nmessage Case {{\n  {label}{kind} v = 1;\n}}\n'


def v(*values: tuple[str, Any]) -> list[tuple[str, Any]]:
    return [(text, dict(v=value)) for text, value in values]


def times(protobuf: Protobuf) -> None:
    timestamp = one("google/protobuf/timestamp.proto", "google.protobuf.Timestamp")
    protobuf.add(
        "Timestamp",
        timestamp,
        "Case",
        v(
            ("", None),
            ("v {}", "1970-01-01T00:00:00Z"),
            ("v { seconds: 1709212455 nanos: 123456789 }", "2024-02-29T13:14:15.123456789Z"),
            ("v { seconds: -1 nanos: 999000000 }", "1969-12-31T23:59:59.999Z"),
            ("v { seconds: -62135596800 }", "0001-01-01T00:00:00Z"),
            ("v { seconds: 253402300799 nanos: 999999999 }", "9999-12-31T23:59:59.999999999Z"),
        ),
    )
    protobuf.add(
        "Timestamp out of range",
        timestamp,
        "Case",
        v(
            ("v { seconds: 253402300800 }", "+10000-01-01T00:00:00Z"),
            ("v { seconds: 1 nanos: -1 }", dict(seconds=1, nanos=-1)),
            ("v { nanos: 1000000000 }", dict(seconds=0, nanos=1000000000)),
            ("v { seconds: 9223372036854775807 }", "+292277026596-12-04T15:30:07Z"),
        ),
        open="years above 9999 are kept; nanos that are none leave the message as it is",
    )
    protobuf.add(
        "Duration",
        one("google/protobuf/duration.proto", "google.protobuf.Duration"),
        "Case",
        v(
            ("", None),
            ("v {}", "PT0S"),
            ("v { seconds: 1 nanos: 500000000 }", "PT1.5S"),
            ("v { seconds: -1 nanos: -500000000 }", "PT-1.5S"),
            ("v { seconds: 93784 nanos: 1000 }", "PT26H3M4.000001S"),
            ("v { nanos: 1 }", dict(seconds=0, nanos=1)),
            ("v { seconds: 315576000000 }", "PT87660000H"),
        ),
        open="an interval has microseconds; a finer one stays the message",
    )
    repeated = one("google/protobuf/timestamp.proto", "google.protobuf.Timestamp", "repeated ")
    protobuf.add(
        "Timestamps in a list",
        repeated,
        "Case",
        v(("", []), ("v {} v { seconds: 1 }", ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"])),
    )
    protobuf.add(
        "a Timestamp as root",
        'syntax = "proto3";\nimport "google/protobuf/timestamp.proto";\nmessage Wrap { google.protobuf.Timestamp at = 1; map<string, google.protobuf.Timestamp> all = 2; }\n',
        "Wrap",
        [
            (
                'all { key: "a" value { seconds: 1 } } all { key: "b" value {} }',
                dict(at=None, all={"a": "1970-01-01T00:00:01Z", "b": "1970-01-01T00:00:00Z"}),
            )
        ],
    )


WRAPPERS = """syntax = "proto3";

import "google/protobuf/wrappers.proto";

message Wrappers {
  google.protobuf.DoubleValue d = 1;
  google.protobuf.FloatValue f = 2;
  google.protobuf.Int64Value l = 3;
  google.protobuf.UInt64Value ul = 4;
  google.protobuf.Int32Value i = 5;
  google.protobuf.UInt32Value ui = 6;
  google.protobuf.BoolValue b = 7;
  google.protobuf.StringValue s = 8;
  google.protobuf.BytesValue y = 9;
  repeated google.protobuf.Int32Value many = 10;
}
"""


def wrappers(protobuf: Protobuf) -> None:
    names = "d f l ul i ui b s y".split()
    none = dict.fromkeys(names) | dict(many=[])
    zero = dict(d=0.0, f=0.0, l=0, ul=0, i=0, ui=0, b=False, s="", y=b"", many=[0, 5])
    full = dict(d=-1.5, f=0.1, l=-LONG, ul=2 * LONG - 1, i=-INT, ui=2 * INT - 1, b=True, s="ä", y=b"\xff", many=[])
    protobuf.add(
        "wrappers",
        WRAPPERS,
        "Wrappers",
        [
            ("", none),
            ("d {} f {} l {} ul {} i {} ui {} b {} s {} y {} many {} many { value: 5 }", zero),
            (
                'd { value: -1.5 } f { value: 0.1 } l { value: -9223372036854775808 } ul { value: 18446744073709551615 } i { value: -2147483648 } ui { value: 4294967295 } b { value: true } s { value: "\\303\\244" } y { value: "\\xff" }',
                full,
            ),
        ],
        note="a wrapper is its value, or null",
    )


def structs(protobuf: Protobuf) -> None:
    schema = """syntax = "proto3";

import "google/protobuf/struct.proto";

message Dynamic {
  google.protobuf.Struct s = 1;
  google.protobuf.Value v = 2;
  google.protobuf.ListValue l = 3;
  google.protobuf.NullValue n = 4;
  repeated google.protobuf.Value many = 5;
}
"""
    none = dict(s=None, v=None, l=None, n=None, many=[])
    nested = 's { fields { key: "a" value { number_value: 1.5 } } fields { key: "b" value { list_value { values { null_value: NULL_VALUE } values { bool_value: true } values { string_value: "x" } } } } fields { key: "c" value { struct_value { fields { key: "d" value { number_value: 3 } } } } } }'
    protobuf.add(
        "Struct, Value and ListValue",
        schema,
        "Dynamic",
        [
            ("", none),
            ("s {} l {} v { null_value: NULL_VALUE }", none | dict(s={}, l=[])),
            (nested, none | dict(s={"a": 1.5, "b": [None, True, "x"], "c": {"d": 3.0}})),
            (
                'v { number_value: nan } l { values { number_value: 1e300 } values { struct_value {} } } many { string_value: "s" } many { bool_value: false }',
                none | dict(v=float("nan"), l=[1e300, {}], many=["s", False]),
            ),
        ],
        open="the values of JSON, whose numbers are floats",
    )
    protobuf.add("a Value without a kind", schema, "Dynamic", [("v {}", none)], open="null")


def others(protobuf: Protobuf) -> None:
    protobuf.add(
        "Any",
        'syntax = "proto3";\n\nimport "google/protobuf/any.proto";\n\nmessage Case {\n  google.protobuf.Any v = 1;\n  repeated google.protobuf.Any many = 2;\n}\n',
        "Case",
        [
            ("", dict(v=None, many=[])),
            (
                'v { type_url: "type.googleapis.com/shop.Order" value: "\\010\\001" } many {}',
                dict(
                    v=dict(type_url="type.googleapis.com/shop.Order", value=b"\x08\x01"),
                    many=[dict(type_url="", value=b"")],
                ),
            ),
        ],
        open="the schema of what is inside is not known: the message as it is",
    )
    protobuf.add(
        "FieldMask",
        one("google/protobuf/field_mask.proto", "google.protobuf.FieldMask"),
        "Case",
        v(("", None), ('v { paths: "a.b" paths: "c_d" }', dict(paths=["a.b", "c_d"]))),
        open="the message as it is",
    )
    protobuf.add(
        "Empty", one("google/protobuf/empty.proto", "google.protobuf.Empty"), "Case", v(("", None), ("v {}", {}))
    )


def google_types(protobuf: Protobuf) -> None:
    protobuf.add(
        "google.type.Date",
        one("google/type/date.proto", "google.type.Date"),
        "Case",
        v(
            ("", None),
            ("v { year: 2024 month: 2 day: 29 }", "2024-02-29"),
            ("v { year: 1 month: 1 day: 1 }", "0001-01-01"),
            ("v { year: 9999 month: 12 day: 31 }", "9999-12-31"),
        ),
    )
    protobuf.add(
        "google.type.Date that is no date",
        one("google/type/date.proto", "google.type.Date"),
        "Case",
        v(
            ("v {}", dict(year=0, month=0, day=0)),
            ("v { year: 2024 month: 2 }", dict(year=2024, month=2, day=0)),
            ("v { year: 2023 month: 2 day: 29 }", dict(year=2023, month=2, day=29)),
            ("v { month: 12 day: 24 }", dict(year=0, month=12, day=24)),
        ),
        open="year, year and month, or month and day alone are allowed by google.type.Date: the message as it is",
    )
    protobuf.add(
        "google.type.TimeOfDay",
        one("google/type/timeofday.proto", "google.type.TimeOfDay"),
        "Case",
        v(
            ("", None),
            ("v {}", "00:00:00"),
            ("v { hours: 13 minutes: 14 seconds: 15 nanos: 123456789 }", "13:14:15.123456789"),
            ("v { hours: 24 }", "24:00:00"),
            ("v { hours: 23 minutes: 59 seconds: 60 }", dict(hours=23, minutes=59, seconds=60, nanos=0)),
            ("v { hours: 25 }", dict(hours=25, minutes=0, seconds=0, nanos=0)),
        ),
        open="leap seconds are allowed by google.type.TimeOfDay: the message as it is",
    )
    protobuf.add(
        "google.type.Money",
        one("google/type/money.proto", "google.type.Money"),
        "Case",
        v(
            ("", None),
            (
                'v { currency_code: "EUR" units: -1 nanos: -750000000 }',
                dict(currency_code="EUR", units=-1, nanos=-750000000),
            ),
        ),
        open="the message as it is",
    )
    protobuf.add(
        "google.type.DateTime and others",
        'syntax = "proto3";\nimport "google/type/datetime.proto";\nimport "google/type/latlng.proto";\nimport "google/type/dayofweek.proto";\nmessage Case { google.type.DateTime at = 1; google.type.LatLng place = 2; google.type.DayOfWeek day = 3; }\n',
        "Case",
        [
            (
                "at { year: 2024 month: 2 day: 29 hours: 13 utc_offset { seconds: 3600 } } place { latitude: 48.2 longitude: 16.4 } day: MONDAY",
                dict(
                    at=dict(
                        year=2024,
                        month=2,
                        day=29,
                        hours=13,
                        minutes=0,
                        seconds=0,
                        nanos=0,
                        utc_offset="PT1H",
                        time_zone=None,
                    ),
                    place=dict(latitude=48.2, longitude=16.4),
                    day="MONDAY",
                ),
            )
        ],
        open="messages as they are",
    )


DECIMAL = """syntax = "proto3";

import "confluent/meta.proto";
import "confluent/type/decimal.proto";

message Case {
  confluent.type.Decimal v = 1 [(confluent.field_meta) = {
    params: [
      {
        key: "precision",
        value: "10"
      },
      {
        key: "scale",
        value: "2"
      }
    ]
  }];
}
"""


def unscaled(number: int) -> str:
    data = number.to_bytes((number.bit_length() // 8) + 1, "big", signed=True)
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def confluent_types(protobuf: Protobuf) -> None:
    plain = one("confluent/type/decimal.proto", "confluent.type.Decimal")
    nines = int("9" * 60)
    for name, schema in (("Decimal", plain), ("Decimal with precision and scale in the schema", DECIMAL)):
        protobuf.add(
            f"confluent.type.{name}",
            schema,
            "Case",
            v(
                ("", None),
                (f"v {{ value: {unscaled(1234)} precision: 4 scale: 2 }}", Decimal("12.34")),
                (f"v {{ value: {unscaled(-1)} precision: 1 scale: 2 }}", Decimal("-0.01")),
                (f"v {{ value: {unscaled(0)} precision: 1 scale: 2 }}", Decimal("0.00")),
                ("v { scale: 2 }", Decimal("0.00")),
            ),
            note="the scale of each value is in the value",
        )
    protobuf.add(
        "confluent.type.Decimal at its limits",
        plain,
        "Case",
        v(
            (f"v {{ value: {unscaled(12)} precision: 2 scale: -3 }}", Decimal("12000")),
            (f"v {{ value: {unscaled(nines)} precision: 60 scale: 30 }}", Decimal("9" * 30 + "." + "9" * 30)),
            (f"v {{ value: {unscaled(-nines)} }}", Decimal(-nines)),
            (f"v {{ value: {unscaled(128)} precision: 3 }}", Decimal(128)),
            (f"v {{ value: {unscaled(5)} scale: 20 }}", Raw("0.00000000000000000005")),
            ("v {}", Decimal(0)),
        ),
        note="a precision of 0 is without a limit",
    )
    protobuf.add(
        "a Decimal whose precision is below its digits",
        plain,
        "Case",
        v((f"v {{ value: {unscaled(123456)} precision: 3 scale: 2 }}", Decimal("1234.56"))),
        open="all digits; Confluent's converter rounds to the precision",
    )
    several = one(
        "confluent/type/decimal.proto",
        "confluent.type.Decimal",
        "map<string, confluent.type.Decimal> m = 2;\n  repeated ",
    )
    protobuf.add(
        "Decimals in lists and maps",
        several,
        "Case",
        [
            (
                f'v {{ value: {unscaled(15)} scale: 1 }} m {{ key: "a" value {{ value: {unscaled(-15)} scale: 1 }} }}',
                dict(m={"a": Decimal("-1.5")}, v=[Decimal("1.5")]),
            )
        ],
    )
    protobuf.add(
        "confluent.type.Variant",
        one("confluent/type/variant.proto", "confluent.type.Variant"),
        "Case",
        v(
            ("", None),
            ('v { metadata: "\\001\\000\\000" value: "\\014\\005" }', dict(metadata=b"\1\0\0", value=b"\x0c\5")),
        ),
        open="the message as it is",
    )
    options = """syntax = "proto3";
package fixtures;

import "confluent/meta.proto";

option (confluent.file_meta).doc = "a file";

message Meta {
  option (confluent.message_meta) = {
    doc: "a message",
    params: [{ key: "a", value: "b" }],
    tags: ["PII"],
    rules: [{ name: "r", expr: "size(this.s) > 0" }]
  };
  int32 i8 = 1 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int8"
      }
    ]
  }];
  int32 i16 = 2 [(.confluent.field_meta) = { params: [{ key: "connect.type", value: "int16" }] }];
  string s = 3 [
    (confluent.field_meta).tags = "PII",
    (confluent.field_meta).doc = "text"
  ];
  Level level = 4;
  enum Level {
    option (confluent.enum_meta).doc = "an enum";
    LOW = 0 [(confluent.enum_value_meta).doc = "lowest"];
  }
}
"""
    protobuf.add(
        "Confluent's options",
        options,
        "fixtures.Meta",
        [('i8: -128 i16: 32767 s: "x"', dict(i8=-128, i16=32767, s="x", level="LOW"))],
    )


def cases() -> list[dict[str, Any]]:
    protobuf = Protobuf("protobuf-types")
    # Ids of their own: the files of Protobuf are one file of cases.
    protobuf.registry.skip(1000)
    for part in (times, wrappers, structs, others, google_types, confluent_types):
        part(protobuf)
    return protobuf.cases
