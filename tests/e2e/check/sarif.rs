//! SARIF: where files are, and that carrying its fixes out is what `fix` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command;

/// Tests of SARIF.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::sarif::{name}"), test);
    vec![
        trial("each_of_its_fixes_takes_one_finding_away", fixes_take_their_findings_away),
        trial("each_fix_takes_its_own_finding_away", each_fix_takes_its_finding_away),
        trial("files_are_relative_to_the_repository_or_the_directory", files_are_relative),
    ]
}

fn log(folder: &Path, files: &[&str]) -> Value {
    let mut check = command(&["check", "--no-policy", "--format", "sarif"]);
    let output = check.args(files).current_dir(folder).output().expect("the program runs");
    let log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    log["runs"][0].clone()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// First byte, the byte after the last, the new text.
type Replacement = (usize, usize, String);

/// The replacements of one result, as they stand in the text.
fn replacements(result: &Value, text: &str) -> Vec<Replacement> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let byte = |region: &Value, line: &str, column: &str| {
        let number = |key: &str| usize::try_from(region[key].as_u64().expect("a number")).expect("it fits");
        let start = starts[number(line) - 1];
        text[start..].char_indices().nth(number(column) - 1).map_or(text.len(), |(at, _)| start + at)
    };
    let changes = list(result, "fixes").iter().flat_map(|fix| list(fix, "artifactChanges"));
    changes
        .flat_map(|change| {
            assert_eq!(
                change["artifactLocation"],
                result["locations"][0]["physicalLocation"]["artifactLocation"]
            );
            list(change, "replacements")
        })
        .map(|replacement| {
            let region = &replacement["deletedRegion"];
            let with = replacement["insertedContent"]["text"].as_str().expect("a text").to_owned();
            (byte(region, "startLine", "startColumn"), byte(region, "endLine", "endColumn"), with)
        })
        .collect()
}

/// Applies replacements as a reader of SARIF does: from the end on, each replacement once.
fn apply(text: &str, replacements: &BTreeSet<Replacement>) -> String {
    let mut new = text.to_owned();
    let mut last = text.len();
    for (start, end, with) in replacements.iter().rev() {
        assert!(*end <= last && start <= end, "they overlap: {replacements:?}");
        new.replace_range(*start..*end, with);
        last = *start;
    }
    new
}

/// Every manifest that the tests have, in a directory of its own.
fn manifests() -> Result<(TempDir, Vec<String>), Failed> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let copy = TempDir::new()?;
    let mut names = Vec::new();
    for folder in ["cases", "check", "drivers", "rules"] {
        let mut open: Vec<PathBuf> = vec![tests.join(folder)];
        while let Some(next) = open.pop() {
            if next.is_dir() {
                open.extend(fs::read_dir(&next)?.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let is_manifest = next.extension().is_some_and(|ending| ending == "yaml" || ending == "json");
            let name = next.strip_prefix(&tests)?.to_string_lossy().replace('/', "+");
            if is_manifest && !name.contains("policies") && String::from_utf8(fs::read(&next)?).is_ok() {
                fs::copy(&next, copy.path().join(&name))?;
                names.push(name);
            }
        }
    }
    names.sort();
    assert!(names.len() > 300, "{}", names.len());
    Ok((copy, names))
}

/// Each fix alone, in a copy of its own, takes its finding away and leaves a file that
/// is read.
fn fixes_take_their_findings_away() -> Result<(), Failed> {
    let (folder, names) = manifests()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = log(folder.path(), &names);
    let uri = |result: &Value| {
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        uri.as_str().unwrap_or_default().replace("%2B", "+").replace("%7E", "~")
    };
    let key = |result: &Value| {
        let object = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].to_string();
        format!("{} {} {object}", result["ruleId"], result["message"]["text"])
    };
    let counts = |results: &[Value]| {
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for result in results {
            *counts.entry((uri(result), key(result))).or_default() += 1;
        }
        counts
    };
    let copies = TempDir::new()?;
    let mut tried: Vec<(String, &Value)> = Vec::new();
    for (index, result) in list(&run, "results").iter().enumerate() {
        let before = fs::read_to_string(folder.path().join(uri(result)))?;
        let text = before.trim_start_matches('\u{feff}');
        let own: BTreeSet<Replacement> = replacements(result, text).into_iter().collect();
        if !own.is_empty() {
            let name = format!("{index}~{}", uri(result));
            fs::write(copies.path().join(&name), apply(text, &own))?;
            tried.push((name, result));
        }
    }
    assert!(tried.len() > 400, "{}", tried.len());
    let files: Vec<&str> = tried.iter().map(|(name, _)| name.as_str()).collect();
    let left = log(copies.path(), &files);
    let (before, after) = (counts(list(&run, "results")), counts(list(&left, "results")));
    for (name, result) in &tried {
        let wanted = key(result);
        let stays = after.get(&(name.clone(), wanted.clone())).copied().unwrap_or_default();
        let was = before.get(&(uri(result), wanted.clone())).copied().unwrap_or_default();
        let text = fs::read_to_string(copies.path().join(name))?;
        assert!(stays < was, "{name}: {wanted}: {stays} of {was}\n{text}");
    }
    Ok(())
}

/// One fix alone makes a file that can be read, in which its finding is gone.
fn each_fix_takes_its_finding_away() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: é}\nprovisioner: nfs.csi.k8s.io\n";
    let mut tried = 0;
    for options in [
        "mountOptions: [hard, bg, intr, timeo=60s]\n",
        "mountOptions: [\n  'é', # é\n  \"hard,bg\", # two\n  intr # i\n]\n",
        "mountOptions: [ hard # h\n  , bg\n  , intr # i\n  ]\n",
        "mountOptions: [ # none\n]\n",
        "mountOptions:\n- intr # i\n- soft\n- hard,bg\n- nofail\n",
        "mountOptions:\r\n  - intr\r\n  - bg",
        "parameters: {mountOptions: bg}\n",
    ] {
        let text = format!("{head}{options}");
        let file = folder.path().join("a.yaml");
        fs::write(&file, &text)?;
        let run = log(folder.path(), &["a.yaml"]);
        let key = |result: &Value| (result["ruleId"].clone(), result["message"]["text"].clone());
        for result in list(&run, "results") {
            let own: BTreeSet<Replacement> = replacements(result, &text).into_iter().collect();
            if own.is_empty() {
                assert!(!matches!(result["ruleId"].as_str(), Some("NMG001" | "NMG002" | "NMG015")), "{text}");
                continue;
            }
            fs::write(&file, apply(&text, &own))?;
            let left = log(folder.path(), &["a.yaml"]);
            assert_eq!(left["invocations"][0]["executionSuccessful"], json!(true), "{own:?}\n{text}");
            let stays = list(&left, "results").iter().any(|found| key(found) == key(result));
            assert!(!stays, "{:?}\n{text}\n{}", key(result), fs::read_to_string(&file)?);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    Ok(())
}

fn files_are_relative() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let root = folder.path().canonicalize()?;
    let (inside, outside) = (root.join("repository/a b"), root.join("outside.yaml"));
    fs::create_dir_all(&inside)?;
    let bad = fs::read(super::fixture("bad.yaml"))?;
    fs::write(inside.join("é.yaml"), &bad)?;
    fs::write(&outside, &bad)?;
    let places = |run: &Value| -> Vec<Value> {
        let mut places: Vec<Value> = list(run, "results")
            .iter()
            .map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"].clone())
            .collect();
        places.dedup();
        places
    };
    let here = |uri: &str| json!({"uri": uri, "uriBaseId": "%SRCROOT%"});
    let base = |run: &Value| run["originalUriBaseIds"]["%SRCROOT%"]["uri"].clone();
    let uri = |path: &Path| format!("file://{}", path.display().to_string().replace(' ', "%20"));
    let run = log(&inside, &["./é.yaml"]);
    assert_eq!(places(&run), [here("%C3%A9.yaml")]);
    assert_eq!(base(&run), json!(uri(&inside) + "/"));
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(root.join("repository")).status()?;
    assert!(made.success());
    let absolute = inside.join("é.yaml").display().to_string();
    for file in ["./é.yaml", "é.yaml", "../a b/./é.yaml", &absolute] {
        let run = log(&inside, &[file]);
        assert_eq!(places(&run), [here("a%20b/%C3%A9.yaml")], "{file}");
        assert_eq!(base(&run), json!(uri(&root.join("repository")) + "/"));
    }
    assert_eq!(places(&log(&inside, &["../../outside.yaml"])), [json!({"uri": uri(&outside)})]);
    Ok(())
}
