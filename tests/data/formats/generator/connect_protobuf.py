"""Connect's schemas and data as Protobuf: what Confluent's ProtobufConverter writes (its class ProtobufData)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from typing import Any

from .connect import DATE, DECIMAL, TIME, TIMESTAMP, Schema, scale_of, scrubbed
from .text import Raw, float32

MESSAGES = {
    DECIMAL: ("confluent.type.Decimal", "confluent/type/decimal.proto"),
    DATE: ("google.type.Date", "google/type/date.proto"),
    TIME: ("google.type.TimeOfDay", "google/type/timeofday.proto"),
    TIMESTAMP: ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
}
KINDS = {"int8": "int32", "int16": "int32", "boolean": "bool"}
WRAPPERS = {
    "int32": "Int32Value",
    "int64": "Int64Value",
    "float": "FloatValue",
    "double": "DoubleValue",
    "bool": "BoolValue",
    "string": "StringValue",
    "bytes": "BytesValue",
}
EPOCH = date(1970, 1, 1)


class NullItem(Exception):
    """Protobuf has no null in lists."""


class Nulls(Enum):
    """How the converter writes scalars that may be null."""

    LOST = "default"
    OPTIONAL = "optional.for.nullables"
    WRAPPER = "wrapper.for.nullables"


@dataclass
class Message:
    name: str
    fields: list[str] = field(default_factory=list)
    nested: dict[str, Message] = field(default_factory=dict)

    def lines(self) -> list[str]:
        inner = list(self.fields)
        for message in self.nested.values():
            inner += ["", *message.lines()]
        return [f"message {self.name} {{", *(f"  {line}" if line else "" for line in inner), "}"]


class Converter:
    """Makes the schema of a Connect schema of a struct, and its messages."""

    def __init__(self, nulls: Nulls, scrub: bool = False) -> None:
        self.nulls = nulls
        self.name = scrubbed if scrub else str
        self.imports: list[str] = []
        self.unnamed = 0

    def schema(self, schema: Schema) -> tuple[str, str]:
        """The source, and the full name of its message."""
        full = ".".join(self.name(part) for part in self.named(schema).split("."))
        package, _, name = full.rpartition(".")
        lines = self.message(schema, name).lines()
        head = ['syntax = "proto3";', *([f"package {package};"] if package else []), ""]
        imports = [f'import "{path}";' for path in dict.fromkeys(self.imports)]
        return "\n".join([*head, *imports, *([""] if imports else []), *lines, ""]), full

    def named(self, schema: Schema) -> str:
        if schema.get("name"):
            return schema["name"]
        self.unnamed += 1
        return f"ConnectDefault{self.unnamed}"

    def message(self, schema: Schema, name: str) -> Message:
        message = Message(name)
        for number, of in enumerate(schema["fields"], 1):
            message.fields += self.field(message, of, self.name(of["field"]), number)
        return message

    def field(self, message: Message, schema: Schema, name: str, number: int) -> list[str]:
        label = ""
        if schema["type"] in ("array", "map"):
            label = "repeated "
        elif self.nulls is Nulls.OPTIONAL and schema.get("optional"):
            label = "optional "
        if schema["type"] == "array":
            schema = schema["items"]
        kind, parameters = self.kind(message, schema, name)
        declared = f"{label}{kind} {name} = {number}"
        if not parameters:
            return [f"{declared};"]
        self.imports.append("confluent/meta.proto")
        items = [
            f'      {{\n          key: "{key}",\n          value: "{value}"\n        }}'
            for key, value in parameters.items()
        ]
        listed = ",\n  ".join(items)
        return [*f"{declared} [(confluent.field_meta) = {{\n    params: [\n  {listed}\n    ]\n  }}];".split("\n")]

    def kind(self, message: Message, schema: Schema, name: str) -> tuple[str, dict[str, str]]:
        if schema.get("name") in MESSAGES:
            kind, path = MESSAGES[schema["name"]]
            self.imports.append(path)
            return kind, self.parameters(schema)
        match schema["type"]:
            case "struct":
                return self.nested(message, schema, name), {}
            case "map":
                return self.entry(message, schema), {}
            case primitive:
                kind = KINDS.get(primitive, primitive)
                if self.nulls is Nulls.WRAPPER and schema.get("optional"):
                    self.imports.append("google/protobuf/wrappers.proto")
                    kind = f"google.protobuf.{WRAPPERS[kind]}"
                return kind, {"connect.type": primitive} if primitive in ("int8", "int16") else {}

    def parameters(self, schema: Schema) -> dict[str, str]:
        given = schema.get("parameters", {})
        names = {"connect.decimal.precision": "precision", "scale": "scale"}
        return {to: given[key] for key, to in names.items() if key in given} if schema["name"] == DECIMAL else {}

    def nested(self, message: Message, schema: Schema, name: str) -> str:
        kind = self.name(self.named(schema).rpartition(".")[2])
        if kind == name:
            kind += "Message"
        if kind not in message.nested:
            message.nested[kind] = self.message(schema, kind)
        return kind

    def entry(self, message: Message, schema: Schema) -> str:
        """A map is a list of messages, which are not marked as entries of a map."""
        kind = self.named(schema).rpartition(".")[2] + "Entry"
        entry = Message(kind)
        entry.fields += self.field(entry, schema["keys"], "key", 1)
        entry.fields += self.field(entry, schema["values"], "value", 2)
        message.nested[kind] = entry
        return kind

    def fill(self, message: Any, schema: Schema, value: dict[str, Any]) -> None:
        """Sets the fields of a message to the data of a struct. What is null is left out."""
        for of in schema["fields"]:
            item = value.get(of["field"])
            item = of.get("default") if item is None else item
            if item is not None:
                self.put(message, self.name(of["field"]), of, item)

    def put(self, message: Any, name: str, schema: Schema, value: Any) -> None:
        match schema["type"]:
            case "array":
                for item in value:
                    self.append(getattr(message, name), schema["items"], item)
            case "map":
                for key, item in value.items() if isinstance(value, dict) else value:
                    entry = getattr(message, name).add()
                    self.put(entry, "key", schema["keys"], key)
                    self.put(entry, "value", schema["values"], item)
            case _ if schema.get("name") in MESSAGES:
                logical(getattr(message, name), schema, value)
            case "struct":
                getattr(message, name).SetInParent()
                self.fill(getattr(message, name), schema, value)
            case kind:
                data = base64.b64decode(value) if kind == "bytes" else as_number(kind, value)
                if self.nulls is Nulls.WRAPPER and schema.get("optional"):
                    getattr(message, name).SetInParent()
                    getattr(message, name).value = data
                else:
                    setattr(message, name, data)

    def append(self, items: Any, schema: Schema, value: Any) -> None:
        if value is None:
            raise NullItem("a list has an item that is null")
        if schema.get("name") in MESSAGES:
            logical(items.add(), schema, value)
        elif schema["type"] == "struct":
            self.fill(items.add(), schema, value)
        elif self.nulls is Nulls.WRAPPER and schema.get("optional"):
            items.add().value = value
        else:
            items.append(base64.b64decode(value) if schema["type"] == "bytes" else as_number(schema["type"], value))

    def expected(self, schema: Schema, value: Any) -> Any:
        """What the message is decoded to."""
        kind = schema["type"]
        if value is None:
            value = schema.get("default")
        if value is None:
            return self.missing(schema)
        if schema.get("name") in MESSAGES:
            return logical_text(schema, value)
        match kind:
            case "struct":
                return {self.name(of["field"]): self.expected(of, value.get(of["field"])) for of in schema["fields"]}
            case "array":
                return [self.expected(schema["items"], item) for item in value]
            case "map" if schema["keys"]["type"] == "string":
                return {key: self.expected(schema["values"], item) for key, item in value.items()}
            case "map":
                return [[key, self.expected(schema["values"], item)] for key, item in value]
            case "bytes":
                return base64.b64decode(value)
            case "float":
                return float32(as_number(kind, value))
            case _:
                return as_number(kind, value)

    def missing(self, schema: Schema) -> Any:
        kind = schema["type"]
        if kind == "map":
            return {} if schema["keys"]["type"] == "string" else []
        if kind == "array":
            return []
        if self.nulls is not Nulls.LOST or schema.get("name") in MESSAGES or kind == "struct":
            return None
        return {"string": "", "bytes": b"", "boolean": False, "float": 0.0, "double": 0.0}.get(kind, 0)


def as_number(kind: str, value: Any) -> Any:
    """JSON has no NaN, which the JsonConverter writes as text."""
    return float(value) if kind in ("float", "double") else value


def logical(message: Any, schema: Schema, value: Any) -> None:
    message.SetInParent()
    match schema["name"]:
        case name if name == DECIMAL:
            data = base64.b64decode(value)
            message.value = data
            message.precision = len(str(abs(int.from_bytes(data, "big", signed=True))))
            message.scale = scale_of(schema)
        case name if name == DATE:
            day = EPOCH + timedelta(days=value)
            message.year, message.month, message.day = day.year, day.month, day.day
        case name if name == TIME:
            seconds, millis = divmod(value, 1000)
            message.hours, message.minutes, message.seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
            message.nanos = millis * 1_000_000
        case _:
            message.seconds, message.nanos = value // 1000, value % 1000 * 1_000_000


def clock(millis: int) -> str:
    seconds, rest = divmod(millis, 1000)
    fraction = f".{rest:03}" if rest else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def logical_text(schema: Schema, value: Any) -> Any:
    match schema["name"]:
        case name if name == DECIMAL:
            number, scale = int.from_bytes(base64.b64decode(value), "big", signed=True), scale_of(schema)
            digits = str(abs(number)).rjust(scale + 1, "0")
            sign = "-" if number < 0 else ""
            return Raw(sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits))
        case name if name == DATE:
            return str(EPOCH + timedelta(days=value))
        case name if name == TIME:
            return clock(value)
        case _:
            day, rest = divmod(value, 86_400_000)
            return f"{EPOCH + timedelta(days=day)}T{clock(rest)}Z"
