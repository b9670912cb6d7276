//! Compiles the embedded broker's hooks into librdkafka's mock cluster.
use std::env;

const HOOKS: &str = "src/kafka/embedded/mock_hooks.c";

fn main() {
    println!("cargo:rerun-if-changed={HOOKS}");
    // Set by rdkafka-sys (`links = "rdkafka"`) when it builds librdkafka itself: the copied source tree.
    let Ok(root) = env::var("DEP_RDKAFKA_ROOT") else {
        panic!("rdkafka-sys names no source tree: build it without `dynamic-linking` and `cmake-build`");
    };
    cc::Build::new()
        .file(HOOKS)
        .include(&root)
        .include(format!("{root}/src"))
        .warnings(false)
        .compile("tidegate_mock_hooks");
}
