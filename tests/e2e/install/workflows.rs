//! The workflows: read by the linter that knows GitHub's.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::ROOT;
use crate::component;

/// Tests of what is in `.github`.
pub fn trials() -> Vec<Trial> {
    vec![
        component::trial(
            "install::actionlint_finds_no_mistake_in_the_workflows",
            || component::binary("actionlint"),
            workflows_are_clean,
        ),
        Trial::test("install::the_workflows_call_what_is_there", workflows_call_what_is_there),
    ]
}

fn workflows() -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join(".github/workflows");
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

fn workflows_are_clean(actionlint: PathBuf) -> Result<(), Failed> {
    let output = Command::new(actionlint).current_dir(ROOT).arg("-no-color").args(workflows()).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn workflows_call_what_is_there() -> Result<(), Failed> {
    let mut called = 0;
    for file in workflows() {
        let text = std::fs::read_to_string(&file)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        for word in
            text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(|c| !is_part(c)))
        {
            let is_ours = ["tests/", "image/", "manifests/"].iter().any(|folder| word.starts_with(folder));
            if is_ours && !word.contains('*') {
                assert!(Path::new(ROOT).join(word).exists(), "{}: {word}", file.display());
                called += 1;
            }
        }
    }
    assert!(called > 6, "{called}");
    Ok(())
}
