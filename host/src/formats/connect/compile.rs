//! From a schema's JSON to a compiled type.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use tidegate_abi::{Arena, Field, FieldDef, SchemaDef, Value, raw::Kind, value::write_json_string};

use super::{MapType, Shape, StructField, StructType, Type};
use crate::formats::{
    read::Unknown,
    schemas,
    types::{
        ArenaStore, Declared, Mismatch, Parameters, SOURCE_TYPE, Scalar, convert, is_known_collection,
        unscaled_of_bytes,
    },
};

/// Digits that a float holds exactly, whichever they are (`DBL_DIG` of C).
const EXACT_DIGITS: usize = 15;

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
    /// Two fields have one name.
    #[error("{place} has two fields with the name {name:?}")]
    Doubled {
        /// Name of the struct.
        place: String,
        /// Name of the fields.
        name: String,
    },
    /// serde_json cannot read it: it is nested too deep, or has half of a surrogate pair.
    #[error("it cannot be read: {0}")]
    Malformed(serde_json::Error),
    /// It takes more memory than all schemas may.
    #[error(
        "it takes {bytes} bytes, but the schemas of a task's keys or values may take {limit} together: make it smaller, or \
         raise limits.memory"
    )]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What all may take.
        limit: usize,
    },
}

/// Compiles one schema.
pub(super) struct Compiler<'m> {
    /// Memory of the schema.
    pub(super) arena: Arena<'m>,
    /// Types so far.
    pub(super) types: usize,
    /// Semantic types that are not known.
    pub(super) unknown: Vec<Unknown>,
    /// The schema was made of a JSON Schema: it may have the type `any`, and its defaults are only hints.
    pub(super) is_json_schema: bool,
}

impl<'m> Compiler<'m> {
    pub(super) const fn new(arena: Arena<'m>) -> Self {
        Self { arena, types: 0, unknown: Vec::new(), is_json_schema: false }
    }

    /// Compiles the schema `json`; `place` names it in errors.
    pub(super) fn compile(
        &mut self,
        json: &Json,
        place: &str,
        in_row: bool,
    ) -> Result<Type<'m>, SchemaError> {
        self.types += 1;
        let missing = |part| SchemaError::Missing { place: place.to_owned(), part };
        let type_name = json["type"].as_str().ok_or_else(|| missing("type"))?;
        let shape = match type_name {
            "struct" if json["name"] == "io.debezium.data.VariableScaleDecimal" => {
                Shape::VariableScaleDecimal
            }
            "struct" => Shape::Struct(self.compile_struct(json, place, in_row)?),
            "array" => Shape::List(Box::new(self.compile(&json["items"], place, in_row)?)),
            "map" => Shape::Map(MapType {
                keys: Box::new(self.compile(&json["keys"], place, in_row)?),
                values: Box::new(self.compile(&json["values"], place, in_row)?),
                is_object: json["keys"]["type"] == "string",
            }),
            "any" if self.is_json_schema => Shape::Any(any_kind(json)),
            name => Shape::Scalar(self.compile_scalar(json, name, place)?),
        };
        let semantic = json["name"].as_str().unwrap_or_default();
        if matches!(type_name, "array" | "map" | "struct") && !is_known_collection(type_name, semantic) {
            self.note_unknown(semantic, type_name, place);
        }
        let is_lenient = self.is_json_schema && json["lenient"] == true;
        let optional = json["optional"] == true;
        let mut compiled = Type { shape, optional, default: None, in_row, is_lenient };
        compiled.default = match &json["default"] {
            Json::Null => None,
            default => match default_value(&compiled, default, self.arena) {
                Ok(value) => Some(value),
                Err(_) if self.is_json_schema => None,
                Err(mismatch) => return Err(SchemaError::Default { place: place.to_owned(), mismatch }),
            },
        };
        Ok(compiled)
    }

    fn compile_scalar(&mut self, json: &Json, type_name: &str, place: &str) -> Result<Scalar, SchemaError> {
        let primitive = Scalar::of_primitive(type_name).ok_or_else(|| SchemaError::UnknownType {
            place: place.to_owned(),
            name: type_name.chars().take(40).collect(),
        })?;
        let semantic = json["name"].as_str().unwrap_or_default();
        let parameters = Parameters {
            scale: parameter(json, "scale"),
            length: parameter(json, "length"),
            source_type: json["parameters"][SOURCE_TYPE].as_str().unwrap_or_default(),
        };
        if semantic == "org.apache.kafka.connect.data.Decimal" && parameters.scale.is_none() {
            return Err(SchemaError::Missing { place: place.to_owned(), part: "scale among its parameters" });
        }
        Ok(match Declared::of(semantic, primitive, parameters) {
            Declared::Known(scalar) => scalar,
            Declared::Unknown => {
                self.note_unknown(semantic, type_name, place);
                primitive
            }
        })
    }

    fn note_unknown(&mut self, semantic: &str, type_name: &str, place: &str) {
        if !self.unknown.iter().any(|known| *known.name == *semantic) {
            self.unknown.push(Unknown {
                name: semantic.into(),
                read_as: type_name.into(),
                place: place.into(),
            });
        }
    }

    fn compile_struct(
        &mut self,
        json: &Json,
        place: &str,
        in_row: bool,
    ) -> Result<StructType<'m>, SchemaError> {
        let missing = |part| SchemaError::Missing { place: place.to_owned(), part };
        let declared = json["fields"].as_array().ok_or_else(|| missing("fields"))?;
        let has = |name: &str| declared.iter().any(|field| field["field"] == name);
        let is_change = has("op") && (has("before") || has("after"));
        let is_flattened = declared.iter().any(|field| is_mark(field["field"].as_str().unwrap_or_default()));
        let mut types = Vec::with_capacity(declared.len());
        let mut names = HashSet::with_capacity(declared.len());
        for field in declared {
            let name = field["field"].as_str().ok_or_else(|| missing("name for one of its fields"))?;
            if !names.insert(name) {
                return Err(SchemaError::Doubled { place: place.to_owned(), name: name.to_owned() });
            }
            let is_row = is_change && matches!(name, "before" | "after");
            let mut ty = self.compile(field, name, in_row || is_row || is_flattened)?;
            // MongoDB's documents, which are read once, with the rest of the event.
            let may_be_document = is_row || (name == "updatedFields" && !in_row);
            if may_be_document && matches!(ty.shape, Shape::Scalar(Scalar::Json)) {
                ty.shape = Shape::Scalar(Scalar::Text);
            }
            types.push((name, ty));
        }
        let arena = self.arena;
        let fields = types.iter().zip(declared);
        let definition = SchemaDef {
            id: 0,
            name: json["name"].as_str().unwrap_or_default().to_owned(),
            version: json["version"].as_u64().and_then(|version| version.try_into().ok()).unwrap_or(0),
            fields: fields.map(|((name, ty), json)| field_def(name, ty, json, arena)).collect(),
        };
        let schema = schemas::create(definition, arena);
        let names: Vec<&'m str> = schema.fields().map(|field| field.name()).collect();
        let fields = names.into_iter().zip(types).map(|(name, (_, ty))| {
            let mut quoted = String::new();
            // Writing to a String cannot fail.
            if write_json_string(&mut quoted, name).is_ok() {
                quoted.push(':');
            }
            StructField { name, quoted: arena.str(&quoted), ty }
        });
        let is_lenient = self.is_json_schema && json["lenient"] == true;
        let fields: Vec<StructField<'m>> = fields.collect();
        Ok(StructType::new(schema, fields, in_row, is_lenient))
    }
}

fn parameter<T: std::str::FromStr>(json: &Json, name: &str) -> Option<T> {
    json["parameters"][name].as_str()?.parse().ok()
}

/// Whether a field of this name makes a row one that ExtractNewRecordState has flattened.
fn is_mark(name: &str) -> bool {
    name == "__op" || name == "__deleted"
}

/// The definition of a field that plugins see.
fn field_def<'m>(name: &str, ty: &Type<'m>, json: &Json, arena: Arena<'m>) -> FieldDef<'m> {
    let name_of_type = json["name"].as_str().filter(|name| !name.is_empty());
    let semantic = name_of_type.or_else(|| json["parameters"][SOURCE_TYPE].as_str()).unwrap_or_default();
    let scale = match ty.shape {
        Shape::Scalar(Scalar::Decimal(scale)) => Some(scale),
        _ => None,
    };
    let length = match ty.shape {
        // Not the length of the column, which MySQL has for how many digits are displayed.
        Shape::Scalar(Scalar::Integer(bits)) => Some(bits),
        _ => parameter(json, "length").or_else(|| parameter(json, "__debezium.source.column.length")),
    };
    FieldDef {
        name: name.to_owned(),
        semantic: semantic.to_owned(),
        kind: kind(&ty.shape),
        optional: ty.optional,
        precision: parameter(json, "connect.decimal.precision"),
        scale,
        length,
        nested: nested(ty, json, arena),
        default: ty.default,
    }
}

fn kind(shape: &Shape<'_>) -> Kind {
    match shape {
        Shape::Scalar(scalar) => scalar.kind(),
        Shape::VariableScaleDecimal => Kind::DECIMAL,
        Shape::Any(kind) => *kind,
        Shape::List(_) => Kind::LIST,
        Shape::Map(map) if !map.is_object => Kind::LIST,
        Shape::Map(_) | Shape::Struct(_) => Kind::STRUCT,
    }
}

/// The schema of a nested struct, or of a list's items or a map's values, as one field.
fn nested<'m>(ty: &Type<'m>, json: &Json, arena: Arena<'m>) -> Option<tidegate_abi::Schema<'m>> {
    let (name, item, json) = match &ty.shape {
        Shape::Struct(row) => return Some(row.schema),
        Shape::List(items) => ("item", items, &json["items"]),
        Shape::Map(map) => ("value", &map.values, &json["values"]),
        _ => return None,
    };
    let fields = vec![field_def(name, item, json, arena)];
    Some(schemas::create(SchemaDef { fields, ..SchemaDef::default() }, arena))
}

/// A default as a value in the schema's memory.
fn default_value<'m>(ty: &Type<'m>, json: &Json, arena: Arena<'m>) -> Result<Value<'m>, Box<Mismatch>> {
    if json.is_null() {
        return Ok(Value::NULL);
    }
    let wrong = || Box::new(Mismatch::new("another type", "this default"));
    match (&ty.shape, json) {
        (Shape::Scalar(scalar), json) => {
            let mut store = ArenaStore { arena, buffer: &mut Vec::new() };
            convert(*scalar, plain(*scalar, json, arena)?, &mut store)
        }
        (Shape::List(item), Json::Array(items)) => {
            let items =
                items.iter().map(|json| default_value(item, json, arena)).collect::<Result<Vec<_>, _>>()?;
            Ok(arena.list(&items))
        }
        (Shape::Map(map), Json::Object(entries)) if map.is_object => {
            let value = |json| default_value(&map.values, json, arena);
            object(entries.iter().map(|(name, json)| Ok((name.as_str(), value(json)?))), arena)
        }
        (Shape::Map(map), Json::Array(pairs)) if !map.is_object => {
            let pairs = pairs.iter().map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => {
                    let key = default_value(&map.keys, key, arena)?;
                    Ok(arena.list(&[key, default_value(&map.values, value, arena)?]))
                }
                _ => Err(wrong()),
            });
            Ok(arena.list(&pairs.collect::<Result<Vec<_>, _>>()?))
        }
        (Shape::Struct(row), Json::Object(entries)) => {
            let fields = row.fields.iter().filter_map(|field| {
                let json = entries.get(field.name)?;
                Some(default_value(&field.ty, json, arena).map(|value| (field.name, value)))
            });
            object(fields, arena)
        }
        (Shape::VariableScaleDecimal, Json::Object(entries)) => {
            let scale =
                entries.get("scale").and_then(Json::as_i64).and_then(|scale| i32::try_from(scale).ok());
            let unscaled =
                entries.get("value").and_then(Json::as_str).and_then(|text| STANDARD.decode(text).ok());
            let unscaled = unscaled.filter(|unscaled| unscaled_of_bytes(unscaled).is_some());
            let (scale, unscaled) = scale.zip(unscaled).ok_or_else(wrong)?;
            Ok(Value::decimal(arena.slice(&unscaled), scale))
        }
        (Shape::Any(_), json @ (Json::Bool(_) | Json::Number(_) | Json::String(_))) => {
            plain(Scalar::Text, json, arena)
        }
        _ => Err(wrong()),
    }
}

/// The kind of a value of the type `any`; null if it may be any.
fn any_kind(json: &Json) -> Kind {
    match json["kind"].as_str().unwrap_or_default() {
        "boolean" => Kind::BOOL,
        "int" => Kind::INT,
        "float" => Kind::FLOAT,
        "string" => Kind::STRING,
        "struct" => Kind::STRUCT,
        "list" => Kind::LIST,
        _ => Kind::NULL,
    }
}

fn object<'n, 'm>(
    entries: impl Iterator<Item = Result<(&'n str, Value<'m>), Box<Mismatch>>>,
    arena: Arena<'m>,
) -> Result<Value<'m>, Box<Mismatch>> {
    let fields = entries.map(|entry| entry.map(|(name, value)| Field::new(arena.str(name), value)));
    Ok(arena.object(&fields.collect::<Result<Vec<_>, _>>()?))
}

/// A default as JSON has it. serde_json has made a float of a number with a fraction: fewer digits than a decimal may have.
fn plain<'m>(scalar: Scalar, json: &Json, arena: Arena<'m>) -> Result<Value<'m>, Box<Mismatch>> {
    Ok(match json {
        Json::Bool(value) => Value::bool(*value),
        Json::String(text) => arena.string(text),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::int(number),
            (_, Some(number)) => Value::uint(number),
            _ => {
                let digits = number.to_string().bytes().filter(u8::is_ascii_digit).count();
                if digits > EXACT_DIGITS && matches!(scalar, Scalar::Decimal(_)) {
                    return Err(Box::new(Mismatch::new(
                        "base64 for a decimal",
                        "a number of more than 15 digits",
                    )));
                }
                Value::float(number.as_f64().unwrap_or(f64::NAN))
            }
        },
        _ => Value::NULL,
    })
}
