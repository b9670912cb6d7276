use tidegate_plugin::prelude::*;

export_plugin!(transform: First, sink: Second);

fn main() {}
