//! The content of the tables: captured sets compared with their final CSVs, and small tables with known values.

mod append;
mod by_hand;
mod captured;
mod declared;
mod deletes;
mod events;
mod evolution;
mod metadata;
mod missing;
mod moves;
mod names;
mod notices;
mod off;
mod pipe;
mod replay;
mod tasks;
mod truncates;

use events::{Event, Source};
use pipe::{Connector, Pipe};
