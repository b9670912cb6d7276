"""All formats as the serializers of Apicurio Registry write them: `apicurio/Serialize.java`, with a registry of version 2.

The registry is not started here: `generate.py apicurio URL JARS` takes the URL of an empty one (`http://host:port`) and the
folder with the jars of `apicurio/pom.xml`.
"""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, text_format
from google.protobuf.message_factory import GetMessageClass

from .protoc import compiled
from .registry import case

PROGRAM = Path(__file__).parents[1] / "apicurio/Serialize.java"
AVRO = json.dumps(
    {"type": "record", "name": "Item", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]}
)
JSON_SCHEMA = json.dumps(
    {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"id": {"type": "integer"}}}
)
PROTOBUF = """syntax = "proto3";
package fixtures;

message First {
  int32 id = 1;
}
message Second {
  string name = 1;
  message Inner {
    bool deep = 1;
  }
}
"""
FORMS: dict[str, dict[str, str]] = {
    "defaults": {},
    "content ids": {"apicurio.registry.use-id": "contentId"},
    "no headers": {"apicurio.registry.headers.enabled": "false"},
    "no headers, content ids": {"apicurio.registry.headers.enabled": "false", "apicurio.registry.use-id": "contentId"},
    "no headers, as Confluent": {
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
    },
    "no headers, as Confluent, global ids": {
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "globalId",
    },
}

# The option `apicurio_id` of Tidegate, where it is not the default.
IDS = {"no headers, content ids": "content", "no headers, as Confluent, global ids": "global"}


def request(url: str, body: Any = None, **headers: str) -> Any:
    data = body.encode() if isinstance(body, str) else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.loads(answer.read())


def register(url: str, artifact: str, kind: str, schema: str) -> tuple[int, int]:
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Registry-ArtifactId": artifact,
        "X-Registry-ArtifactType": kind,
    }
    found = request(f"{url}/apis/registry/v2/groups/default/artifacts?ifExists=RETURN", schema, **headers)
    return found["contentId"], found["globalId"]


def inputs() -> list[dict[str, Any]]:
    """Cases for the program, with what each is decoded to."""
    pool = compiled({"items.proto": PROTOBUF})
    file = descriptor_pb2.FileDescriptorProto()
    pool.FindFileByName("items.proto").CopyToProto(file)
    descriptor = base64.b64encode(file.SerializeToString(deterministic=True)).decode()
    found: list[dict[str, Any]] = []
    for form, options in FORMS.items():
        found.append(
            dict(
                name=f"Avro, {form}",
                form=form,
                schema_type="AVRO",
                topic="avro",
                schema=AVRO,
                value='{"id":5,"name":"ä"}',
                options=options,
                expected=dict(id=5, name="ä"),
            )
        )
        found.append(
            dict(
                name=f"JSON Schema, {form}",
                form=form,
                schema_type="JSON",
                topic="json",
                schema=JSON_SCHEMA,
                value='{"id":5}',
                options=options,
                expected=dict(id=5),
            )
        )
        for message, text, expected in (
            ("First", "id: 5", dict(id=5)),
            ("Second", 'name: "n"', dict(name="n")),
            ("Second.Inner", "deep: true", dict(deep=True)),
        ):
            kind = GetMessageClass(pool.FindMessageTypeByName(f"fixtures.{message}"))
            data = text_format.Parse(text, kind()).SerializeToString().hex()
            found.append(
                dict(
                    name=f"Protobuf, {message}, {form}",
                    form=form,
                    schema_type="PROTOBUF",
                    topic="protobuf",
                    schema=PROTOBUF,
                    descriptor=descriptor,
                    message=message,
                    value=data,
                    options=options | {"apicurio.registry.serde.validation-enabled": "false"},
                    expected=expected,
                )
            )
    found.append(
        dict(
            name="Avro in JSON",
            form="defaults",
            schema_type="AVRO",
            topic="avro",
            schema=AVRO,
            value='{"id":5,"name":"ä"}',
            options={"apicurio.registry.avro.encoding": "JSON"},
            error="JSON encoding",
        )
    )
    return found


def cases(url: str, jars: str) -> list[dict[str, Any]]:
    # Another artifact has the same content first, so that no id of a version is that of its content.
    for number, one in enumerate(inputs()):
        register(url, f"first-{number}", one["schema_type"], one["schema"])
    ids = {one["topic"]: register(url, f"{one['topic']}-value", one["schema_type"], one["schema"]) for one in inputs()}
    lines = "".join(json.dumps(one) + "\n" for one in inputs())
    command = ["java", "-cp", f"{jars}/*", str(PROGRAM), f"{url}/apis/registry/v2"]
    output = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    found = []
    for line in map(json.loads, output.splitlines()):
        content, version = ids[line["topic"]]
        more = {"error": line["error"], "format": "avro"} if "error" in line else {}
        headers = {name: bytes.fromhex(value) for name, value in line["headers"].items()}
        found.append(
            case(
                line["name"],
                line["schema_type"],
                content,
                line["schema"],
                bytes.fromhex(line["payload"]),
                line.get("expected"),
                headers=headers,
                global_id=version,
                options=line["options"],
                apicurio_id=IDS.get(line["form"], "auto"),
                **more,
            )
        )
    return found
