//! The content of the tables: captured sets compared with their final CSVs, and small tables with known values.

mod append;
mod captured;
mod declared;
mod deletes;
mod evolution;
mod evolution_off;
mod existing_tables;
mod key_changes;
mod metadata;
mod missing_rows;
mod names;
mod notices;
mod pipe;
mod replay;
mod tasks;
mod truncates;
mod unwrap;

use tidegate_tests::change_events as events;

/// Uploads the rows of nearly every table to a stage.
const STAGED: &str = "stage_rows = \"require\"\nstage_from_bytes = 1000\n";

use events::{Event, Source};
use pipe::{Connector, Pipe};
