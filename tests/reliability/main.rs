//! Faults and load against the built program, on loopback and bounded; prints
//! the figures. `tests/soak` builds what is needed and runs this.
//!
//!   tests/soak [--write] [--list] [ROW]...
//!
//! `--write` puts the figures into docs/reliability.md.

#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and may end by panicking"
)]

#[path = "../e2e/client.rs"]
mod client;
#[path = "../e2e/component.rs"]
mod component;
#[path = "../e2e/guard.rs"]
mod guard;
#[path = "load.rs"]
mod load;
#[path = "../e2e/objects.rs"]
mod objects;
mod page;
#[path = "rows.rs"]
mod rows;

use std::process::ExitCode;
use std::time::Instant;

use rows::{ROWS, Size};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<_>, Vec<_>) =
        arguments.iter().map(String::as_str).partition(|text| text.starts_with('-'));
    if let Some(unknown) = flags.iter().find(|flag| !["--write", "--list"].contains(flag)) {
        eprintln!("tests/soak: there is no {unknown}: tests/soak [--write] [--list] [ROW]...");
        return ExitCode::from(2);
    }
    if let Some(unknown) = names.iter().find(|name| !ROWS.iter().any(|row| row.name == **name)) {
        eprintln!("tests/soak: there is no row {unknown}; --list prints them");
        return ExitCode::from(2);
    }
    let rows: Vec<_> = ROWS.iter().filter(|row| names.is_empty() || names.contains(&row.name)).collect();
    if flags.contains(&"--list") {
        for row in rows {
            println!("{:<14} {}: {}", row.name, row.what, row.reach);
        }
        return ExitCode::SUCCESS;
    }
    let mut all_reached = true;
    for row in rows {
        let begun = Instant::now();
        println!("{}: {}", row.name, row.what);
        let figure = (row.run)(Size::Full);
        all_reached &= figure.is_reached();
        let verdict = if figure.is_reached() { "reached" } else { "NOT REACHED" };
        println!("  wanted: {}\n  seen:   {}", row.reach, figure.seen);
        println!("  {verdict}, in {:.0} s", begun.elapsed().as_secs_f64());
        for problem in &figure.problems {
            println!("  problem: {problem}");
        }
        if flags.contains(&"--write") {
            page::write(row, &figure);
        }
    }
    if all_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
