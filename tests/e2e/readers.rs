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
        component::trial("readers::the_github_action_runs_a_pinned_release_or_a_build", curl, action_fetches),
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

fn curl() -> Result<(), Missing> {
    let is_there = Command::new("curl").arg("--version").output().is_ok();
    is_there.then_some(()).ok_or_else(|| Missing {
        reason: "there is no curl on PATH: the GitHub Action fetches releases with it".to_owned(),
        installable: false,
    })
}

/// A release with the pinned sum is unpacked, one with another sum is an error, and without
/// a release the commit is built.
fn action_fetches((): ()) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (commit, releases) = (folder.path().join("commit"), folder.path().join("releases"));
    let scripts = commit.join("integrations/github");
    fs::create_dir_all(&scripts)?;
    for file in ["program", "pin", "pinned.sha256"] {
        fs::copy(Path::new(ROOT).join("integrations/github").join(file), scripts.join(file))?;
    }
    fs::write(commit.join("Cargo.toml"), "[package]\nversion = \"9.8.7\"\n")?;
    // The build is that of cargo; here it is seen that it is requested.
    let tools = folder.path().join("tools");
    fs::create_dir_all(&tools)?;
    let path = std::env::var("PATH")?;
    let cargo = tools.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho \"built: $*\"\n")?;
    must(Command::new("chmod").arg("+x").arg(&cargo));
    let target = folder.path().join("target");
    let run = || {
        Command::new(scripts.join("program"))
            .arg(&target)
            .env("NFS_MOUNT_GUARD_RELEASES", format!("file://{}", releases.display()))
            .env("PATH", format!("{}:{path}", tools.display()))
            .output()
    };
    let output = run()?;
    assert!(output.status.success(), "{output:?}");
    let built = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(built.contains("built: install --locked") && built.contains("--root"), "{built}");

    let release = releases.join("v9.8.7");
    fs::create_dir_all(&release)?;
    fs::write(folder.path().join("nfs-mount-guard"), "the program")?;
    let mut sums = String::new();
    for arch in ["amd64", "arm64"] {
        let archive = release.join(format!("nfs-mount-guard-{arch}.tar.gz"));
        must(
            Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(folder.path()).arg("nfs-mount-guard"),
        );
        let sum = must(Command::new("sha256sum").arg(&archive));
        let sum = String::from_utf8(sum.stdout)?;
        let sum = sum.split_whitespace().next().ok_or("a sum")?.to_owned();
        sums.extend([&*sum, "  nfs-mount-guard-", arch, ".tar.gz\n"]);
    }
    let file = folder.path().join("SHA256SUMS");
    fs::write(&file, sums)?;
    let pin = || Command::new(scripts.join("pin")).arg("9.8.7").arg(&file).output();
    assert!(pin()?.status.success());
    assert!(!pin()?.status.success(), "it is pinned already");
    let output = run()?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(target.join("bin/nfs-mount-guard"))?, "the program");

    // An archive that was changed is not unpacked, and nothing is built instead.
    fs::remove_file(target.join("bin/nfs-mount-guard"))?;
    for arch in ["amd64", "arm64"] {
        fs::write(release.join(format!("nfs-mount-guard-{arch}.tar.gz")), "another one")?;
    }
    let output = run()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has not the pinned sha256"), "{output:?}");
    assert!(output.stdout.is_empty() && !target.join("bin/nfs-mount-guard").exists());

    fs::remove_dir_all(&release)?;
    let output = run()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("the release cannot be fetched"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("built: install"), "{output:?}");
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
