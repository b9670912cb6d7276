use tidegate_plugin::prelude::*;

export_plugin!(MyTransform);

fn main() {}
