//! From a schema's JSON to a compiled type.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use tidegate_abi::{Field, FieldDef, Value, raw::Kind, value::write_json_string};

use super::{Shape, StructField, StructType, Type, registry::Interner};
use crate::formats::types::{LeakStore, Mismatch, Scalar, convert};

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// A part that every schema has is missing or of another type.
    #[error("{place} has no {part}")]
    Missing {
        /// Name of the field or schema.
        place: String,
        /// What it lacks.
        part: &'static str,
    },
    /// A type that Connect does not have.
    #[error("{place} is of the unknown type {name:?}")]
    UnknownType {
        /// Name of the field or schema.
        place: String,
        /// Name of the type.
        name: String,
    },
    /// A default that is not of its type.
    #[error("the default of {place} does not fit its type: {mismatch}")]
    Default {
        /// Name of the field or schema.
        place: String,
        /// What was expected.
        mismatch: Box<Mismatch>,
    },
    /// serde_json cannot read it.
    #[error("it is nested too deep to be read")]
    Malformed,
    /// The process knows too many already.
    #[error(
        "this process has seen {limit} distinct schemas already and keeps each for ever: use topics whose schemas do not \
         change with every record, or restart the host"
    )]
    TooMany {
        /// How many it keeps.
        limit: usize,
    },
}

/// Compiles the schema `json`; `place` names it in errors.
pub(super) fn compile(
    json: &Json,
    place: &str,
    in_row: bool,
    known: &mut Interner,
) -> Result<Type, SchemaError> {
    let missing = |part| SchemaError::Missing { place: place.to_owned(), part };
    let type_name = json["type"].as_str().ok_or_else(|| missing("type"))?;
    let shape = match type_name {
        "struct" if json["name"] == "io.debezium.data.VariableScaleDecimal" => Shape::VariableScaleDecimal,
        "struct" => Shape::Struct(compile_struct(json, place, in_row, known)?),
        "array" => Shape::List(Box::new(compile(&json["items"], place, in_row, known)?)),
        "map" => {
            let keys = compile(&json["keys"], place, in_row, known)?;
            Shape::Map(Box::new(keys), Box::new(compile(&json["values"], place, in_row, known)?))
        }
        name => Shape::Scalar(compile_scalar(json, name, place)?),
    };
    let mut compiled = Type { shape, optional: json["optional"] == true, default: None, in_row };
    compiled.default = match &json["default"] {
        Json::Null => None,
        default => Some(
            default_value(&compiled, default)
                .map_err(|mismatch| SchemaError::Default { place: place.to_owned(), mismatch })?,
        ),
    };
    Ok(compiled)
}

fn compile_scalar(json: &Json, type_name: &str, place: &str) -> Result<Scalar, SchemaError> {
    let primitive = Scalar::of_primitive(type_name).ok_or_else(|| SchemaError::UnknownType {
        place: place.to_owned(),
        name: type_name.chars().take(40).collect(),
    })?;
    let semantic = json["name"].as_str().unwrap_or_default();
    if semantic == "org.apache.kafka.connect.data.Decimal" && parameter::<i32>(json, "scale").is_none() {
        return Err(SchemaError::Missing { place: place.to_owned(), part: "scale among its parameters" });
    }
    Ok(Scalar::of_semantic(semantic, parameter(json, "scale")).unwrap_or(primitive))
}

fn parameter<T: std::str::FromStr>(json: &Json, name: &str) -> Option<T> {
    json["parameters"][name].as_str()?.parse().ok()
}

fn compile_struct(
    json: &Json,
    place: &str,
    in_row: bool,
    known: &mut Interner,
) -> Result<StructType, SchemaError> {
    let missing = |part| SchemaError::Missing { place: place.to_owned(), part };
    let declared = json["fields"].as_array().ok_or_else(|| missing("fields"))?;
    let has = |name: &str| declared.iter().any(|field| field["field"] == name);
    let is_change = has("op") && (has("before") || has("after"));
    let is_flattened = declared.iter().any(|field| is_mark(field["field"].as_str().unwrap_or_default()));
    let mut types = Vec::with_capacity(declared.len());
    for field in declared {
        let name = field["field"].as_str().ok_or_else(|| missing("name for one of its fields"))?;
        let is_row = is_change && matches!(name, "before" | "after");
        let mut ty = compile(field, name, in_row || is_row || is_flattened, known)?;
        // MongoDB's documents, which are read once, with the rest of the event.
        if (is_row || (name == "updatedFields" && !in_row)) && matches!(ty.shape, Shape::Scalar(Scalar::Json))
        {
            ty.shape = Shape::Scalar(Scalar::Text);
        }
        types.push((name, ty));
    }
    let schema = known.intern(json, || {
        types
            .iter()
            .zip(declared)
            .map(|((name, ty), json)| field_def(name, ty, json))
            .collect::<Result<_, _>>()
    })?;
    let names: Vec<&'static str> = schema.fields().map(|field| field.name()).collect();
    let fields = names.into_iter().zip(types).map(|(name, (_, ty))| {
        let mut quoted = String::new();
        // Writing to a String cannot fail.
        if write_json_string(&mut quoted, name).is_ok() {
            quoted.push(':');
        }
        StructField { name, quoted, ty }
    });
    Ok(StructType { schema, fields: fields.collect() })
}

/// Whether a field of this name makes a row one that ExtractNewRecordState has flattened.
fn is_mark(name: &str) -> bool {
    name == "__op" || name == "__deleted"
}

/// What plugins are told about a field.
fn field_def(name: &str, ty: &Type, json: &Json) -> Result<FieldDef, SchemaError> {
    let semantic = json["name"].as_str().unwrap_or_default();
    let scale = match ty.shape {
        Shape::Scalar(Scalar::Decimal(scale)) => Some(scale),
        _ => None,
    };
    Ok(FieldDef {
        name: name.to_owned(),
        semantic: semantic.to_owned(),
        kind: kind(&ty.shape),
        optional: ty.optional,
        precision: parameter(json, "connect.decimal.precision"),
        scale,
        length: parameter(json, "length").or_else(|| parameter(json, "__debezium.source.column.length")),
        nested: nested(ty, json)?,
        default: ty.default,
    })
}

fn kind(shape: &Shape) -> Kind {
    match shape {
        Shape::Scalar(scalar) => scalar.kind(),
        Shape::VariableScaleDecimal => Kind::DECIMAL,
        Shape::List(_) => Kind::LIST,
        Shape::Map(keys, _) if !has_text_keys(keys) => Kind::LIST,
        Shape::Map(..) | Shape::Struct(_) => Kind::STRUCT,
    }
}

pub(super) fn has_text_keys(keys: &Type) -> bool {
    matches!(keys.shape, Shape::Scalar(Scalar::Text))
}

/// The schema of a nested struct, or of a list's items or a map's values, as one field.
fn nested(ty: &Type, json: &Json) -> Result<Option<tidegate_abi::Schema>, SchemaError> {
    let (name, item, json) = match &ty.shape {
        Shape::Struct(row) => return Ok(Some(row.schema)),
        Shape::List(items) => ("item", items, &json["items"]),
        Shape::Map(_, values) => ("value", values, &json["values"]),
        _ => return Ok(None),
    };
    let fields = vec![field_def(name, item, json)?];
    // Reachable only through its list, so that it needs no identity of its own.
    Ok(Some(tidegate_abi::SchemaDef { fields, ..Default::default() }.leak()))
}

/// A default as a value that lives for ever.
fn default_value(ty: &Type, json: &Json) -> Result<Value<'static>, Box<Mismatch>> {
    if json.is_null() {
        return Ok(Value::NULL);
    }
    let wrong = || Box::new(Mismatch::new("another type", "this default"));
    match (&ty.shape, json) {
        (Shape::Scalar(scalar), json) => convert(*scalar, plain(json), &mut LeakStore::default()),
        (Shape::List(item), Json::Array(items)) => {
            let items = items.iter().map(|json| default_value(item, json)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::list(Vec::leak(items)))
        }
        (Shape::Map(_, values), Json::Object(entries)) => {
            leak_object(entries.iter().map(|(name, json)| Ok((name.clone(), default_value(values, json)?))))
        }
        (Shape::Struct(row), Json::Object(entries)) => leak_object(row.fields.iter().filter_map(|field| {
            let json = entries.get(field.name)?;
            Some(default_value(&field.ty, json).map(|value| (field.name.to_owned(), value)))
        })),
        (Shape::VariableScaleDecimal, Json::Object(entries)) => {
            let scale =
                entries.get("scale").and_then(Json::as_i64).and_then(|scale| i32::try_from(scale).ok());
            let unscaled =
                entries.get("value").and_then(Json::as_str).and_then(|text| STANDARD.decode(text).ok());
            let (scale, unscaled) = scale.zip(unscaled).ok_or_else(wrong)?;
            Ok(Value::decimal(Vec::leak(unscaled), scale))
        }
        _ => Err(wrong()),
    }
}

fn leak_object(
    entries: impl Iterator<Item = Result<(String, Value<'static>), Box<Mismatch>>>,
) -> Result<Value<'static>, Box<Mismatch>> {
    let fields = entries.map(|entry| entry.map(|(name, value)| Field::new(String::leak(name), value)));
    Ok(Value::object(Vec::leak(fields.collect::<Result<Vec<_>, _>>()?)))
}

fn plain(json: &Json) -> Value<'static> {
    match json {
        Json::Bool(value) => Value::bool(*value),
        Json::String(text) => Value::string(String::leak(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::int(number),
            (_, Some(number)) => Value::uint(number),
            _ => Value::float(number.as_f64().unwrap_or(f64::NAN)),
        },
        _ => Value::NULL,
    }
}

/// The text by which equal structs are known: without what belongs to the place where a struct stands.
pub(super) fn canonical(json: &Json) -> String {
    let mut text = String::new();
    let Some(entries) = json.as_object() else {
        return text;
    };
    for (name, value) in
        entries.iter().filter(|(name, _)| !matches!(name.as_str(), "field" | "optional" | "default" | "doc"))
    {
        // Writing to a String cannot fail.
        if write!(text, "{name}={value};").is_err() {
            return String::new();
        }
    }
    text
}
