//! The rows of `tests/soak`, each in seconds.

use libtest_mimic::{Failed, Trial};

use crate::rows::{ROWS, Row, Size};

/// Faults and load.
pub fn trials() -> Vec<Trial> {
    ROWS.iter().map(|row| Trial::test(format!("faults::{}", row.name), || run(row))).collect()
}

fn run(row: &Row) -> Result<(), Failed> {
    let figure = (row.run)(Size::Quick);
    if figure.is_reached() {
        return Ok(());
    }
    Err(format!("{:#?}\nwanted: {}\nseen: {}", figure.problems, row.reach, figure.seen).into())
}
