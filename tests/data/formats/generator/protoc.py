"""Protobuf schemas compiled by protoc, and messages of them written by Confluent's ProtobufSerializer."""

from __future__ import annotations

import site
import tempfile
from pathlib import Path
from typing import Any

import grpc_tools
from confluent_kafka.schema_registry.confluent import meta_pb2
from confluent_kafka.schema_registry.confluent.type import decimal_pb2, variant_pb2
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from google.protobuf import descriptor_pb2, text_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

from .registry import HEADER_FORM, Registry, case

STANDARD = [str(Path(grpc_tools.__file__).parent / "_proto"), *site.getsitepackages()]


def compiled(files: dict[str, str]) -> DescriptorPool:
    """A pool with these files and all that they import."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        confluent = descriptor_pb2.FileDescriptorSet()
        for module in (meta_pb2, decimal_pb2, variant_pb2):
            module.DESCRIPTOR.CopyToProto(confluent.file.add())
        # The library has these files only as descriptors, and protoc reads either descriptors or sources.
        for file in confluent.file:
            path = Path(folder, file.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source(file), encoding="utf-8")
        output = Path(folder, "set.binpb")
        arguments = ["protoc", f"-I{folder}", *(f"-I{path}" for path in STANDARD), "--include_imports"]
        status = protoc.main([*arguments, f"--descriptor_set_out={output}", *files])
        assert status == 0, f"protoc rejects {list(files)}"
        found = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = DescriptorPool()
    for file in found.file:
        # protoc leaves the order of options that are maps to chance.
        pool.AddSerializedFile(file.SerializeToString(deterministic=True))
    return pool


def source(file: descriptor_pb2.FileDescriptorProto) -> str:
    """The source of one of Confluent's own files, which have fields, maps and extensions only."""
    kinds = descriptor_pb2.FieldDescriptorProto
    names = {
        kinds.TYPE_STRING: "string",
        kinds.TYPE_BYTES: "bytes",
        kinds.TYPE_UINT32: "uint32",
        kinds.TYPE_INT32: "int32",
    }

    def field(of: Any, entries: dict[str, Any]) -> str:
        kind = names.get(of.type, of.type_name)
        entry = entries.get(kind.rsplit(".", 1)[-1]) if of.type == kinds.TYPE_MESSAGE else None
        if entry:
            return f"map<string, string> {of.name} = {of.number};"
        label = "repeated " if of.label == kinds.LABEL_REPEATED else ""
        return f"{label}{kind} {of.name} = {of.number};"

    lines = ['syntax = "proto3";', f"package {file.package};", *(f'import "{name}";' for name in file.dependency)]
    for message in file.message_type:
        entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
        lines += [f"message {message.name} {{", *(field(of, entries) for of in message.field), "}"]
    lines += [f"extend {of.extendee} {{ {field(of, {})} }}" for of in file.extension]
    return "\n".join(lines)


class Protobuf:
    def __init__(self, name: str) -> None:
        self.name = name
        self.registry = Registry(name)
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        schema: str | dict[str, str],
        message: str,
        values: list[tuple[str, Any]],
        *,
        header: bool = False,
        known_as_references: bool = False,
        note: str = "",
        open: str = "",
    ) -> None:
        """Messages in text format, each with what it is decoded to. `open` says what Tidegate may choose otherwise."""
        kind = self.compile(schema, message)
        written = [(text_format.Parse(text, kind()), expected) for text, expected in values]
        self.messages(name, schema, written, header=header, known=known_as_references, note=note, open=open)

    def raw(
        self, name: str, schema: str, message: str, values: list[tuple[str, Any]], note: str, open: str = ""
    ) -> None:
        """Messages as bytes that no serializer writes in this form."""
        kind = self.compile(schema, message)
        empty = self.messages(name, schema, [(kind(), None)], note=note, open=open)
        self.cases.remove(empty)
        for number, (data, expected) in enumerate(values, 1):
            title = name if len(values) == 1 else f"{name} {number}"
            payload = bytes.fromhex(empty["payload"] + data)
            rest = {key: empty[key] for key in ("references", "note", "open", "schema_base64") if key in empty}
            self.cases.append(case(title, "PROTOBUF", empty["schema_id"], empty["schema"], payload, expected, **rest))

    def compile(self, schema: str | dict[str, str], message: str) -> Any:
        files = as_files(schema)
        pool = compiled(files)
        return GetMessageClass(pool.FindMessageTypeByName(message))

    def messages(
        self,
        name: str,
        schema: str | dict[str, str],
        values: list[tuple[Any, Any]],
        *,
        header: bool = False,
        known: bool = False,
        note: str = "",
        open: str = "",
    ) -> dict[str, Any]:
        files = as_files(schema)
        kind = type(values[0][0])
        options = {"skip.known.types": not known} | (HEADER_FORM if header else {})
        serializer = ProtobufSerializer(kind, self.registry.client, options)
        line: dict[str, Any] = {}
        for number, (value, expected) in enumerate(values, 1):
            # References are registered under their names, which other cases may have as well.
            payload, headers = self.registry.serialize(serializer, value, name)
            # The serializer leaves the order of a map's entries to chance.
            ordered = value.SerializeToString(deterministic=True)
            payload = payload[: len(payload) - len(ordered)] + ordered
            schema_id = self.registry.schema_id(name)
            stored = self.registry.client.get_schema(schema_id)
            more = {"guid": self.registry.guid(name)} if header else {}
            if open:
                more["open"] = open
            line = case(
                name if len(values) == 1 else f"{name} {number}",
                "PROTOBUF",
                schema_id,
                files[kind.DESCRIPTOR.file.name],
                payload,
                expected,
                references=self.as_text(self.registry.references(stored.references), files),
                headers=headers,
                note=note,
                schema_base64=stored.schema_str,
                **more,
            )
            self.cases.append(line)
        return line

    def as_text(self, references: list[dict[str, Any]], files: dict[str, str]) -> list[dict[str, Any]]:
        """References with their source, as a registry answers, beside what the serializer has registered."""
        return [
            reference
            | {
                "schema": files.get(reference["name"]) or standard_source(reference["name"]),
                "schema_base64": reference["schema"],
                "references": self.as_text(reference["references"], files),
            }
            for reference in references
        ]


def standard_source(name: str) -> str:
    found = next(path for folder in STANDARD if (path := Path(folder, name)).exists())
    return found.read_text(encoding="utf-8")


def as_files(schema: str | dict[str, str]) -> dict[str, str]:
    return {"case.proto": schema} if isinstance(schema, str) else schema
