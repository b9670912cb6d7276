//! Hosts that die or freeze while they write: whoever goes on ends with every event in the tables once.

mod fencing;
mod ground;
mod killed;
mod warehouses;

use ground::{Ground, change};
