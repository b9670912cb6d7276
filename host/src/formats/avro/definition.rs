//! The schemas that plugins see, from Avro's.

use std::collections::HashMap;

use tidegate_abi::{Arena, FieldDef, Schema, SchemaDef, raw::Kind as ValueKind};

use super::{
    default::default_value,
    leaf::{connect_name, connect_parameter, leaf},
    program::Type,
    schema::{Document, Kind, Node, NodeId, Record},
};
use crate::formats::{
    schemas,
    types::{SOURCE_TYPE, Scalar},
};

pub(super) const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// Records within each other that get a schema.
const MAX_DEPTH: usize = 100;

/// Makes schemas of the records of one document.
pub(super) struct Definitions<'d, 'm> {
    document: &'d Document,
    arena: Arena<'m>,
    /// Records that are defined. One that is being defined has no schema yet, and none within itself.
    known: HashMap<NodeId, Option<Schema<'m>>>,
    depth: usize,
}

/// How Connect's converter names the records of a map's entries.
pub(super) fn is_map_entry(node: &Node) -> bool {
    node.text("connect.internal.type") == "MapEntry"
        || matches!(&node.kind, Kind::Record(record) if record.name.full.ends_with("avro.MapEntry"))
}

/// The semantic name of a type: Connect's, or for records their own, or that of the logical type.
pub(super) fn semantic(node: &Node) -> &str {
    match (connect_name(node), &node.kind) {
        ("", Kind::Record(record)) => &record.name.full,
        ("", _) => node.text("logicalType"),
        (name, _) => name,
    }
}

impl<'d, 'm> Definitions<'d, 'm> {
    pub(super) fn new(document: &'d Document, arena: Arena<'m>) -> Self {
        Self { document, arena, known: HashMap::new(), depth: 0 }
    }

    /// The schema of a record, directly or as the only branch of a union beside null.
    pub(super) fn schema(&mut self, id: NodeId) -> Option<Schema<'m>> {
        let (id, _) = self.without_null(id);
        let node = self.document.node(id);
        match &node.kind {
            Kind::Record(record) if semantic(node) != VARIABLE_SCALE_DECIMAL => self.record(id, node, record),
            _ => None,
        }
    }

    fn record(&mut self, id: NodeId, node: &Node, record: &'d Record) -> Option<Schema<'m>> {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.known.insert(id, None);
        self.depth += 1;
        let (document, arena) = (self.document, self.arena);
        let fields = record.fields.iter().map(|field| {
            let default = field.default.as_ref().or_else(|| {
                let (inner, _) = self.without_null(field.node);
                document.node(inner).attributes.get("connect.default")
            });
            let mut definition = self.field(&field.name, field.node);
            definition.default = default
                .filter(|default| !default.is_null())
                .and_then(|default| default_value(document, field.node, default, arena));
            definition
        });
        let fields = fields.collect();
        self.depth -= 1;
        let version = node.attributes.get("connect.version").and_then(serde_json::Value::as_u64);
        let definition = SchemaDef {
            id: 0,
            name: semantic(node).to_owned(),
            version: version.and_then(|version| version.try_into().ok()).unwrap_or(0),
            fields,
        };
        let schema = Some(schemas::create(definition, arena));
        self.known.insert(id, schema);
        schema
    }

    fn field(&mut self, name: &str, id: NodeId) -> FieldDef<'m> {
        let (id, optional) = self.without_null(id);
        let node = self.document.node(id);
        let scalar = leaf(node, "").ok().map(|leaf| leaf.ty);
        let scale = match scalar {
            Some(Type::BytesAs(Scalar::Decimal(scale)) | Type::FixedAs(_, Scalar::Decimal(scale))) => {
                Some(scale)
            }
            _ => None,
        };
        let precision = if connect_name(node).is_empty() {
            let stated = node.attributes.get("precision").and_then(serde_json::Value::as_u64);
            stated.and_then(|digits| digits.try_into().ok()).filter(|_| scale.is_some())
        } else {
            // Connect's converter states 64 where it knows nothing.
            connect_parameter(node, "connect.decimal.precision")
        };
        let length = match scalar {
            Some(Type::Int) => match node.text("connect.type") {
                "int8" => Some(8),
                "int16" => Some(16),
                _ => Some(32),
            },
            Some(Type::Long) => Some(64),
            _ => connect_parameter(node, "length")
                .or_else(|| connect_parameter(node, "__debezium.source.column.length")),
        };
        let semantic = match semantic(node) {
            "" => connect_parameter(node, SOURCE_TYPE).unwrap_or_default(),
            semantic => semantic.to_owned(),
        };
        FieldDef {
            name: name.to_owned(),
            semantic,
            kind: self.kind(id),
            optional,
            precision,
            scale,
            length,
            nested: self.nested(id),
            default: None,
        }
    }

    /// The schema of a record, or of a list's items or a map's values, as one field.
    fn nested(&mut self, id: NodeId) -> Option<Schema<'m>> {
        let (name, item) = match &self.document.node(id).kind {
            Kind::Record(_) => return self.schema(id),
            Kind::Array(items) => match self.entry(*items) {
                Some((_, value)) => ("value", value),
                None => ("item", *items),
            },
            Kind::Map(values) => ("value", *values),
            _ => return None,
        };
        let fields = vec![self.field(name, item)];
        Some(schemas::create(SchemaDef { fields, ..SchemaDef::default() }, self.arena))
    }

    /// Key and value of a map's entries, if these are the items of a list.
    fn entry(&self, items: NodeId) -> Option<(NodeId, NodeId)> {
        let node = self.document.node(items);
        match &node.kind {
            Kind::Record(record) if is_map_entry(node) => match record.fields.as_slice() {
                [key, value] => Some((key.node, value.node)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The kind of the values.
    fn kind(&self, id: NodeId) -> ValueKind {
        let node = self.document.node(id);
        match &node.kind {
            Kind::Null => ValueKind::NULL,
            Kind::Enum(_) => ValueKind::STRING,
            Kind::Record(_) if semantic(node) == VARIABLE_SCALE_DECIMAL => ValueKind::DECIMAL,
            Kind::Record(_) | Kind::Map(_) => ValueKind::STRUCT,
            Kind::Array(items) => match self.entry(*items) {
                Some((key, _))
                    if matches!(self.document.node(self.without_null(key).0).kind, Kind::String) =>
                {
                    ValueKind::STRUCT
                }
                _ => ValueKind::LIST,
            },
            Kind::Union(branches) => {
                let mut kinds = branches.iter().map(|branch| self.kind(*branch));
                let first = kinds.by_ref().find(|kind| *kind != ValueKind::NULL).unwrap_or(ValueKind::NULL);
                // Null where values are of several kinds.
                if kinds.all(|kind| kind == first || kind == ValueKind::NULL) {
                    first
                } else {
                    ValueKind::NULL
                }
            }
            _ => leaf(node, "").map_or(ValueKind::NULL, |leaf| kind_of(&leaf.ty)),
        }
    }

    /// A union of null and one other type as that type, and whether it may be null.
    fn without_null(&self, id: NodeId) -> (NodeId, bool) {
        let Kind::Union(branches) = &self.document.node(id).kind else { return (id, false) };
        let is_null = |id: &NodeId| matches!(self.document.node(*id).kind, Kind::Null);
        let optional = branches.iter().any(is_null);
        let mut others = branches.iter().filter(|branch| !is_null(branch));
        match (others.next(), others.next()) {
            (Some(only), None) => (*only, optional),
            _ => (id, optional),
        }
    }
}

fn kind_of(ty: &Type<'_>) -> ValueKind {
    match ty {
        Type::Boolean => ValueKind::BOOL,
        Type::Int | Type::Long => ValueKind::INT,
        Type::Float | Type::Double => ValueKind::FLOAT,
        Type::Bytes | Type::Fixed(_) => ValueKind::BYTES,
        Type::Text => ValueKind::STRING,
        Type::IntAs(scalar)
        | Type::LongAs(scalar)
        | Type::TextAs(scalar)
        | Type::BytesAs(scalar)
        | Type::FixedAs(_, scalar) => scalar.kind(),
        Type::Date => ValueKind::DATE,
        Type::Timestamp { .. } => ValueKind::TIMESTAMP,
        Type::UuidText | Type::Uuid => ValueKind::UUID,
        Type::Duration => ValueKind::INTERVAL,
        _ => ValueKind::NULL,
    }
}
