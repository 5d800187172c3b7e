//! Layers: a module imports from its own row leftwards and from rows above, and every dependency has the first
//! row that may use it, and a reason.

use std::fs;
use std::path::{Path, PathBuf};

use super::{files, root, sources};

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
    (1, &["serde", "strsim"]),
    (2, &["itoa"]),
    (3, &["time", "fnv"]),
    (
        5,
        &[
            "serde_json", "base64", "thiserror", "saphyr_parser", "ignore", "globset", "similar", "anstyle",
            "memchr", "wide", "simdutf8", "log", "percent_encoding", "unicode_width", "json_patch",
            "textwrap",
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
            "terminal_size", "signal_hook",
        ],
    ),
];

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

/// Returns the code of a file without comments, texts and the modules of its tests.
fn code(text: &str) -> String {
    let (mut code, mut is_test) = (String::new(), false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // rustfmt ends a module at the left margin.
        is_test |= line == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.starts_with("mod ") || next.starts_with("#["));
        if !is_test {
            let line = line.split_once("//").map_or(line, |(code, _)| code);
            let outside = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
            code += &outside;
            code.push('\n');
        }
        is_test &= !(line == "}" || line.starts_with("mod ") && line.ends_with(';'));
    }
    code
}

/// Returns the first two steps of every path of a code, of imports and in the code: `crate::nfs`,
/// `serde_json::from_str`. Those that an import lists in braces have the path before it.
fn paths(code: &str) -> Vec<(String, String)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let before = code[..at].trim_end_matches(is_name);
        let first = &code[before.len()..at];
        let rest = &code[at + 2..];
        if before.ends_with("::") || first.is_empty() {
            continue;
        }
        let second = |rest: &str| rest.chars().take_while(|c| is_name(*c)).collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => {
                let (mut depth, mut begins) = (0, true);
                for (index, c) in list.char_indices() {
                    if begins && is_name(c) && depth == 0 {
                        found.push((first.to_owned(), second(&list[index..])));
                    }
                    begins = c == ',' || begins && c.is_whitespace();
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    if depth < 0 {
                        break;
                    }
                }
            }
            None => found.push((first.to_owned(), second(rest))),
        }
    }
    // `use serde;` has no second step.
    let uses = code.lines().filter_map(|line| line.trim_start().strip_prefix("use ")?.strip_suffix(';'));
    found.extend(uses.filter(|path| !path.contains("::")).map(|path| (path.to_owned(), String::new())));
    found
}

/// Returns the fault of a path in the code of a module, if it has one.
fn wrong_with(own: &str, first: &str, second: &str) -> Option<String> {
    let (row, column) = place(own).unwrap_or_else(|| panic!("{own} has no layer"));
    if ["crate", "nfs_mount_guard", "nfs_mount_guard_engine"].contains(&first) {
        let Some((other_row, other_column)) = place(second) else {
            return Some(format!("{second} has no layer"));
        };
        let is_allowed = other_row < row || other_row == row && other_column <= column;
        return (!is_allowed).then(|| format!("{own} is above {second}"));
    }
    // Names of modules of the standard library that reach outside the process. That of networks has addresses, too,
    // which are data; clippy.toml forbids the engine its sockets.
    if first == "std" && row <= 4 && ["fs", "process", "env", "thread", "os"].contains(&second) {
        return Some(format!("{own} is pure, and std::{second} is not"));
    }
    let (needed, _) = CRATES.iter().find(|(_, names)| names.contains(&first))?;
    (*needed > row).then(|| format!("{first} is for row {needed} and below"))
}

#[test]
fn a_module_imports_from_the_left_and_from_above_only() {
    let mut wrong = Vec::new();
    let mut count = 0;
    // The reader of JSON has no modules beside each other.
    let [program, engine, _] = sources();
    let files_of = |source: &PathBuf| {
        files(source).into_iter().map(|file| (module(source, &file), file)).collect::<Vec<_>>()
    };
    let modules: Vec<(String, PathBuf)> = [program, engine].iter().flat_map(files_of).collect();
    for (own, file) in modules.into_iter().filter(|(module, _)| module != "lib") {
        // A file of tests imports what it compares with.
        if file.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        for (first, second) in paths(&code(&fs::read_to_string(&file).expect("text"))) {
            count += 1;
            let found = wrong_with(&own, &first, &second);
            wrong.extend(found.map(|found| format!("{}: {found}", file.display())));
        }
    }
    assert!(wrong.is_empty() && count > 2000, "{count} paths: {wrong:#?}");
}

#[test]
fn a_path_in_the_code_is_seen_as_one_of_an_import_is() {
    let text = "\
use crate::{nfs::option, engine};
#[cfg(test)]
mod tests {
    use crate::cli;
}
#[cfg(test)]
mod more;
fn a() {
    // crate::cli::b
    let b = \"crate::cli\";
    serde_json::from_str(b).or(std::fs::read(b)).or(crate::server::run::<u8>(b))
}
";
    let found = paths(&code(text));
    let found: Vec<String> = found.iter().map(|(first, second)| format!("{first}::{second}")).collect();
    let wanted =
        ["crate::nfs", "crate::engine", "nfs::option", "serde_json::from_str", "std::fs", "crate::server"];
    assert_eq!(found, wanted);
    for (own, first, second, is_wrong) in [
        ("rules", "crate", "nfs", false),
        ("rules", "crate", "engine", true),
        ("rules", "serde_json", "from_str", true),
        ("rules", "std", "fs", true),
        ("rules", "std", "fmt", false),
        ("source", "std", "fs", false),
        ("source", "serde_json", "from_str", false),
        ("source", "tokio", "spawn", true),
        ("report", "crate", "source", false),
        ("source", "crate", "report", true),
    ] {
        assert_eq!(wrong_with(own, first, second).is_some(), is_wrong, "{own}: {first}::{second}");
    }
}

const MANIFESTS: [&str; 3] = ["Cargo.toml", "crates/engine/Cargo.toml", "crates/json/Cargo.toml"];

/// The dependencies of a manifest that give a version: the section, the name, and true if the comment
/// right above it, or the last one, if that names it, says what it is for.
fn dependencies(manifest: &str) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let sections = manifest.split("\n[").filter_map(|section| section.split_once("]\n"));
    for (title, section) in sections.filter(|(title, _)| title.ends_with("dependencies")) {
        let (mut comment, mut is_open) = (String::new(), false);
        for line in section.lines() {
            if let Some(text) = line.strip_prefix('#') {
                if !is_open {
                    comment.clear();
                }
                is_open = true;
                comment += text;
            } else if let Some((name, version)) = line.split_once(" = ") {
                let is_ours = name.starts_with("nfs-mount-guard-");
                // Its reason stands with its version.
                if !name.ends_with(".workspace") && !is_ours {
                    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
                    let is_named = words.into_iter().any(|word| word == name);
                    assert!(!version.is_empty());
                    found.push((title.to_owned(), name.to_owned(), is_open || is_named));
                }
                is_open = false;
            } else {
                comment.clear();
                is_open = false;
            }
        }
    }
    found
}

#[test]
fn every_dependency_has_its_layer_and_its_reason() {
    let mut seen = Vec::new();
    for manifest in MANIFESTS {
        let text = fs::read_to_string(root().join(manifest)).expect(manifest);
        for (title, name, has_reason) in dependencies(&text) {
            assert!(has_reason, "{manifest}: {name} has no reason");
            let name = name.replace('-', "_");
            let is_placed = CRATES.iter().any(|(_, names)| names.contains(&&*name));
            assert!(is_placed || title == "dev-dependencies" || name == "proptest", "{name} has no layer");
            seen.push(name);
        }
    }
    assert!(seen.len() > 40, "{seen:?}");
    let gone: Vec<_> = CRATES
        .iter()
        .flat_map(|(_, names)| *names)
        .filter(|name| !seen.contains(&(**name).to_owned()))
        .collect();
    assert!(gone.is_empty(), "no dependencies: {gone:?}");
    // Without its comment a dependency has none of another's.
    let text = "a\n[dependencies]\n# One.\na = \"1\"\nb = \"1\"\n# Of c, with d.\nc = \"1\"\nd = \"1\"\n";
    let reasons: Vec<bool> = dependencies(text).into_iter().map(|(_, _, has_reason)| has_reason).collect();
    assert_eq!(reasons, [true, false, true, true]);
}
