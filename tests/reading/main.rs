//! Checks that `check` and `fix` read the file that kubectl reads.
//!
//!   cargo test --test reading                  what is kept, and some thousand made-up files
//!   cargo test --test reading -- --fuzz N      N made-up files; fuzz/run-kubectl calls it so

#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a test may end by panicking, and nothing imports a test program"
)]

mod attacks;
#[path = "../e2e/component.rs"]
mod component;
mod generator;
mod kubectl;
mod memory;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use libtest_mimic::{Arguments, Failed};

/// Made-up files of an ordinary run.
const ORDINARY: u64 = 5_000;

/// Made-up files that are held in memory at once.
const BATCH: u64 = 5_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--fuzz", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return fuzz(rest);
    }
    let arguments = Arguments::from_args();
    let need = || component::binary("kubectl-reads");
    let mut trials = attacks::trials();
    trials.extend(memory::trials());
    trials.extend([
        component::trial("kubectl::reads_what_is_kept_as_check_does", need, kept),
        component::trial("kubectl::reads_made_up_files_as_check_does", need, made_up),
    ]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn kept(reader: PathBuf) -> Result<(), Failed> {
    let (differences, counts) = kubectl::compare(&reader, kubectl::kept());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(counts.both >= 10 && counts.refused >= 10, "{counts:?}");
    Ok(())
}

fn made_up(reader: PathBuf) -> Result<(), Failed> {
    let (differences, counts) = kubectl::compare_generated(&reader, 0..ORDINARY);
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences[0]);
    // A generator that makes nothing readable, or a check that refuses all, proves nothing.
    assert!(counts.both * 6 > counts.files && counts.refused * 6 < counts.files, "{counts:?}");
    Ok(())
}

/// Compares `N` files from the number `SEED` on, and shows the first differences.
fn fuzz(arguments: &[String]) -> ExitCode {
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u64>().ok());
    let (files, first) = (number(0).unwrap_or(200_000), number(1).unwrap_or_default());
    let reader = match component::binary("kubectl-reads") {
        Ok(reader) => reader,
        Err(missing) => {
            eprintln!("fuzz/run-kubectl: {}", missing.reason);
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let (mut all, mut both, mut refused, mut differences) = (0, 0, 0, Vec::new());
    let mut at = first;
    while at < first + files {
        let end = (at + BATCH).min(first + files);
        let (found, counts) = kubectl::compare_generated(&reader, at..end);
        all += counts.files;
        both += counts.both;
        refused += counts.refused;
        differences.extend(found);
        at = end;
    }
    for difference in differences.iter().take(10) {
        println!("{difference}\n");
    }
    println!(
        "{all} files in {} s: {both} read by both, {refused} refused by check alone, {} differences",
        begun.elapsed().as_secs(),
        differences.len()
    );
    if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
