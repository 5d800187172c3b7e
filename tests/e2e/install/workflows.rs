//! The workflows: read by the linter that knows GitHub's.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
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
        Trial::test("install::actions_are_pinned_and_each_job_has_the_least_rights", least_rights),
        Trial::test("install::the_chart_says_what_artifact_hub_shows", artifact_hub),
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

fn read(file: &Path) -> Result<Value, Failed> {
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(file)?)?)
}

/// The build scripts of foreign crates run in no job that has a secret, may write, or may
/// sign; and an action is what it was when it was looked at.
fn least_rights() -> Result<(), Failed> {
    let mut seen = Vec::new();
    for file in workflows() {
        let workflow = read(&file)?;
        let all = workflow["permissions"].clone();
        assert!(all == json!({}) || all == json!({"contents": "read"}), "{}: {all}", file.display());
        for (name, job) in workflow["jobs"].as_object().ok_or("jobs")? {
            let rights = if job["permissions"].is_null() { &all } else { &job["permissions"] };
            let text = job.to_string();
            let builds = ["cargo ", "image/program", "tests/run"].iter().any(|call| text.contains(call));
            if builds {
                assert_eq!(*rights, json!({"contents": "read"}), "{name}");
                assert!(!text.contains("secrets."), "{name}");
            }
            for step in job["steps"].as_array().ok_or("steps")? {
                let Some(action) = step["uses"].as_str() else { continue };
                let digest = action.split_once('@').map_or("", |(_, digest)| digest);
                let is_digest = digest.len() == 40 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(is_digest, "{name}: {action}");
                let keeps = action.starts_with("actions/checkout@")
                    && step["with"]["persist-credentials"] != json!(false);
                assert!(!keeps, "{name}: the checkout leaves its token to the build");
            }
            seen.push((name.clone(), rights.clone()));
        }
    }
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = [
        ("build", json!({"contents": "read"})),
        ("publish", json!({"contents": "read", "id-token": "write", "attestations": "write"})),
        ("release", json!({"contents": "write"})),
        ("test", json!({"contents": "read"})),
    ];
    assert_eq!(seen, wanted.map(|(name, rights)| (name.to_owned(), rights)));
    Ok(())
}

/// An annotation of the chart for Artifact Hub.
fn annotation<'c>(chart: &'c Value, name: &str) -> &'c str {
    chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap_or_default()
}

fn artifact_hub() -> Result<(), Failed> {
    let chart = read(&Path::new(ROOT).join("manifests/chart/Chart.yaml"))?;
    assert_eq!(annotation(&chart, "category"), "storage");
    let list =
        |name: &str| -> Result<Vec<Value>, Failed> { Ok(serde_saphyr::from_str(annotation(&chart, name))?) };
    let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    let changes = list("changes")?;
    assert!(changes.iter().all(|change| {
        kinds.contains(&change["kind"].as_str().unwrap_or_default()) && change["description"].is_string()
    }));
    assert!(!changes.is_empty());
    let image = format!("nfs-mount-guard:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(list("images")?[0]["image"], image.as_str());
    for link in list("links")?.iter().chain(&list("recommendations")?) {
        assert!(link["url"].as_str().is_some_and(|url| url.starts_with("https://")), "{link}");
    }
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
    assert_eq!(edits.len(), 3, "{edits:?}");
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
    let shown = helm.run(&["show", "chart", &packed]);
    let chart: Value = serde_saphyr::from_str(&String::from_utf8_lossy(&shown.stdout))?;
    let images: Value = serde_saphyr::from_str(annotation(&chart, "images"))?;
    assert_eq!(images[0]["image"], image.as_str());
    let plain = std::fs::read_to_string(folder.path().join("manifests/install.yaml"))?;
    for text in [String::from_utf8_lossy(&output.stdout).into_owned(), plain] {
        assert!(text.contains(&format!("image: \"{image}\"")), "{text}");
    }
    Ok(())
}
