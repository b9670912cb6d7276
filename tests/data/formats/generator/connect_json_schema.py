"""Connect's schemas and data as JSON Schema: what Confluent's JsonSchemaConverter writes (its class JsonSchemaData)."""

from __future__ import annotations

from typing import Any

from .connect import DECIMAL, Schema, decimal_of

INTEGERS = ("int8", "int16", "int32", "int64")
FLOATS = {"float": "float32", "double": "float64"}


def json_schema(schema: Schema, index: int | None = None, numeric: bool = False) -> dict[str, Any]:
    """The JSON Schema of a Connect schema. `numeric` is the option `json.decimal.format=NUMERIC`."""
    place = {} if index is None else {"connect.index": index}
    if schema["type"] == "struct" and schema["optional"]:
        return {"oneOf": [{"type": "null"}, json_schema(schema | {"optional": False}, numeric=numeric)]} | place
    found = plain(schema, numeric) | attributes(schema)
    if schema.get("optional"):
        return {"oneOf": [{"type": "null"}, found]} | place
    return found | place


def plain(schema: Schema, numeric: bool) -> dict[str, Any]:
    kind = schema["type"]
    if kind in INTEGERS:
        return {"type": "integer", "connect.type": kind}
    if kind in FLOATS:
        return {"type": "number", "connect.type": FLOATS[kind]}
    match kind:
        case "boolean" | "string":
            return {"type": kind}
        case "bytes":
            is_number = numeric and schema.get("name") == DECIMAL
            return {"type": "number" if is_number else "string", "connect.type": "bytes"}
        case "array":
            return {"type": "array", "items": json_schema(schema["items"], numeric=numeric)}
        case "map" if schema["keys"]["type"] == "string" and not schema["keys"]["optional"]:
            values = json_schema(schema["values"], numeric=numeric)
            return {"type": "object", "additionalProperties": values, "connect.type": "map"}
        case "map":
            entry = {"key": json_schema(schema["keys"], 0, numeric), "value": json_schema(schema["values"], 1, numeric)}
            return {"type": "array", "items": {"type": "object", "properties": entry}, "connect.type": "map"}
        case "struct":
            fields = {field["field"]: json_schema(field, at, numeric) for at, field in enumerate(schema["fields"])}
            # The library has the properties in a hash map: only connect.index has the order.
            return {"type": "object", "properties": dict(sorted(fields.items(), key=lambda item: item[0][::-1]))}
        case _:
            raise TypeError(kind)


def attributes(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "name" in schema:
        found["title"] = schema["name"]
    if "version" in schema:
        found["connect.version"] = schema["version"]
    if "doc" in schema:
        found["description"] = schema["doc"]
    if schema.get("parameters"):
        found["connect.parameters"] = schema["parameters"]
    if "default" in schema:
        found["default"] = schema["default"]
    return found


def json_data(schema: Schema, value: Any, numeric: bool = False) -> Any:
    """The data that the converter writes, given those of the JsonConverter."""
    if value is None:
        return schema.get("default")
    match schema["type"]:
        case "bytes" if numeric and schema.get("name") == DECIMAL:
            return float(decimal_of(schema, value))
        case "array":
            return [json_data(schema["items"], item, numeric) for item in value]
        case "map" if isinstance(value, dict):
            return {key: json_data(schema["values"], item, numeric) for key, item in value.items()}
        case "map":
            return [{"key": key, "value": json_data(schema["values"], item, numeric)} for key, item in value]
        case "struct":
            return {field["field"]: json_data(field, value.get(field["field"]), numeric) for field in schema["fields"]}
        case _:
            return value
