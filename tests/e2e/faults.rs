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
    let page = Trial::test("faults::docs_show_the_rows_as_they_are", page_shows_the_rows);
    ROWS.iter().map(trial).chain([page]).collect()
}

/// Not the figures, which are measured elsewhere.
fn page_shows_the_rows() -> Result<(), Failed> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/development/reliability.md"))?;
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(shown.len(), ROWS.len(), "{shown:#?}");
    for (line, row) in shown.iter().zip(ROWS) {
        let wanted = format!("| {} | {} | {} | ", row.name, row.what, row.reach);
        assert!(line.starts_with(&wanted), "tests/soak --write {} writes it anew: {line}", row.name);
        assert!(!line.contains("not reached"), "{line}");
    }
    Ok(())
}

fn judge(row: &Row, figure: &Figure) -> Result<(), Failed> {
    if figure.is_reached() {
        return Ok(());
    }
    Err(format!("{:#?}\nwanted: {}\nseen: {}", figure.problems, row.reach, figure.seen).into())
}
