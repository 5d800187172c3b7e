//! The rows of `tests/soak`, each in seconds.

use libtest_mimic::{Failed, Trial};

use crate::component;
use crate::rows::{Figure, ROWS, Row, Size};

/// Faults and load.
pub fn trials() -> Vec<Trial> {
    let trial = |row: &'static Row| {
        component::trial(
            format!("faults::{}", row.name),
            || row.run.run(Size::Quick),
            |figure| judge(row, &figure),
        )
    };
    ROWS.iter().map(trial).collect()
}

fn judge(row: &Row, figure: &Figure) -> Result<(), Failed> {
    if figure.is_reached() {
        return Ok(());
    }
    Err(format!("{:#?}\nwanted: {}\nseen: {}", figure.problems, row.reach, figure.seen).into())
}
