//! Rows that Debezium's ExtractNewRecordState or ExtractNewDocumentState has flattened.

mod events;
mod fields;
mod topics;

pub(super) use fields::{AddedFields, Marks};
pub(crate) use topics::FlattenedTopic;
pub(crate) use topics::FlattenedTopics;
