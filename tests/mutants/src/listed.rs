//! The mutants as cargo-mutants lists them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// A place in a file: line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Point {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Span {
    pub start: Point,
    pub end: Point,
}

/// The kinds of mutants of cargo-mutants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

/// One change of the code.
#[derive(Debug, Clone, Deserialize)]
pub struct Mutant {
    /// `FILE:LINE:COLUMN: CHANGE`.
    pub name: String,
    pub file: String,
    pub span: Span,
    pub replacement: String,
    pub genre: Genre,
    /// The function that it is in.
    pub function: Option<serde::de::IgnoredAny>,
    /// `FILE: CHANGE`, with ` #2` and so on for those that read the same: lines may move.
    #[serde(skip)]
    pub key: String,
    /// Its number in the switched program, from 1.
    #[serde(skip)]
    pub id: u32,
}

/// Lists the mutants of `files`, which are globs, of the repository at `root`.
pub fn list(cargo_mutants: &str, root: &Path, files: &[&str]) -> Result<Vec<Mutant>> {
    let mut command = Command::new(cargo_mutants);
    command.args(["mutants", "--list", "--json", "--workspace", "--no-config"]).current_dir(root);
    for glob in files {
        command.args(["--file", glob]);
    }
    let output = command.output().with_context(|| format!("{cargo_mutants} does not run"))?;
    ensure!(output.status.success(), "cargo-mutants: {}", String::from_utf8_lossy(&output.stderr));
    let mut mutants: Vec<Mutant> = serde_json::from_slice(&output.stdout)?;
    mutants.sort_by(|a, b| (&a.file, a.span.start, &a.name).cmp(&(&b.file, b.span.start, &b.name)));
    let mut counts = BTreeMap::<String, usize>::new();
    for (mutant, id) in mutants.iter_mut().zip(1..) {
        let change = mutant.name.splitn(4, ':').nth(3).unwrap_or_default();
        let key = format!("{}:{change}", mutant.file);
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        mutant.key = if *count == 1 { key } else { format!("{key} #{count}") };
        mutant.id = id;
    }
    Ok(mutants)
}
