//! Encodes metadata columns, and keys of deleted rows.

use tidegate_plugin::Timestamp;

use super::layout::About;
use crate::{
    options::Metadata,
    plan::Event,
    position::Position,
    rows::{Elements, EncodedRows, RowFormat},
};

/// The element of a metadata column.
pub(super) fn write_about<R: RowFormat>(out: &mut Elements<'_, R>, about: About, event: &Event<'_>) {
    let Event { record, change, position, .. } = event;
    match about {
        About::Operation => out.plain(event.op_code()),
        About::Timestamp => match event.time() {
            Some(time) => out.plain(time),
            None => out.null(),
        },
        About::Position => out.plain(position),
        About::ValidFrom => match event.time_ms() {
            Some(time) => out.plain(moment(time)),
            None => out.null(),
        },
        About::ProcessedAt | About::ValidTo => out.null(),
        About::Extra(Metadata::Topic) => out.text(record.topic()),
        About::Extra(Metadata::Partition) => out.plain(record.partition()),
        About::Extra(Metadata::Offset) => out.plain(record.offset()),
        About::Extra(Metadata::Database) => out.text_or_null(change.database()),
        About::Extra(Metadata::Schema) => out.text_or_null(change.schema()),
        About::Extra(Metadata::Transaction) => out.text_or_null(change.transaction()),
        About::Extra(Metadata::Snapshot) => out.text_or_null(change.snapshot()),
    }
}

/// The time of a version, from milliseconds since the epoch. All have the same length, so that texts sort like the times.
pub(crate) fn moment(milliseconds: i64) -> String {
    let seconds = Timestamp::from_parts(milliseconds.div_euclid(1000), 1, None);
    format!("{seconds}.{:03}Z", milliseconds.rem_euclid(1000))
}

/// Adds a deleted key: its text and the position of the delete.
pub(crate) fn add_deleted_key<R: RowFormat>(
    rows: &mut EncodedRows<R>,
    record: u32,
    key_text: &str,
    position: Position,
) -> Result<(), String> {
    rows.add(record, |out| {
        out.text(key_text);
        out.plain(position);
        Ok(())
    })
}
