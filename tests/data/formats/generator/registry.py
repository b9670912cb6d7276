"""A registry in memory, the client library's own, and the form of a case."""

from __future__ import annotations

import random
import uuid
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.serialization import MessageField, SerializationContext

from .text import text

# The library's registry in memory draws GUIDs; the same ones each time keep the files the same.
GUIDS = random.Random(1)
uuid.uuid4 = lambda: uuid.UUID(int=GUIDS.getrandbits(128), version=4)


class Registry:
    """The registry of one file of cases."""

    def __init__(self, name: str) -> None:
        self.client = SchemaRegistryClient.new_client({"url": f"mock://{name}"})

    def skip(self, count: int) -> None:
        """Numbers schemas from here on, where cases of several registries share a file."""
        self.client._store.max_id = count

    def serialize(self, serializer: Any, value: Any, subject: str) -> tuple[bytes, dict[str, bytes]]:
        """The bytes and headers of a Kafka value. Each case has a topic of its own, and so a schema id of its own."""
        context = SerializationContext(subject, MessageField.VALUE, [])
        payload = serializer(value, context)
        return payload, dict(context.headers or [])

    def schema_id(self, subject: str) -> int:
        return self.client.get_latest_version(f"{subject}-value").schema_id

    def guid(self, subject: str) -> str:
        return str(uuid.UUID(self.client.get_latest_version(f"{subject}-value").guid))

    def references(self, references: list[Any] | None) -> list[dict[str, Any]]:
        """References with the schemas that they stand for, as far as they go."""
        found = []
        for reference in references or []:
            version = self.client.get_version(reference.subject, reference.version)
            found.append(
                {
                    "name": reference.name,
                    "subject": reference.subject,
                    "version": reference.version,
                    "schema": version.schema.schema_str,
                    "references": self.references(version.schema.references),
                }
            )
        return found


# What is expected of values that may be decoded, but that Tidegate rejects.
REJECTED = object()
HEADER_FORM = {"schema.id.serializer": header_schema_id_serializer}


def case(
    name: str,
    kind: str,
    schema_id: int,
    schema: str,
    payload: bytes,
    expected: Any = None,
    *,
    references: list[dict[str, Any]] | None = None,
    headers: dict[str, bytes] | None = None,
    note: str = "",
    **more: Any,
) -> dict[str, Any]:
    """A line of a file. `expected` is a value, whose text is written, or missing if the value has to be rejected."""
    line = {
        "name": name,
        "schema_id": schema_id,
        "schema_type": kind,
        "schema": schema,
        "references": references or [],
        "payload": payload.hex(),
        "headers": {key: value.hex() for key, value in (headers or {}).items()},
    }
    if "error" not in more and expected is not REJECTED:
        line["expected"] = text(expected)
    if note:
        line["note"] = note
    return line | more
