//! The rows in full, with the figures: what `tests/soak` runs.

use std::process::ExitCode;
use std::time::Instant;

use crate::page;
use crate::rows::{ROWS, Size};

/// The command line: `[--write] [--list] [ROW]...`.
pub fn run(arguments: &[String]) -> ExitCode {
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
        let figure = match row.run.run(Size::Full) {
            Ok(figure) => figure,
            Err(missing) => {
                println!("  not run: {}", missing.reason);
                all_reached = false;
                continue;
            }
        };
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
