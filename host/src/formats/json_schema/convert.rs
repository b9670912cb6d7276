//! Makes Connect's schema of a JSON Schema, as Confluent's `JsonSchemaConverter` does.
//!
//! Where a schema does not say how values are encoded, the result has the type `any`, which Connect does not have, or the attribute
//! `lenient`: such values are decoded as JSON without a schema is, and nothing is rejected for being of another type.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::{
    SchemaError,
    node::Node,
    resolve::{Documents, Place},
};
use crate::formats::registry::RegisteredSchema;

/// Levels of schemas within each other.
const MAX_DEPTH: usize = 200;

/// Parts of a converted schema. A part that is referred to is converted once for each reference, because Connect's schemas have no
/// references, so a few parts that refer to each other may become any number. Beyond the limit, values are decoded as they are written.
const MAX_PARTS: usize = 20_000;

/// Makes Connect's schema.
///
/// # Errors
/// When the schema is not valid.
pub(super) fn convert(schema: &RegisteredSchema) -> Result<Json, SchemaError> {
    let documents = Documents::parse(schema)?;
    let Some(root) = documents.root() else { return Ok(any("")) };
    if !matches!(root.node, Node::Object(_) | Node::Plain(Json::Bool(_))) {
        return Err(SchemaError::NotASchema);
    }
    let mut converter = Converter { documents: &documents, open: Vec::new(), parts: 0, is_connect: false };
    converter.convert(root, "the value").map(Json::Object)
}

struct Converter<'d> {
    documents: &'d Documents,
    /// Schemas around the current one, to find those that contain themselves.
    open: Vec<*const Node>,
    /// Parts that were converted.
    parts: usize,
    /// The struct around is one of Connect's converter, whose schemas say how each value is encoded.
    is_connect: bool,
}

/// What is left of a schema without the alternative null.
struct Single<'d> {
    place: Place<'d>,
    optional: bool,
}

impl<'d> Converter<'d> {
    fn convert(&mut self, place: Place<'d>, name: &str) -> Result<Map<String, Json>, SchemaError> {
        let Some(Single { place, optional }) = self.single(place, name)? else {
            return Ok(with_optional(any_of(""), true));
        };
        let node = std::ptr::from_ref(place.node);
        self.parts += 1;
        // Connect's schemas cannot contain themselves.
        if self.open.contains(&node) || self.parts > MAX_PARTS {
            return Ok(with_optional(any_of(""), true));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(SchemaError::Depth(MAX_DEPTH));
        }
        self.open.push(node);
        let converted = self.typed(place, name);
        self.open.pop();
        let mut converted = with_optional(converted?, optional);
        annotate(place.node, &mut converted);
        Ok(converted)
    }

    /// Follows references, and takes null away from a choice of two; `None` if a choice is left.
    fn single(&self, place: Place<'d>, name: &str) -> Result<Option<Single<'d>>, SchemaError> {
        let mut place = self.documents.resolve(place, name)?;
        let mut optional = false;
        for _ in 0..MAX_DEPTH {
            let choices = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| place.node.get(key));
            let Some(choices) = choices.map(Node::items).filter(|_| place.node.get("properties").is_none())
            else {
                return Ok(Some(Single { place, optional }));
            };
            let is_null = |node: &&Node| node.text("type") == "null";
            optional |= choices.iter().any(|node| is_null(&node));
            let mut others = choices.iter().filter(|node| !is_null(node));
            let (Some(node), None) = (others.next(), others.next()) else { return Ok(None) };
            place = self.documents.resolve(Place { node, ..place }, name)?;
        }
        Err(SchemaError::Depth(MAX_DEPTH))
    }

    fn typed(&mut self, place: Place<'d>, name: &str) -> Result<Map<String, Json>, SchemaError> {
        let node = place.node;
        let (type_name, nullable) = type_of(node);
        let connect_type = node.text("connect.type");
        let converted = match (type_name, connect_type) {
            ("integer", "int8" | "int16" | "int32" | "int64") => scalar(connect_type),
            ("number", "float32") => scalar("float"),
            ("number", "float64") => scalar("double"),
            // A decimal may be text of base64 or a number.
            ("string" | "number", "bytes") => scalar("bytes"),
            ("integer", _) if is_semantic(node) => scalar("int64"),
            ("number", _) if is_semantic(node) => scalar("bytes"),
            ("integer", _) => any_of("int"),
            ("number", _) => any_of("float"),
            ("boolean", _) if self.is_connect => scalar("boolean"),
            ("boolean", _) => any_of("boolean"),
            ("string", _) if self.is_connect || is_semantic(node) => scalar("string"),
            ("string", _) => any_of("string"),
            ("array", "map") => self.entries(place, name)?,
            ("array", _) => self.array(place, name)?,
            ("object", "map") => self.map(place, name)?,
            ("object", _) if !node.get("properties").map_or(&[][..], Node::fields).is_empty() => {
                self.object(place)?
            }
            ("object", _) => match node.get("additionalProperties") {
                Some(Node::Object(_)) => self.map(place, name)?,
                _ => any_of("struct"),
            },
            _ => any_of(""),
        };
        Ok(with_optional(self.leniently(converted, connect_type), nullable))
    }

    /// Connect's converter says of maps that they are; lists have nothing to say.
    fn leniently(&self, mut converted: Map<String, Json>, connect_type: &str) -> Map<String, Json> {
        let type_name = converted.get("type").and_then(Json::as_str).unwrap_or_default();
        let is_collection = matches!(type_name, "array" | "map");
        if is_collection && !self.is_connect && connect_type.is_empty() {
            converted.insert("lenient".to_owned(), true.into());
        }
        converted
    }

    fn array(&mut self, place: Place<'d>, name: &str) -> Result<Map<String, Json>, SchemaError> {
        match place.node.get("items") {
            Some(items @ Node::Object(_)) => {
                let items = self.convert(Place { node: items, ..place }, name)?;
                Ok(object([("type", "array".into()), ("items", Json::Object(items))]))
            }
            // Each item has a schema of its own, or none has.
            _ => Ok(any_of("list")),
        }
    }

    fn map(&mut self, place: Place<'d>, name: &str) -> Result<Map<String, Json>, SchemaError> {
        let values = match place.node.get("additionalProperties") {
            Some(values @ Node::Object(_)) => self.convert(Place { node: values, ..place }, name)?,
            _ => with_optional(any_of(""), true),
        };
        Ok(object([
            ("type", "map".into()),
            ("keys", json!({"type": "string"})),
            ("values", Json::Object(values)),
        ]))
    }

    /// Connect's map whose keys are not text: a list of objects with `key` and `value`.
    fn entries(&mut self, place: Place<'d>, name: &str) -> Result<Map<String, Json>, SchemaError> {
        let items = place.node.get("items").map(|node| self.documents.resolve(Place { node, ..place }, name));
        let Some(items) = items.transpose()? else { return Ok(any_of("list")) };
        let part = |part: &str| {
            let node = items.node.get("properties").and_then(|properties| properties.get(part));
            node.map(|node| Place { node, ..items })
        };
        let (Some(key), Some(value)) = (part("key"), part("value")) else { return Ok(any_of("list")) };
        let keys = self.convert(key, name)?;
        let values = self.convert(value, name)?;
        // Keys that may be null are not names of fields.
        let keys =
            if keys.get("type").is_some_and(|name| name == "string") { any_of("string") } else { keys };
        Ok(object([("type", "map".into()), ("keys", Json::Object(keys)), ("values", Json::Object(values))]))
    }

    fn object(&mut self, place: Place<'d>) -> Result<Map<String, Json>, SchemaError> {
        let node = place.node;
        let properties = node.get("properties").map_or(&[][..], Node::fields);
        let required: HashSet<&str> =
            node.get("required").map_or(&[][..], Node::items).iter().filter_map(Node::as_str).collect();
        let index = |node: &Node| match node.get("connect.index") {
            Some(Node::Plain(index)) => index.as_u64(),
            _ => None,
        };
        let mut ordered: Vec<&(String, Node)> = properties.iter().collect();
        // Stable: properties without an index keep their order.
        ordered.sort_by_key(|(_, property)| index(property).unwrap_or(u64::MAX));
        let is_connect = properties.iter().any(|(_, property)| index(property).is_some());
        let around = std::mem::replace(&mut self.is_connect, is_connect);
        let mut fields = Vec::with_capacity(ordered.len());
        for (name, property) in ordered {
            let mut field = self.convert(Place { node: property, ..place }, name)?;
            // Connect's converter does not say which properties are required: those that may be null are not.
            if !is_connect && !required.contains(name.as_str()) {
                field = with_optional(field, true);
            }
            field.insert("field".to_owned(), name.as_str().into());
            fields.push(Json::Object(field));
        }
        self.is_connect = around;
        Ok(object([
            ("type", "struct".into()),
            ("fields", Json::Array(fields)),
            ("lenient", (!is_connect).into()),
        ]))
    }
}

/// The only type of a schema, and whether null is one as well; empty if there are several, or none.
fn type_of(node: &Node) -> (&str, bool) {
    match node.get("type") {
        Some(Node::List(types)) => {
            let is_null = |node: &&Node| node.as_str() == Some("null");
            let nullable = types.iter().any(|node| is_null(&node));
            let mut others = types.iter().filter(|node| !is_null(node));
            match (others.next().and_then(Node::as_str), others.next()) {
                (Some(only), None) => (only, nullable),
                _ => ("", nullable),
            }
        }
        Some(name) => (name.as_str().unwrap_or_default(), false),
        None if node.get("properties").is_some() => ("object", false),
        None => {
            let symbols = node.get("enum").map_or(&[][..], Node::items);
            let is_text = |node: &Node| node.as_str().is_some();
            let nullable = symbols.contains(&Node::Plain(Json::Null));
            let is_text = symbols.iter().any(is_text)
                && symbols.iter().all(|symbol| is_text(symbol) || *symbol == Node::Plain(Json::Null));
            (if is_text { "string" } else { "" }, nullable)
        }
    }
}

/// Adds what Connect's schema has besides types.
fn annotate(node: &Node, converted: &mut Map<String, Json>) {
    let title = node.text("title");
    let is_struct = converted.get("type").is_some_and(|name| name == "struct");
    // Anywhere else, a title is a text for people, unless it is the name of a type.
    if !title.is_empty() && (is_struct || is_semantic(node) || node.get("connect.type").is_some()) {
        converted.insert("name".to_owned(), title.into());
    }
    for (from, to) in
        [("connect.parameters", "parameters"), ("connect.version", "version"), ("default", "default")]
    {
        if let Some(found) = node.get(from).map(Node::to_json).filter(|json| !json.is_null()) {
            converted.insert(to.to_owned(), found);
        }
    }
}

/// Whether the title is the name of one of Debezium's or Connect's types.
fn is_semantic(node: &Node) -> bool {
    let title = node.text("title");
    title.starts_with("io.debezium.") || title.starts_with("org.apache.kafka.connect.")
}

fn scalar(name: &str) -> Map<String, Json> {
    object([("type", name.into())])
}

/// A value that is decoded as JSON without a schema is, if it is of this kind; empty: of any.
fn any_of(kind: &str) -> Map<String, Json> {
    object([("type", "any".into()), ("kind", kind.into())])
}

fn any(kind: &str) -> Json {
    Json::Object(any_of(kind))
}

fn with_optional(mut schema: Map<String, Json>, optional: bool) -> Map<String, Json> {
    if optional {
        schema.insert("optional".to_owned(), true.into());
    }
    schema
}

fn object<const N: usize>(fields: [(&str, Json); N]) -> Map<String, Json> {
    fields.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
}
