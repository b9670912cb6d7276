//! The types of the target's columns.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_cdc::{
    rows,
    types::{ColumnType, Fit, MetadataKind},
};
use tidegate_plugin::{Kind as FieldKind, SchemaField, Value, ValueRef, prelude::JsonSchema};

/// The type of a column: whole numbers can be widened to text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Integer,
    Text,
    Json,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl ColumnType for Kind {
    fn of_field(field: SchemaField<'_>) -> Self {
        match field.kind() {
            FieldKind::INT => Self::Integer,
            FieldKind::JSON | FieldKind::LIST | FieldKind::STRUCT => Self::Json,
            _ => Self::Text,
        }
    }

    fn of_value(value: Value<'_>) -> Option<Self> {
        match value.view() {
            ValueRef::Null | ValueRef::Unavailable => None,
            ValueRef::Int(_) => Some(Self::Integer),
            ValueRef::List(_) | ValueRef::Struct(_) | ValueRef::Json(_) => Some(Self::Json),
            _ => Some(Self::Text),
        }
    }

    fn of_kind(_: Value<'_>) -> Option<Self> {
        None
    }

    fn join(&self, _: &Self) -> Self {
        Self::Json
    }

    fn fit(&self, value: Value<'_>) -> Fit<Self> {
        match (self, Self::of_value(value)) {
            (_, None) | (Self::Json, _) | (Self::Text, Some(Self::Text | Self::Integer)) => Fit::Fits,
            (Self::Integer, Some(Self::Integer)) => Fit::Fits,
            (Self::Integer, Some(Self::Text)) => Fit::Widens(Self::Text),
            _ => Fit::Mismatch,
        }
    }

    fn write(&self, value: Value<'_>, out: &mut String) {
        match value.is_null() || value.is_unavailable() {
            true => out.push_str("null"),
            false => rows::text(value, out),
        }
    }

    fn of_metadata(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text | MetadataKind::Time => Self::Text,
            MetadataKind::Count => Self::Integer,
        }
    }

    fn can_be(&self, kind: MetadataKind) -> bool {
        *self == Self::of_metadata(kind)
    }

    fn document() -> Option<Self> {
        Some(Self::Json)
    }

    fn is_supported(&self) -> bool {
        true
    }
}
