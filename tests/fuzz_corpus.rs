//! Runs the inputs that the fuzzers kept: `fuzz/run` makes them up, `fuzz/corpus` keeps the
//! smallest inputs that reach every part, and `fuzz/regressions` those that failed once.

#![allow(
    unreachable_pub,
    clippy::doc_markdown,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::tests_outside_test_module,
    reason = "a test may end by panicking"
)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use targets::TARGETS;

#[test]
fn holds_for_every_input_that_is_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, target) in TARGETS {
        let corpus = fs::read_dir(folder.join("corpus").join(name));
        let corpus = corpus.unwrap_or_else(|error| panic!("{name}: {error}"));
        let regressions = fs::read_dir(folder.join("regressions").join(name)).into_iter().flatten();
        let mut count = 0;
        for input in corpus.chain(regressions) {
            let path = input.expect("an entry").path();
            let bytes = fs::read(&path).expect("it can be read");
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 10, "{name}: {count} inputs");
    }
}

#[test]
fn has_a_program_for_every_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).expect("a program");
        assert!(text.contains(&format!("targets::{name}(bytes)")), "{name}");
        assert!(manifest.contains(&format!("fuzz_targets/{name}.rs")), "{name}");
    }
    assert_eq!(fs::read_dir(folder.join("fuzz_targets")).expect("programs").count(), TARGETS.len());
}
