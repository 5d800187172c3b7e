//! Shows a page without its Markdown. It knows what the pages of the rules have,
//! which this program writes itself: headings, paragraphs, lists with dashes,
//! tables, fenced blocks, code and links.

use std::fmt::Write as _;

use anstyle::Style;

use super::wrap;
use crate::source::columns;

/// Longer lines are hard to read.
const WIDEST: usize = 100;

/// Fewest columns for the last cell of a row; with less, a row becomes a list.
const NARROWEST_CELL: usize = 24;

/// Returns a page in Markdown with colored headings, for a pipe to a pager.
pub fn with_headings(markdown: &str) -> String {
    let heading = Style::new().bold();
    let mut out = String::with_capacity(markdown.len() + markdown.len() / 16);
    let mut is_code = false;
    for line in markdown.lines() {
        is_code ^= line.starts_with("```");
        let style = if line.starts_with('#') && !is_code { heading } else { Style::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{style}{line}{style:#}");
    }
    out
}

/// Returns a page in Markdown as text of at most so many columns. Headings are at the margin, and
/// everything else is indented.
pub fn page(markdown: &str, width: usize, colour: bool) -> String {
    let heading = if colour { Style::new().bold() } else { Style::new() };
    let width = width.min(WIDEST);
    let mut out = String::with_capacity(markdown.len());
    let mut lines = markdown.lines().peekable();
    let mut is_code = false;
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            // Code is copied: it stays as it is.
            out.extend(["    ", line, "\n"]);
        } else if let Some(title) = line.strip_prefix('#') {
            let title = plain(title.trim_start_matches('#').trim_start());
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{heading}{}{heading:#}", wrap(&title, "", "  ", width));
            // The indent of what follows sets it apart.
            lines.next_if(|line| line.is_empty());
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                if !row.starts_with("|--") {
                    rows.push(cells(row));
                }
            }
            out.push_str(&table(&rows, width));
        } else {
            let (head, rest) = match line.strip_prefix("- ") {
                Some(item) => ("  - ", item),
                None => ("  ", line),
            };
            out.push_str(wrap(&plain(rest), head, &" ".repeat(head.len()), width).trim_end());
            out.push('\n');
        }
    }
    out
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split(" | ").map(|cell| plain(cell.trim())).collect()
}

/// Returns a table whose last column is wrapped, or a list where that one would be too narrow.
fn table(rows: &[Vec<String>], width: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let last = count.saturating_sub(1);
    let columns: Vec<usize> = (0..last)
        .map(|index| {
            rows.iter().filter_map(|row| row.get(index)).map(|cell| columns::width(cell)).max().unwrap_or(0)
        })
        .collect();
    let before: usize = 2 + columns.iter().map(|column| column + 2).sum::<usize>();
    let widest =
        rows.iter().filter_map(|row| row.get(last)).map(|cell| columns::width(cell)).max().unwrap_or(0);
    if before + widest.min(NARROWEST_CELL) > width {
        return as_list(rows, width);
    }
    let mut out = String::new();
    for row in rows {
        let mut head = "  ".to_owned();
        for (cell, column) in row.iter().zip(&columns) {
            head.push_str(cell);
            head.push_str(&" ".repeat(column + 2 - columns::width(cell)));
        }
        let cell = row.get(last).map(String::as_str).unwrap_or_default();
        out.push_str(wrap(cell, &head, &" ".repeat(before), width).trim_end());
        out.push('\n');
    }
    out
}

/// Returns each row under its first cell, with the names of the columns.
fn as_list(rows: &[Vec<String>], width: usize) -> String {
    let Some((names, rows)) = rows.split_first() else { return String::new() };
    let mut out = String::new();
    for row in rows {
        for (index, (name, cell)) in names.iter().zip(row).enumerate() {
            let (head, indent) = if index == 0 { ("  ", "    ") } else { ("    ", "      ") };
            out.push_str(&wrap(&format!("{name}: {cell}"), head, indent, width));
            out.push('\n');
        }
    }
    out
}

/// Returns a line without marks: code in double quotes, links with their address after them.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['`', '[', '<']) {
        let (before, marked) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let shown = code(marked).or_else(|| link(marked)).or_else(|| address(marked));
        if let Some((shown, behind)) = shown {
            out.push_str(&shown);
            rest = behind;
        } else {
            let mut letters = marked.chars();
            out.extend(letters.next());
            rest = letters.as_str();
        }
    }
    out.push_str(rest);
    out
}

/// Reads code in backticks, and returns what is after it.
fn code(marked: &str) -> Option<(String, &str)> {
    let (code, behind) = marked.strip_prefix('`')?.split_once('`')?;
    let shown = if code.contains('"') { code.to_owned() } else { format!("\"{code}\"") };
    Some((shown, behind))
}

/// Reads `[text](target)`, and returns what is after it.
fn link(marked: &str) -> Option<(String, &str)> {
    let (text, behind) = marked.strip_prefix('[')?.split_once("](")?;
    let (target, behind) = behind.split_once(')')?;
    if text.contains('[') {
        return None;
    }
    let text = plain(text);
    let shown = if text == target { text } else { format!("{text} ({target})") };
    Some((shown, behind))
}

/// Reads `<https://...>`, and returns what is after it.
fn address(marked: &str) -> Option<(String, &str)> {
    let (address, behind) = marked.strip_prefix('<')?.split_once('>')?;
    address.starts_with("http").then(|| (address.to_owned(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rule_page;
    use crate::rules::RULES;

    #[test]
    fn marks_become_text() {
        assert_eq!(plain("a `b=1` of `x: \"y\"`"), "a \"b=1\" of x: \"y\"");
        assert_eq!(plain("see [the page](a.md), <https://x.y>"), "see the page (a.md), https://x.y");
        assert_eq!(plain("[https://x.y](https://x.y)"), "https://x.y");
        assert_eq!(plain("mountOptions: [a, b] < c `"), "mountOptions: [a, b] < c `");
    }

    #[test]
    fn a_table_has_columns_and_in_little_room_a_list() {
        let markdown = "| setting | meaning |\n|---|---|\n| `a-min` | the smallest value that passes |\n";
        assert_eq!(
            page(markdown, 41, false),
            "  setting  meaning\n  \"a-min\"  the smallest value that passes\n"
        );
        assert_eq!(
            page(markdown, 30, false),
            "  setting: \"a-min\"\n    meaning: the smallest\n      value that passes\n"
        );
    }

    #[test]
    fn no_page_has_a_line_too_long_or_a_mark() {
        for rule in RULES {
            for width in [40, 60, 80, 200] {
                let shown = page(&rule_page::page(rule), width, false);
                let mut is_example = false;
                for line in shown.lines() {
                    is_example =
                        line.starts_with("    ") && (is_example || line.starts_with("    apiVersion"));
                    let is_one_word = !line.trim().trim_start_matches("- ").contains(' ');
                    assert!(
                        is_example || is_one_word || columns::width(line) <= width.min(WIDEST),
                        "{}, {width}: {line}",
                        rule.code
                    );
                    assert!(!line.contains('`') && !line.starts_with(['#', '|']), "{}: {line}", rule.code);
                }
                for words in [rule.name, rule.release(), "standard", "References"] {
                    assert!(shown.contains(words), "{}: {words}", rule.code);
                }
            }
        }
    }

    #[test]
    fn headings_are_bold_where_there_are_colors() {
        assert_eq!(page("# A\n\ntext\n", 40, true), "\u{1b}[1mA\u{1b}[0m\n  text\n");
        assert_eq!(page("# A\n\ntext\n", 40, false), "A\n  text\n");
    }
}
