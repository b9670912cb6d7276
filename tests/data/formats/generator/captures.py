"""The captured change events as Confluent's JSON Schema and Protobuf converters write them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from .connect import Schema
from .connect_json_schema import json_data, json_schema
from .connect_protobuf import Converter, NullItem, Nulls
from .protoc import compiled
from .text import text

DATA = Path(__file__).parents[2]
# Strings, and times of milliseconds, are all that the ProtobufConverter keeps of Debezium's types.
SETS = {
    "json-schema": ("types-adaptive", "types-connect", "shop-precise"),
    "protobuf": ("types-connect", "shop-string"),
}


class Written:
    """The schemas of a set, and its messages."""

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []
        self.known: dict[str, int] = {}

    def schema_id(self, subject: str, kind: str, schema: str) -> int:
        known = f"{subject} {schema}"
        if known not in self.known:
            self.known[known] = len(self.known) + 1
            version = 1 + sum(other["subject"] == subject for other in self.schemas)
            self.schemas.append(
                {"subject": subject, "version": version, "id": len(self.known), "schemaType": kind, "schema": schema}
            )
        return self.known[known]


class JsonWriter(Written):
    def write(self, subject: str, schema: Schema, payload: Any) -> tuple[bytes, str | None]:
        number = self.schema_id(subject, "JSON", json.dumps(json_schema(schema), ensure_ascii=False))
        data = json.dumps(json_data(schema, payload), ensure_ascii=False, separators=(",", ":"))
        # What it is decoded to is that of the same event as JSON with its schema.
        return b"\0" + number.to_bytes(4, "big") + data.encode(), None


class ProtobufWriter(Written):
    def __init__(self) -> None:
        super().__init__()
        self.kinds: dict[str, tuple[str, Any]] = {}

    def write(self, subject: str, schema: Schema, payload: Any) -> tuple[bytes, str | None]:
        content = json.dumps(schema)
        if content not in self.kinds:
            source, full = Converter(Nulls.OPTIONAL).schema(schema)
            pool = compiled({"captured.proto": source})
            self.kinds[content] = source, GetMessageClass(pool.FindMessageTypeByName(full))
        source, kind = self.kinds[content]
        message, converter = kind(), Converter(Nulls.OPTIONAL)
        converter.fill(message, schema, payload)
        number = self.schema_id(subject, "PROTOBUF", source)
        data = message.SerializeToString(deterministic=True)
        return b"\0" + number.to_bytes(4, "big") + b"\0" + data, text(converter.expected(schema, payload))


def events(folder: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / folder / "json-schema.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def files() -> Iterator[tuple[str, str]]:
    for form, folders in SETS.items():
        for folder in folders:
            writer = JsonWriter() if form == "json-schema" else ProtobufWriter()
            lines = [
                json.dumps(found, ensure_ascii=False) for event in events(folder) if (found := line(event, writer))
            ]
            yield f"{folder}.{form}.jsonl.gz", "".join(f"{line}\n" for line in lines)
            yield f"{folder}.{form}.schemas.json.gz", json.dumps(writer.schemas, ensure_ascii=False) + "\n"


def line(event: dict[str, Any], writer: JsonWriter | ProtobufWriter) -> dict[str, Any] | None:
    found: dict[str, Any] = {"topic": event["topic"]}
    for part in ("key", "value"):
        found[f"{part}_base64"] = None
        if event[part] is None:
            continue
        envelope = json.loads(event[part])
        try:
            data, expected = writer.write(f"{event['topic']}-{part}", envelope["schema"], envelope["payload"])
        except (NullItem, OverflowError) as error:
            # The converter of Java fails as well, or writes a wrong date.
            print(f"left out, an event of {event['topic']}: {error}")
            return None
        found[f"{part}_base64"] = base64.b64encode(data).decode()
        if expected is not None:
            found[part] = expected
    return found
