//! Every report of the same run, word for word: what was reviewed once.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::program;

/// One test a format.
pub fn trials() -> Vec<Trial> {
    ["text", "concise", "json", "sarif", "junit", "github", "gitlab", "html"]
        .into_iter()
        .map(|format| {
            Trial::test(format!("check::snapshots::{format}_is_what_was_reviewed"), move || compare(format))
        })
        .collect()
}

/// Compares with tests/check/reports/; `UPDATE_EXPECTED=1` writes it, for
/// review.
fn compare(format: &str) -> Result<(), Failed> {
    const FILES: [&str; 6] =
        ["bad.yaml", "broken.yaml", "disk.yaml", "styles.yaml", "update.review.json", "warned.yaml"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    // Outside of any repository, so that paths are relative to the directory.
    let copy = TempDir::new()?;
    let root = copy.path().canonicalize()?;
    for file in FILES {
        fs::copy(folder.join(file), root.join(file))?;
    }
    let output = Command::new(program())
        .current_dir(&root)
        .args(["check", "--no-policy", "--format", format])
        .args(FILES)
        .output()?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let seen = String::from_utf8(output.stdout)?.replace(&root.display().to_string(), "/sources");
    let expected = folder.join("reports").join(format!("report.{format}"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(folder.join("reports"))?;
        fs::write(&expected, &seen)?;
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    assert!(
        seen == wanted,
        "{} says otherwise (UPDATE_EXPECTED=1 writes it anew):\n{seen}",
        expected.display()
    );
    Ok(())
}
