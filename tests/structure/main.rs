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

mod pages;
mod reference;
mod words;

/// Modules from left to right and top to bottom, as docs and lib.rs have them:
/// one may import from its own row leftwards and from rows above.
const LAYERS: &[&[&str]] = &[
    &["count", "nfs"],
    &["kind", "site", "finding", "profile", "subject"],
    &["rules"],
    &["policy"],
    &["engine"],
    &["called", "source", "policy_file", "admission", "admission_policy", "report", "check"],
    &["ca", "telemetry", "server", "doctor", "cluster", "node", "lsp"],
    &["cli", "main"],
];

/// External crates by the first row that may use them.
const CRATES: &[(usize, &[&str])] = &[
    (1, &["serde"]),
    (2, &["strsim", "itoa"]),
    (3, &["time", "fnv"]),
    (
        5,
        &[
            "serde_json", "serde_path_to_error", "base64", "thiserror", "saphyr_parser", "serde_saphyr",
            "ignore", "globset", "similar", "anstyle", "memchr", "wide", "simdutf8", "log", "unicode_width",
            "json_patch", "textwrap",
        ],
    ),
    (
        6,
        &[
            "axum", "hyper", "hyper_util", "tokio", "tokio_rustls", "rustls", "rcgen", "x509_parser",
            "arc_swap", "prometheus_client", "tracing", "tracing_subscriber", "http_body_util", "rustix",
            "notify", "kube", "k8s_openapi", "tower", "futures_util", "backon", "procfs_core", "lsp_server",
        ],
    ),
    (
        7,
        &[
            "clap", "anyhow", "humantime", "clap_complete", "clap_mangen", "anstream", "tempfile",
            "terminal_size",
        ],
    ),
];

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

/// The module under `source` that a file belongs to.
fn module(source: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(source).expect("under it");
    let first = relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Row and column of a module.
fn place(module: &str) -> Option<(usize, usize)> {
    LAYERS
        .iter()
        .enumerate()
        .find_map(|(row, modules)| Some((row, modules.iter().position(|found| *found == module)?)))
}

/// Returns the imports of a file: paths from `use`, and paths in the text that begin at the crate's
/// root.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in code.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
        if let Some(path) = line.strip_prefix("use ") {
            found.push(path.to_owned());
        }
    }
    for (index, _) in code.match_indices("crate::") {
        found.push(code[index..].chars().take(80).collect());
    }
    found
}

#[test]
fn a_module_imports_from_the_left_and_from_above_only() {
    let mut wrong = Vec::new();
    // The reader of JSON has no modules beside each other.
    let [program, engine, _] = sources();
    let files_of = |source: &PathBuf| {
        files(source).into_iter().map(|file| (module(source, &file), file)).collect::<Vec<_>>()
    };
    let modules: Vec<(String, PathBuf)> = [program, engine].iter().flat_map(files_of).collect();
    for (own, file) in modules.into_iter().filter(|(module, _)| module != "lib") {
        let own_place = place(&own).unwrap_or_else(|| panic!("{own} has no layer"));
        for import in imports(&fs::read_to_string(&file).expect("text")) {
            let mut steps =
                import.split("::").map(|step| step.trim_matches(|c: char| !c.is_alphanumeric() && c != '_'));
            let first = steps.next().unwrap_or_default();
            if ["crate", "nfs_mount_guard", "nfs_mount_guard_engine"].contains(&first) {
                let target = steps.next().unwrap_or_default();
                let target: String =
                    target.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                match place(&target) {
                    Some((row, column)) => {
                        let is_allowed = row < own_place.0 || row == own_place.0 && column <= own_place.1;
                        if !is_allowed {
                            wrong.push(format!("{}: {import}", file.display()));
                        }
                    }
                    None => wrong.push(format!("{}: {target} has no layer: {import}", file.display())),
                }
            } else if let Some((row, _)) = CRATES.iter().find(|(_, names)| names.contains(&first))
                && *row > own_place.0
            {
                wrong.push(format!("{}: {first} is for row {row} and below", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_dependency_has_its_layer_and_its_reason() {
    for manifest in ["Cargo.toml", "crates/engine/Cargo.toml", "crates/json/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).expect(manifest);
        let sections = text.split("\n[").filter_map(|section| section.split_once("]\n"));
        let dependencies = sections.filter(|(title, _)| title.ends_with("dependencies"));
        let mut count = 0;
        for (title, section) in dependencies {
            let mut reason = false;
            for line in section.lines() {
                if line.starts_with('#') {
                    reason = true;
                } else if line.ends_with(".workspace = true") {
                    // Its reason stands with its version.
                } else if let Some((name, _)) = line.split_once(" = ") {
                    count += 1;
                    let name = name.replace('-', "_");
                    let is_ours = name.starts_with("nfs_mount_guard_");
                    let is_placed = CRATES.iter().any(|(_, names)| names.contains(&&*name));
                    assert!(
                        is_placed || is_ours || title == "dev-dependencies" || name == "proptest",
                        "{name} has no layer"
                    );
                    assert!(reason, "{manifest}: {name} has no reason");
                } else {
                    reason = false;
                }
            }
        }
        assert!(count > 1 || manifest == "crates/engine/Cargo.toml", "{manifest}: no dependency was seen");
    }
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
         the webhook and `fix`\nrepair it, \"offer\" that only `fix` does. Two actions: the page of the rule names the milder case. \
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
