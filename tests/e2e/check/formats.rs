//! The report in every format.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{path, pipe, report, run, stdout};
use crate::schema;

/// Tests of the formats.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::formats::{name}"), test);
    vec![
        trial("json_is_what_its_schema_says", json_fits_its_schema),
        trial("sarif_has_regions_and_rules", sarif_has_regions),
        trial("github_commands_name_file_line_and_columns", github_commands),
        trial("concise_has_one_line_a_finding", concise_lines),
        trial("junit_counts_what_is_refused", junit_counts),
        trial("gitlab_issues_have_fingerprints", gitlab_issues),
        trial("each_shows_the_list_that_passes_once_a_carrier", list_once),
        trial("several_go_to_several_files", several_files),
        trial("what_cannot_be_read_is_told_if_all_go_to_files", told),
    ]
}

fn json_fits_its_schema() -> Result<(), Failed> {
    let all = ["bad.yaml", "good.yaml", "disk.yaml", "broken.yaml", "styles.yaml", "list.json"].map(path);
    let mut args: Vec<&str> = all.iter().map(String::as_str).collect();
    args.push("--statistics");
    let report = report(&args);
    schema::fits("check.schema.json", &report)?;
    let summary = &report["summary"];
    let count = |key: &str| summary[key].as_u64().expect("a count");
    assert_eq!(count("documents"), count("judged") + count("skipped") + count("unreadable"), "{summary}");
    Ok(())
}

fn sarif_has_regions() -> Result<(), Failed> {
    let output = run(&["check", &path("bad.yaml"), &path("broken.yaml"), "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(log["version"], json!("2.1.0"));
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], json!("unicodeCodePoints"));
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    let repository = run["tool"]["driver"]["informationUri"].as_str().expect("an address");
    assert!(repository.starts_with("https://"), "{repository}");
    let mut titles = BTreeSet::new();
    for rule in rules {
        let (code, name) = (rule["id"].as_str().expect("a code"), rule["name"].as_str().expect("a name"));
        let page = rule["helpUri"].as_str().expect("an address");
        let path = page.strip_prefix(&format!("{repository}/blob/main/")).expect("a page of the repository");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?;
        let title = rule["shortDescription"]["text"].as_str().expect("a title");
        assert!(text.starts_with(&format!("# {code} {name}: {title}\n")), "{page}");
        assert!(title.starts_with(|letter: char| letter.is_uppercase()) && !title.ends_with('.'), "{title}");
        assert!(title.len() < 60 && title.contains(' '), "{title}");
        assert!(titles.insert(title.to_owned()), "{title} is the title of two rules");
    }
    let background = results.iter().find(|result| result["ruleId"] == "NMG001").expect("NMG001");
    let place = &background["locations"][0]["physicalLocation"];
    assert_eq!(place["region"], json!({"startLine": 6, "startColumn": 27, "endColumn": 29}));
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index"))?;
        // The rule of the index is the one whose code the result has, by the program's own table.
        let code = result["ruleId"].as_str().expect("a code");
        let rule = nfs_mount_guard::rules::find(code).expect("a rule");
        assert_eq!((&rules[index]["id"], &rules[index]["name"]), (&json!(code), &json!(rule.name)));
        assert!(rules[index]["help"]["markdown"].as_str().is_some_and(|help| help.len() > 100));
    }
    let mut fingerprints: Vec<String> =
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect();
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), results.len());
    assert_eq!(run["invocations"][0]["executionSuccessful"], json!(false));
    Ok(())
}

fn github_commands() -> Result<(), Failed> {
    let bad = path("bad.yaml");
    let text = stdout(&run(&["check", &bad, "--select", "NMG001", "--format", "github"]));
    // A comma is written as %2C in a property only, not in the message.
    let start = format!(
        "::error file={bad},line=6,col=27,endColumn=29,title=NMG001 background-mount::\"bg\" in \"hard,bg\""
    );
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with("1 document read, 1 judged, 0 skipped, 0 unreadable\n"), "{text}");
    Ok(())
}

/// The lines agree with the JSON report of the same run, one a finding.
fn concise_lines() -> Result<(), Failed> {
    let files = ["bad.yaml", "warned.yaml", "styles.yaml", "broken.yaml", "plain-string.yaml"].map(path);
    let mut args = vec!["check"];
    args.extend(files.iter().map(String::as_str));
    let folder = TempDir::new()?;
    let other = folder.path().join("out.txt").display().to_string();
    let outputs = [format!("concise={other}"), "concise".to_owned(), format!("json={other}.json")];
    args.extend(outputs.iter().flat_map(|output| ["--format", output]));
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = stdout(&output);
    assert_eq!(text, fs::read_to_string(&other)?, "a file gets what standard output gets");
    let report: Value = serde_json::from_str(&fs::read_to_string(format!("{other}.json"))?)?;
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().expect("a last line");
    let whole = stdout(&run(&args[..=files.len()]));
    assert_eq!(last, whole.lines().last().expect("a last line"), "the last line is that of text");
    let mut wanted = Vec::new();
    for subject in report["subjects"].as_array().expect("subjects") {
        for finding in subject["findings"].as_array().expect("findings") {
            if finding["action"] == "audit" {
                continue;
            }
            wanted.push(format!(
                "{}:{}:{}: {} {} {}",
                subject["file"].as_str().expect("a file"),
                finding["line"],
                finding["column"],
                finding["code"].as_str().expect("a code"),
                finding["action"].as_str().expect("an action"),
                finding["message"].as_str().expect("a message"),
            ));
        }
    }
    let findings: Vec<&&str> = lines.iter().filter(|line| !line.contains(": unreadable ")).collect();
    assert_eq!(findings.len(), wanted.len(), "{text}");
    for wanted in wanted {
        assert!(findings.iter().any(|line| line.starts_with(&wanted)), "{wanted} in {text}");
    }
    let errors = report["errors"].as_array().expect("errors").len();
    assert_eq!(lines.len() - findings.len(), errors, "{text}");
    assert!(text.contains("; set mountOptions: ["), "{text}");
    Ok(())
}

/// The first finding of a carrier has the list, the others their own remedies, in every format.
fn list_once() -> Result<(), Failed> {
    let class = |name: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\n\
             provisioner: nfs.csi.k8s.io\nmountOptions: [bg, nfsvers=4.1]\n"
        )
    };
    let two = format!("{}---\n{}", class("a"), class("b"));
    for format in ["text", "concise", "sarif", "junit", "github", "gitlab"] {
        let output = pipe(&["check", "--no-policy", "--format", format, "-"], two.as_bytes());
        let text = stdout(&output);
        let lists = text.matches("mountOptions: [fg, nfsvers=4.1, timeo=600, retrans=2]").count();
        assert_eq!(lists, 2, "{format}: {text}");
        if format != "text" {
            let remedies = ["replace it with", "add "].map(|remedy| text.matches(remedy).count());
            assert_eq!(remedies.iter().sum::<usize>(), 4, "{format}: {text}");
        }
    }
    Ok(())
}

fn junit_counts() -> Result<(), Failed> {
    let text = stdout(&run(&[
        "check",
        &path("bad.yaml"),
        &path("good.yaml"),
        &path("broken.yaml"),
        "--format",
        "junit",
    ]));
    assert!(text.contains("tests=\"4\" failures=\"2\" errors=\"1\""), "{text}");
    assert!(text.contains("name=\"StorageClass/good\""), "{text}");
    assert_eq!(text.matches("<testcase").count(), 4);
    assert!(!text.contains("\"bg\" in"), "quotes are escaped: {text}");
    Ok(())
}

fn gitlab_issues() -> Result<(), Failed> {
    let output = run(&["check", &path("bad.yaml"), "--format", "gitlab"]);
    let issues: Value = serde_json::from_slice(&output.stdout)?;
    let background = issues
        .as_array()
        .expect("issues")
        .iter()
        .find(|issue| issue["check_name"] == "NMG001 background-mount")
        .expect("NMG001");
    assert_eq!(background["severity"], json!("critical"));
    assert_eq!(background["location"]["lines"]["begin"], json!(6));
    assert!(background["fingerprint"].as_str().is_some_and(|fingerprint| fingerprint.len() >= 16));
    Ok(())
}

fn several_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name);
    let formats: Vec<String> = ["json", "sarif", "junit", "gitlab"]
        .iter()
        .map(|format| format!("{format}={}", at(format).display()))
        .collect();
    let bad = path("bad.yaml");
    let mut args = vec!["check", bad.as_str(), "--format", "text"];
    for format in &formats {
        args.extend(["--format", format.as_str()]);
    }
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("policy:"));
    for format in ["json", "sarif", "gitlab"] {
        serde_json::from_str::<Value>(&fs::read_to_string(at(format))?)?;
    }
    assert!(fs::read_to_string(at("junit"))?.starts_with("<?xml"));
    Ok(())
}

/// The exit code 3 has a reason that a person reads.
fn told() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (broken, missing) = (path("broken.yaml"), folder.path().join("missing.yaml").display().to_string());
    let json = format!("json={}", folder.path().join("report.json").display());
    let output = run(&["check", "--no-policy", &broken, &missing, "--format", &json]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for words in [format!("nfs-mount-guard: {broken}:9:"), format!("nfs-mount-guard: {missing}: ")] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    let output = run(&["check", "--no-policy", &broken, "--format", "text", "--format", &json]);
    assert!(output.stderr.is_empty() && stdout(&output).contains("unreadable"), "{output:?}");
    Ok(())
}
