//! The page that keeps the figures.

use std::fs;

use crate::rows::{Figure, ROWS, Row};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/development/reliability.md");
const START: &str = "<!-- figures -->\n";
const END: &str = "<!-- /figures -->";
const HEAD: &str = "| row | what | figure to reach | figure seen | machine, date |\n|---|---|---|---|---|\n";

/// Puts a row's figure in the place of the former one.
pub fn write(row: &Row, figure: &Figure) {
    let page = fs::read_to_string(PAGE).expect("docs/development/reliability.md");
    let (before, rest) = page.split_once(START).expect("the table's start");
    let (table, after) = rest.split_once(END).expect("the table's end");
    let mut lines: Vec<String> = ROWS
        .iter()
        .filter_map(|one| {
            let begin = format!("| {} |", one.name);
            table.lines().find(|line| line.starts_with(&begin)).map(str::to_owned)
        })
        .filter(|line| !line.starts_with(&format!("| {} |", row.name)))
        .collect();
    let seen =
        if figure.is_reached() { figure.seen.clone() } else { format!("**not reached**: {}", figure.seen) };
    lines.push(format!("| {} | {} | {} | {seen} | {} |", row.name, row.what, row.reach, machine()));
    let place = |line: &String| ROWS.iter().position(|one| line.starts_with(&format!("| {} |", one.name)));
    lines.sort_by_key(place);
    let table = lines.join("\n");
    fs::write(PAGE, format!("{before}{START}{HEAD}{table}\n{END}{after}")).expect("written");
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let today = time::OffsetDateTime::now_utc().date();
    format!("{cores} cores of {}, {today}", model.unwrap_or("an unknown processor"))
}
