//! Hosts that are killed or suspended while they write: in the end, every event is in the tables once.

mod fencing;
mod killed;
mod lanes;
mod scenario;
mod upgrade;
mod warehouses;

use scenario::{Scenario, change};
