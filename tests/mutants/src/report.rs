//! The report: counts a module, and the mutants that are missed with a reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::listed::Mutant;
use crate::tree::write;
use crate::trial::Outcome;

/// Mutants that no test notices, and why that is right.
pub struct Accepted(BTreeMap<String, String>);

impl Accepted {
    /// Reads the list: a reason in lines that begin with `# `, then the mutants that it is about, one a line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let (mut accepted, mut reason, mut is_open) = (BTreeMap::new(), String::new(), false);
        for line in text.lines() {
            if let Some(more) = line.strip_prefix("# ") {
                if !is_open {
                    reason.clear();
                }
                is_open = true;
                reason.push_str(more);
                reason.push(' ');
            } else if line.is_empty() {
                reason.clear();
            } else {
                is_open = false;
                ensure!(!reason.is_empty(), "accepted without a reason: {line}");
                accepted.insert(line.to_owned(), reason.trim_end().to_owned());
            }
        }
        Ok(Self(accepted))
    }
}

pub enum Row<'a> {
    Unviable,
    Open,
    Known(&'a Outcome),
}

#[derive(Default)]
struct Counts {
    caught: usize,
    timed_out: usize,
    accepted: usize,
    missed: usize,
    unviable: usize,
    open: usize,
}

pub struct Report {
    modules: BTreeMap<String, Counts>,
    missed: Vec<String>,
    /// Accepted ones that no longer exist or are caught now.
    stale: Vec<String>,
    text: String,
}

/// The module of a file, such as `engine/rules` for a file of the crate of the engine.
fn module(file: &str) -> String {
    let (root, rest) = match file.strip_prefix("crates/") {
        Some(rest) => {
            let (name, rest) = rest.split_once("/src/").unwrap_or((rest, ""));
            (format!("crates/{name}/src/"), rest)
        }
        None => ("src/".to_owned(), file.strip_prefix("src/").unwrap_or(file)),
    };
    let first = rest.split('/').next().unwrap_or_default();
    format!("{root}{}", first.trim_end_matches(".rs"))
}

impl Report {
    pub fn of<'a>(rows: impl Iterator<Item = (&'a Mutant, Row<'a>)>, accepted: &Accepted) -> Self {
        let mut report =
            Self { modules: BTreeMap::new(), missed: Vec::new(), stale: Vec::new(), text: String::new() };
        let mut left = accepted.0.clone();
        for (mutant, row) in rows {
            let counts = report.modules.entry(module(&mutant.file)).or_default();
            let is_accepted = accepted.0.contains_key(&mutant.key);
            if matches!(row, Row::Open | Row::Known(Outcome::Missed(_))) {
                left.remove(&mutant.key);
            }
            match row {
                Row::Unviable | Row::Known(Outcome::DoesNotCompile) => counts.unviable += 1,
                Row::Open => counts.open += 1,
                Row::Known(Outcome::Caught(_)) => counts.caught += 1,
                Row::Known(Outcome::TimedOut(_)) => counts.timed_out += 1,
                Row::Known(Outcome::Missed(_)) if is_accepted => counts.accepted += 1,
                Row::Known(Outcome::Missed(tests)) => {
                    counts.missed += 1;
                    report.missed.push(format!("{} ({tests} tests reach it)", mutant.key));
                }
            }
        }
        report.stale = left.into_keys().collect();
        report.text = report.table();
        report
    }

    fn table(&self) -> String {
        let mut text = "| module | caught | by time | accepted | missed | not yet run | do not compile |\n|---|--:|--:|--:|--:|--:|--:|\n".to_owned();
        let mut sum = Counts::default();
        let row = |text: &mut String, name: &str, counts: &Counts| {
            let Counts { caught, timed_out, accepted, missed, open, unviable } = counts;
            let _ = writeln!(
                text,
                "| {name} | {caught} | {timed_out} | {accepted} | {missed} | {open} | {unviable} |"
            );
        };
        for (module, counts) in &self.modules {
            row(&mut text, &format!("`{module}`"), counts);
            sum.caught += counts.caught;
            sum.timed_out += counts.timed_out;
            sum.accepted += counts.accepted;
            sum.missed += counts.missed;
            sum.open += counts.open;
            sum.unviable += counts.unviable;
        }
        row(&mut text, "all", &sum);
        text
    }

    pub fn text(&self) -> String {
        let mut text = self.text.clone();
        for missed in &self.missed {
            let _ = writeln!(text, "missed: {missed}");
        }
        for stale in &self.stale {
            let _ = writeln!(text, "accepted, but not missed: {stale}");
        }
        text
    }

    pub fn is_good(&self) -> bool {
        self.missed.is_empty() && self.stale.is_empty()
    }

    /// Writes the table into the page.
    pub fn write(&self, root: &Path) -> Result<()> {
        let page = root.join("docs/development/mutants.md");
        let text = fs::read_to_string(&page)?;
        let (start, end) = ("<!-- counts -->\n", "<!-- /counts -->");
        let (head, rest) = text.split_once(start).context("the page has no counts")?;
        let (_, tail) = rest.split_once(end).context("the page's counts have no end")?;
        write(&page, format!("{head}{start}{}{end}{tail}", self.text).as_bytes())
    }
}
