//! What the tables hold in the end: captured sets beside their final CSVs, and small tables whose every value is known.

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
