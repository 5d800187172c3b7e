//! The shape of the repository: layers, sizes, and pages that are generated
//! from the code.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test may end by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nfs_mount_guard::admission_policy;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::{driver_page, rule_page};
use nfs_mount_guard::rules::RULES;
use nfs_mount_guard::subject::driver::drivers;

mod layers;
mod pages;
mod reference;
mod words;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of a directory and its directories.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the directories with Rust code of the program.
fn sources() -> [PathBuf; 3] {
    ["src", "crates/engine/src", "crates/json/src"].map(|folder| root().join(folder))
}

#[test]
fn files_are_short_enough_to_have_one_reason_to_change() {
    let long: BTreeMap<_, _> = sources()
        .iter()
        .flat_map(|source| files(source))
        .map(|file| (fs::read_to_string(&file).expect("text").lines().count(), file))
        .filter(|(lines, _)| *lines > 420)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
    let main = fs::read_to_string(root().join("src/main.rs")).expect("main.rs");
    assert!(main.lines().count() < 40);
}

/// Compares a generated text with its file; `UPDATE_EXPECTED=1` writes it.
fn compare(file: &Path, wanted: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, wanted).expect("written");
    }
    let seen = fs::read_to_string(file).unwrap_or_default();
    assert!(seen == wanted, "{} is stale; tests/update writes it", file.display());
}

/// Like [`compare`], for the part of a page between `<!-- MARK -->` and `<!-- /MARK -->`.
fn compare_part(file: &str, mark: &str, wanted: &str) {
    let path = root().join(file);
    let text = fs::read_to_string(&path).expect("a page");
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (head, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{file} has no {start}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    compare(&path, &format!("{head}{start}{wanted}{end}{tail}"));
}

#[test]
fn the_rule_pages_are_those_of_the_code() {
    let folder = root().join("docs/rules");
    for rule in RULES {
        compare(&folder.join(format!("{}.md", rule.code)), &rule_page::page(rule));
    }
    let index = format!(
        "# Rules\n\nFor readers of a finding: every rule, its default action in each profile, and its fix. \"apply\" means that \
         the webhook and `fix`\nrepair it, \"offer\" that only `fix` does. Two actions: the page of the rule names the case of the second. \
         `nfs-mount-guard rules` prints\nthe table, `nfs-mount-guard explain NMG001` a page.\n\n{}",
        rule_page::table("")
    );
    compare(&folder.join("README.md"), &index);
    let pages = files(&folder).len();
    assert_eq!(pages, RULES.len() + 1, "a page without a rule");
}

#[test]
fn the_driver_pages_are_those_of_the_table() {
    let folder = root().join("docs/drivers");
    for driver in drivers() {
        compare(&folder.join(driver_page::file_name(driver)), &driver_page::page(driver));
    }
    compare(&root().join("docs/drivers.md"), &driver_page::table());
    assert_eq!(files(&folder).len(), drivers().count(), "a page without a driver");
}

#[test]
fn the_readmes_table_is_that_of_the_code() {
    compare_part("README.md", "rules", &rule_page::table("docs/rules/"));
}

/// Checks that docs name the command that prints each file.
#[test]
fn the_manifests_are_those_of_the_driver_table() {
    let policy = Policy::default();
    let today = time::macros::date!(2026 - 03 - 01);
    let folder = root().join("manifests");
    let validating = admission_policy::validating(&policy, today).expect("a policy").manifest;
    compare(&folder.join("background-mount-policy.yaml"), &validating);
    let mutating = admission_policy::mutating(&policy, today).expect("a policy").manifest;
    compare(&folder.join("background-mount-mutation.yaml"), &mutating);
    let inline = admission_policy::inline(&policy).expect("a policy");
    compare(&folder.join("inline-background-mount-policy.yaml"), &inline);
    // In the chart the bindings hang on its values.
    let alone = |manifest: &str| manifest.split("---\n").next().unwrap_or_default().to_owned();
    compare(&folder.join("chart/files/background-mount-policy.yaml"), &alone(&validating));
    compare(&folder.join("chart/files/inline-background-mount-policy.yaml"), &alone(&inline));
    let conditions = admission_policy::webhook_match_conditions(&policy);
    compare(&folder.join("chart/files/match-conditions.yaml"), &conditions);
}

/// Everything below a schema without a description, or with one that begins with a question
/// instead of a noun.
fn undescribed(schema: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    const QUESTIONS: [&str; 9] = ["How", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"];
    let text = schema["description"].as_str().unwrap_or_default();
    let first = text.split([' ', '\'']).next().unwrap_or_default();
    if text.is_empty() || QUESTIONS.contains(&first) {
        found.push(format!("{at}: {text}"));
    }
    for (key, member) in schema["properties"].as_object().into_iter().flatten() {
        undescribed(member, &format!("{at}.{key}"), found);
    }
    for (key, end) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[key].is_object() {
            undescribed(&schema[key], &format!("{at}{end}"), found);
        }
    }
}

#[test]
fn every_property_of_a_schema_is_described() {
    for name in ["check.schema.json", "doctor.schema.json", "node-check.schema.json", "policy.schema.json"] {
        let text = fs::read_to_string(root().join("docs").join(name)).expect("a schema");
        let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(schema["properties"].as_object().is_some_and(|properties| properties.len() > 5), "{name}");
        let mut found = Vec::new();
        undescribed(&schema, name, &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
