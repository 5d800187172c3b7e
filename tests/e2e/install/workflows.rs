//! The workflows: read by the linter that knows GitHub's.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{Helm, ROOT};
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
        component::trial(
            "install::a_release_packs_a_chart_that_names_its_image",
            Helm::find,
            release_packs_the_chart,
        ),
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

/// Runs the release's own edits of the manifests, on a copy.
fn release_packs_the_chart(helm: Helm) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let copied =
        Command::new("cp").arg("-r").arg(Path::new(ROOT).join("manifests")).arg(folder.path()).status()?;
    assert!(copied.success());
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("registry.example.com/storage/nfs-mount-guard:{version}");
    let workflow = std::fs::read_to_string(Path::new(ROOT).join(".github/workflows/release.yml"))?;
    let edits: Vec<&str> =
        workflow.lines().map(str::trim).filter(|line| line.starts_with("sed -i ")).collect();
    assert_eq!(edits.len(), 2, "{edits:?}");
    for edit in edits {
        let edited = Command::new("bash")
            .args(["-euc", edit])
            .current_dir(folder.path())
            .env("VERSION", format!("v{version}"))
            .env("REPOSITORY", "registry.example.com/storage")
            .env("image", "registry.example.com/storage/nfs-mount-guard")
            .status()?;
        assert!(edited.success(), "{edit}");
    }
    let chart = folder.path().join("manifests/chart").display().to_string();
    let packed = folder.path().display().to_string();
    let output = helm.run(&["package", &chart, "--destination", &packed]);
    assert!(output.status.success(), "{output:?}");
    let packed = format!("{packed}/nfs-mount-guard-{version}.tgz");
    let output = helm.run(&["template", "r", &packed]);
    assert!(output.status.success(), "{output:?}");
    let plain = std::fs::read_to_string(folder.path().join("manifests/install.yaml"))?;
    for text in [String::from_utf8_lossy(&output.stdout).into_owned(), plain] {
        assert!(text.contains(&format!("image: \"{image}\"")), "{text}");
    }
    Ok(())
}
