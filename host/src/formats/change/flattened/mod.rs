//! Rows that Debezium's ExtractNewRecordState or ExtractNewDocumentState has flattened.

mod events;
mod fields;
mod topics;

pub(super) use fields::{AddedFields, Marks, SOURCE_FIELDS, is_unavailable, names_of};
pub(crate) use topics::FlattenedTopic;
pub(crate) use topics::FlattenedTopics;
