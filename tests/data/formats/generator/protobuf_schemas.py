"""Protobuf: nested messages, imports, the grammar of schemas, and the forms of the prefix."""

from __future__ import annotations

from typing import Any

from .protoc import Protobuf

NESTED = """syntax = "proto3";
package fixtures.deep;

message First { int32 a = 1; }
message Second {
  message Inner {
    message Innermost { string s = 1; }
    Innermost most = 1;
  }
  message Other { Inner inner = 1; repeated .fixtures.deep.Second.Inner all = 2; deep.First first = 3; }
  int32 b = 1;
}
message Third {
  // Shadows the outer First.
  message First { string text = 1; }
  First first = 1;
  .fixtures.deep.First outer = 2;
}
"""


def nesting(protobuf: Protobuf) -> None:
    for message, text, expected in (
        ("First", "a: 1", dict(a=1)),
        ("Second", "b: 2", dict(b=2)),
        ("Second.Inner", 'most { s: "x" }', dict(most=dict(s="x"))),
        ("Second.Inner.Innermost", 's: "y"', dict(s="y")),
        (
            "Second.Other",
            "inner { most {} } all {} all { most {} } first { a: 1 }",
            dict(inner=dict(most=dict(s="")), all=[dict(most=None), dict(most=dict(s=""))], first=dict(a=1)),
        ),
        ("Third", 'first { text: "t" } outer { a: 3 }', dict(first=dict(text="t"), outer=dict(a=3))),
        ("Third.First", 'text: "u"', dict(text="u")),
    ):
        protobuf.add(
            f"the message {message} of several",
            NESTED,
            f"fixtures.deep.{message}",
            [(text, expected)],
            note="the message indexes are in the prefix",
        )
    tree = """syntax = "proto3";

message Tree {
  int32 value = 1;
  repeated Tree children = 2;
  Tree left = 3;
  map<string, Tree> named = 4;
}
"""
    leaf = dict(value=0, children=[], left=None, named={})
    protobuf.add(
        "a recursive message without a package",
        tree,
        "Tree",
        [
            (
                'value: 1 children { value: 2 children {} } left { left { value: 3 } } named { key: "k" value { value: 4 } }',
                dict(
                    value=1,
                    children=[dict(leaf, value=2, children=[leaf])],
                    left=dict(leaf, left=dict(leaf, value=3)),
                    named={"k": dict(leaf, value=4)},
                ),
            )
        ],
    )
    many = 'syntax = "proto3";\n' + "".join(f"message M{number} {{ int32 x = 1; }}\n" for number in range(200))
    protobuf.add("the 200th message", many, "M199", [("x: 5", dict(x=5))], note="an index of two bytes")


def imports(protobuf: Protobuf) -> None:
    files = {
        "order.proto": """syntax = "proto3";
package shop;

import "shop/customer.proto";
import "google/protobuf/timestamp.proto";

option java_package = "com.example.shop";

message Order {
  int64 id = 1;
  Customer customer = 2;
  google.protobuf.Timestamp at = 3;
  shop.common.Country ship_to = 4;
}
""",
        "shop/customer.proto": """syntax = "proto3";
package shop;

import public "shop/common/address.proto";

message Customer {
  string name = 1;
  common.Address address = 2;
}
""",
        "shop/common/address.proto": """syntax = "proto3";
package shop.common;

enum Country { NOWHERE = 0; AT = 43; }
message Address {
  string street = 1;
  Country country = 2;
}
""",
    }
    protobuf.add(
        "imports of two levels",
        files,
        "shop.Order",
        [
            ("id: 1", dict(id=1, customer=None, at=None, ship_to="NOWHERE")),
            (
                'id: 2 customer { name: "n" address { street: "s" country: AT } } at { seconds: 1709212455 nanos: 123000000 } ship_to: AT',
                dict(
                    id=2,
                    customer=dict(name="n", address=dict(street="s", country="AT")),
                    at="2024-02-29T13:14:15.123Z",
                    ship_to="AT",
                ),
            ),
        ],
        note="shop/customer.proto is a reference, with a reference of its own, which it imports publicly; google's files are not registered",
    )
    known = """syntax = "proto3";

import "google/protobuf/timestamp.proto";

message Known { google.protobuf.Timestamp at = 1; }
"""
    protobuf.add(
        "a known type as a reference",
        known,
        "Known",
        [("at {}", dict(at="1970-01-01T00:00:00Z"))],
        known_as_references=True,
        note="older serializers, and those with skip.known.types=false, register google's files as well",
    )


def syntax(protobuf: Protobuf) -> None:
    schema = """// A comment before all.
/* Another, of
   several lines. */
syntax = 'proto3';
package fixtures . odd;
import weak "google/protobuf/descriptor.proto";
import "google/protobuf/empty.proto";
option java_multiple_files = true;
option optimize_for = SPEED;
extend google.protobuf.FieldOptions { optional string owner = 50001; repeated Tag tags = 50002; }
message Tag { string name = 1; int32 level = 2; }
message Odd {
  option deprecated = true;
  reserved 2, 15, 9 to 11, 1000 to max;
  reserved "foo", 'bar';
  string message = 1 [deprecated = true, (owner) = "team" " a;b}", json_name = "MESSAGE", (tags) = { name: "x" level: 0x1F }, (tags) = { name: 'y', level: -1 }];
  int64 optional = 3 [jstype = JS_STRING];
  bytes package = 0x4 [(.fixtures.odd.owner) = 'o'];
  string string = 5;
  bool enum = 06;
  int32 syntax = 7;;
  repeated int32 to = 8;
  oneof stream { string rpc = 12; int32 returns = 13; }
  enum Level { reserved 5; LOW = 0 [deprecated = true]; HIGH = -0x1; }
  Level level = 14;
}
service Service {
  option deprecated = true;
  rpc Call (Odd) returns (stream Odd) { option idempotency_level = IDEMPOTENT; }
  rpc Other(.google.protobuf.Empty) returns(.fixtures.odd.Odd);
}
"""
    unset = dict(
        message="", optional=0, package=b"", string="", enum=False, syntax=0, to=[], rpc=None, returns=None, level="LOW"
    )
    protobuf.add(
        "a schema with all of the grammar",
        schema,
        "fixtures.odd.Odd",
        [
            ("", unset),
            (
                'message: "m" optional: 1 package: "p" string: "s" enum: true syntax: 2 to: 3 returns: 4 level: HIGH',
                dict(
                    message="m",
                    optional=1,
                    package=b"p",
                    string="s",
                    enum=True,
                    syntax=2,
                    to=[3],
                    rpc=None,
                    returns=4,
                    level="HIGH",
                ),
            ),
        ],
    )
    validated = """syntax = "proto3";

import "buf/validate/validate.proto";

message Validated {
  string mail = 1 [(buf.validate.field).string.email = true];
}
"""
    rules = 'syntax = "proto2";\npackage buf.validate;\nimport "google/protobuf/descriptor.proto";\nmessage Rules { optional Texts string = 1; }\nmessage Texts { optional bool email = 1; }\nextend google.protobuf.FieldOptions { optional Rules field = 1159; }\n'
    protobuf.add(
        "an import for options",
        {"case.proto": validated, "buf/validate/validate.proto": rules},
        "Validated",
        [('mail: "a@b.c"', dict(mail="a@b.c"))],
    )
    registered = protobuf.cases[-1]
    without = registered | dict(
        name="an import for options that is not registered",
        schema_id=999,
        payload="00" + (999).to_bytes(4, "big").hex() + registered["payload"][10:],
        references=[],
        open="rejected: the schema is not complete",
    )
    del without["expected"]
    protobuf.cases.append(without)
    groups = """syntax = "proto2";

message Search {
  optional group Result = 1 {
    optional string url = 2;
    repeated group Snippet = 3 { optional string text = 4; }
  }
  extensions 100 to 199;
  oneof what { group Page = 5 { optional int32 number = 6; } }
}
extend Search { optional int32 extra = 100; }
"""
    protobuf.add(
        "groups",
        groups,
        "Search",
        [
            ("", dict(result=None, page=None)),
            (
                'Result { url: "u" Snippet { text: "a" } Snippet {} } Page { number: 1 }',
                dict(result=dict(url="u", snippet=[dict(text="a"), dict(text=None)]), page=dict(number=1)),
            ),
        ],
    )
    protobuf.add(
        "an extension",
        groups,
        "Search",
        [("[extra]: 7", dict(result=None, page=None))],
        open="an extension is a field that the message does not have: noted",
    )


def headers(protobuf: Protobuf) -> None:
    for message, text, expected in (
        ("First", "a: 1", dict(a=1)),
        ("Second", "b: 2", dict(b=2)),
        ("Second.Inner.Innermost", 's: "y"', dict(s="y")),
    ):
        protobuf.add(
            f"the message {message} by header",
            NESTED,
            f"fixtures.deep.{message}",
            [(text, expected)],
            header=True,
            note="the message indexes follow the GUID in the header",
        )


def cases() -> list[dict[str, Any]]:
    protobuf = Protobuf("protobuf-schemas")
    protobuf.registry.skip(500)
    for part in (nesting, imports, syntax, headers):
        part(protobuf)
    return protobuf.cases
