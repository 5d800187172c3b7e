//! The reports and the files for other programs, read by readers of others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::{self, Missing, program};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Tests with readers of others.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        component::trial(format!("readers::{name}"), readers, test)
    };
    vec![
        trial("reports_are_read_by_readers_of_others", reports_are_read),
        trial("the_pre_commit_hook_is_one", |bin| {
            must(Command::new(bin.join("pre-commit")).arg("validate-manifest").arg(".pre-commit-hooks.yaml"));
            Ok(())
        }),
        trial("the_github_action_and_the_gitlab_job_are_ones", |bin| {
            let check = |schema: &str, file: &str| {
                must(Command::new(bin.join("check-jsonschema")).args(["--builtin-schema", schema, file]));
            };
            check("vendor.github-actions", "action.yml");
            check("vendor.gitlab-ci", "integrations/gitlab/nfs-mount-guard.gitlab-ci.yml");
            Ok(())
        }),
        Trial::test("readers::the_script_of_the_github_action_annotates_and_fails", action_annotates),
    ]
}

/// The directory with the readers' programs.
fn readers() -> Result<PathBuf, Missing> {
    let found = Command::new(Path::new(ROOT).join("tests/readers/install")).arg("--find").output();
    match found {
        Ok(output) if output.status.success() => {
            Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        }
        _ => Err(Missing {
            reason: "the readers from PyPI are missing: tests/readers/install installs them".to_owned(),
            installable: true,
        }),
    }
}

fn must(command: &mut Command) -> Output {
    let output = command.current_dir(ROOT).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn reports_are_read(bin: PathBuf) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let output = Command::new(program())
        .current_dir(ROOT)
        .args(["check", "tests/rules", "tests/drivers", "examples", "--no-policy"])
        .args(["--format", &format!("json={}", file("report.json"))])
        .args(["--format", &format!("sarif={}", file("report.sarif"))])
        .args(["--format", &format!("junit={}", file("report.xml"))])
        .args(["--format", &format!("gitlab={}", file("report.gitlab.json"))])
        .output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    fs::copy(Path::new(ROOT).join("examples/policy.yaml"), file("policy.yaml"))?;
    must(Command::new(bin.join("python3")).arg("tests/readers/read.py").arg(ROOT).arg(folder.path()));
    Ok(())
}

fn action_annotates() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let output = Command::new(Path::new(ROOT).join("integrations/github/check"))
        .current_dir(ROOT)
        .env("NFS_MOUNT_GUARD", program())
        .env("CHECK_PATHS", "examples/lost-volume.yaml")
        .env("CHECK_ARGUMENTS", "--no-policy")
        .env("SARIF_FILE", folder.path().join("a.sarif"))
        .env("GITHUB_OUTPUT", folder.path().join("output"))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said.contains(
            "::error file=examples/lost-volume.yaml,line=14,col=5,endColumn=7,title=NMG001 background-mount::"
        ),
        "{said}"
    );
    assert!(folder.path().join("a.sarif").exists());
    assert!(fs::read_to_string(folder.path().join("output"))?.starts_with("sarif-file="));
    Ok(())
}
