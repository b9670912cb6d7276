use tidegate_plugin::prelude::*;

export_plugin!(source "orders": Orders);

fn main() {}
