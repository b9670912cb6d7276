//! Compiles the C files that use librdkafka's internals: hooks into its mock cluster, the debug log of consumers, and hooks for
//! the records of producers.
use std::env;

const FILES: [&str; 3] = [
    "src/kafka/consumer/debug_log.c",
    "src/kafka/embedded/mock_hooks.c",
    "src/kafka/producer/record_hooks.c",
];

fn main() {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    // Set by rdkafka-sys (`links = "rdkafka"`) when it builds librdkafka itself: the copied source tree.
    let Ok(root) = env::var("DEP_RDKAFKA_ROOT") else {
        panic!("rdkafka-sys names no source tree: build it without `dynamic-linking` and `cmake-build`");
    };
    cc::Build::new()
        .files(FILES)
        .include(&root)
        .include(format!("{root}/src"))
        .warnings(false)
        .compile("tidegate_librdkafka");
}
