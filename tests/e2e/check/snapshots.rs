//! Every report of the same run, word for word: what was reviewed once.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::component::program;

/// One test a format.
pub fn trials() -> Vec<Trial> {
    ["text", "json", "sarif", "junit", "github", "gitlab"]
        .into_iter()
        .map(|format| {
            Trial::test(format!("check::snapshots::{format}_is_what_was_reviewed"), move || compare(format))
        })
        .collect()
}

/// Compares with tests/check/reports/; `UPDATE_EXPECTED=1` writes it anew, to
/// be reviewed.
fn compare(format: &str) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let output = Command::new(program())
        .current_dir(&folder)
        .args(["check", "--no-policy", "--format", format])
        .args(["bad.yaml", "broken.yaml", "disk.yaml", "styles.yaml", "update.review.json", "warned.yaml"])
        .output()?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let expected = folder.join("reports").join(format!("report.{format}"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(folder.join("reports"))?;
        fs::write(&expected, &output.stdout)?;
    }
    let seen = String::from_utf8(output.stdout)?;
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    assert!(
        seen == wanted,
        "{} says otherwise (UPDATE_EXPECTED=1 writes it anew):\n{seen}",
        expected.display()
    );
    Ok(())
}
