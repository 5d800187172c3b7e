//! The page that keeps the figures.

use std::fs;
use std::path::Path;

use crate::machine;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/development/performance.md");

/// Puts each file of `folder` in the place of the former text between
/// `<!-- NAME -->` and `<!-- /NAME -->`, with the machine and the day.
pub fn write(folder: &Path) {
    let mut page = fs::read_to_string(PAGE).expect("docs/development/performance.md");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let figures = fs::read_to_string(&path).expect("figures");
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let (before, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {start}"));
        let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
        let machine = machine::description();
        page = format!("{before}{start}{}\n\n*{machine}*\n{end}{after}", figures.trim());
    }
    fs::write(PAGE, page).expect("written");
}
