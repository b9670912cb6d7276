//! Hosts that die or freeze while they write: whoever goes on ends with every event in the tables once.

mod fencing;
mod killed;
mod scenario;
mod warehouses;

use scenario::{Scenario, change};
