//! Compiles the C files that use librdkafka's internals: hooks into its mock cluster, the debug log of consumers, hooks for the
//! records of producers, and the limit on what batches unpack to, which is added to librdkafka's own reader of batches. Also
//! changes librdkafka's consumer groups, an error in them and what a repeated subscription does, and what memory it takes per thread.
use std::{env, fs, path::Path};

const FILES: [&str; 4] = [
    "src/kafka/consumer/debug_log.c",
    "src/kafka/consumer/unpacking/unpacked_size.c",
    "src/kafka/embedded/mock_hooks.c",
    "src/kafka/producer/record_hooks.c",
];
const UNPACKING: &str = "src/kafka/consumer/unpacking";

/// Changes of a file of librdkafka: each text, which is there once, and what replaces it.
type Changes = [(&'static str, &'static str)];

/// The limit on what batches unpack to, in librdkafka's reader of batches.
const MSGSET_READER: &Changes = &[
    (
        "/**\n * @brief Decompress MessageSet, pass",
        "#include \"batch_limit.c\"\n\n/**\n * @brief Decompress MessageSet, pass",
    ),
    (
        "        msetr->msetr_compression = codec;\n",
        "        msetr->msetr_compression = codec;

        uint64_t unpacked_size;
        void *unpacked = NULL;

        if (!tidegate_may_unpack(msetr, codec, Offset, compressed, compressed_size, &unpacked_size, &unpacked, &err))
                return err;
",
    ),
    // librdkafka's function would unpack the batch twice, the first time to find out its size.
    ("uint64_t outlenx = 0;", "uint64_t outlenx = unpacked_size;"),
    (
        "rd_gz_decompress(compressed,\n                                                (int)compressed_size, &outlenx);",
        "unpacked ? unpacked : tidegate_unpack_gzip(compressed, compressed_size, outlenx);",
    ),
];

/// Changes of the consumer group.
const CGRP: &Changes = &[
    // A group that has terminated drops the calls that it still gets. A consumer that answers a rebalance at that moment would
    // wait for the result forever, and never be closed. Other calls, which come later, get this error.
    (
        "== rd_true)) {
                if (rko)
                        rd_kafka_op_destroy(rko);",
        "== rd_true)) {
                if (rko)
                        rd_kafka_op_reply(rko, RD_KAFKA_RESP_ERR__DESTROY);",
    ),
    // A consumer that subscribes to the same topics again joins its group again, and tells which partitions it owns.
    (
        "if (rd_kafka_cgrp_update_subscribed_topics(rkcg, tinfos) && !revoking) {",
        "rd_kafka_cgrp_update_subscribed_topics(rkcg, tinfos);
        if (!revoking) {",
    ),
];

/// The memory of each thread: librdkafka keeps the texts of the last 32 addresses, which are 8 KiB in every thread of the process, its own
/// or not. A log line has at most two.
const ADDR: &Changes = &[
    ("static RD_TLS char ret[32][256];", "static RD_TLS char ret[4][256];"),
    ("reti = (reti + 1) % 32;", "reti = (reti + 1) % 4;"),
];

fn main() {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-changed={UNPACKING}");
    // Set by rdkafka-sys (`links = "rdkafka"`) when it builds librdkafka itself: the copied source tree.
    let Ok(root) = env::var("DEP_RDKAFKA_ROOT") else {
        panic!("rdkafka-sys names no source tree: build it without `dynamic-linking` and `cmake-build`");
    };
    let mut build = cc::Build::new();
    for library in ["DEP_Z_INCLUDE", "DEP_ZSTD_INCLUDE"] {
        println!("cargo:rerun-if-env-changed={library}");
        if let Ok(folders) = env::var(library) {
            build.includes(env::split_paths(&folders));
        }
    }
    build
        .files(FILES)
        .file(changed(&root, "rdkafka_msgset_reader.c", MSGSET_READER))
        .file(changed(&root, "rdkafka_cgrp.c", CGRP))
        .file(changed(&root, "rdaddr.c", ADDR))
        .include(&root)
        .include(format!("{root}/src"))
        .include(UNPACKING)
        // Batches are unpacked and read here, in developers' builds too.
        .opt_level(2)
        .warnings(false)
        .compile("tidegate_librdkafka");
}

/// Writes a file of librdkafka with changes, and returns its path. It replaces the original: of two archives that define a symbol,
/// the linker takes the first, and that of a crate comes before those of its dependencies. If it took both, linking would fail.
fn changed(root: &str, file: &str, changes: &Changes) -> String {
    let original = format!("{root}/src/{file}");
    let mut text =
        fs::read_to_string(&original).unwrap_or_else(|error| panic!("cannot read {original}: {error}"));
    for (old, new) in changes {
        assert_eq!(
            text.matches(old).count(),
            1,
            "{original} is of another version: it has not exactly one {old:?}"
        );
        text = text.replace(old, new);
    }
    let Ok(folder) = env::var("OUT_DIR") else { panic!("cargo sets OUT_DIR") };
    let changed = Path::new(&folder).join(file);
    fs::write(&changed, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", changed.display()));
    changed.display().to_string()
}
