//! `check` beside kubectl's own reader: what both read they read alike, and
//! what kubectl reads `check` reads or refuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nfs_mount_guard::check::Checker;
use nfs_mount_guard::engine::judge::Endpoint;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::FileReport;
use nfs_mount_guard::source::text::{self, Lines};
use nfs_mount_guard::source::{Item, Skip, visit};
use serde_json::{Value, json};

use crate::generator;

/// The counters of the comparison.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Files.
    pub files: usize,
    /// Those in which both find an object that is judged, and see no fault.
    pub both: usize,
    /// Those that only `check` refuses, though kubectl finds such an object.
    pub refused: usize,
}

/// Compares the files of so many numbers. Gives the differences, and what was
/// compared.
pub fn compare_generated(reader: &Path, seeds: std::ops::Range<u64>) -> (Vec<String>, Counts) {
    let files = seeds.map(|seed| (format!("number {seed}"), generator::file(seed)));
    compare(reader, files.collect())
}

/// Compares files, each with its name.
pub fn compare(reader: &Path, files: Vec<(String, Vec<u8>)>) -> (Vec<String>, Counts) {
    let mut child = Command::new(reader)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl's reader runs");
    let mut input = child.stdin.take().expect("a pipe");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut counts = Counts::default();
    let mut differences = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (_, file) in &files {
                let length = u32::try_from(file.len()).expect("a short file");
                input.write_all(&length.to_be_bytes()).expect("it reads");
                input.write_all(file).expect("it reads");
            }
            drop(input);
        });
        for ((name, file), line) in files.iter().zip(output.lines()) {
            let answer: Value = serde_json::from_str(&line.expect("a line")).expect("an answer");
            counts.files += 1;
            if let Err(difference) = compare_one(file, &answer, &mut counts) {
                let text = String::from_utf8_lossy(file);
                differences.push(format!("{name}: {difference}\n{text:?}\n{text}\nkubectl: {answer}"));
            }
        }
    });
    assert!(child.wait().expect("it ends").success());
    assert_eq!(counts.files, files.len(), "kubectl's reader has answered every file");
    (differences, counts)
}

fn compare_one(file: &[u8], answer: &Value, counts: &mut Counts) -> Result<(), String> {
    let theirs: Vec<Value> = answer["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .filter(|object| is_judged(object))
        .map(essence)
        .collect();
    let fails = answer["error"].is_string();
    let ours = ours(file);
    if theirs.is_empty() && ours.as_ref().is_ok_and(Vec::is_empty) {
        return Ok(());
    }
    in_a_walk(file, &theirs)?;
    let Ok(ours) = ours else {
        counts.refused += usize::from(!fails);
        return Ok(());
    };
    if fails {
        let mut rest = ours.iter();
        return match theirs.iter().find(|object| !rest.any(|own| own == *object)) {
            Some(missing) => Err(format!("kubectl reads {missing} before it fails, check reads {ours:?}")),
            None => Ok(()),
        };
    }
    counts.both += 1;
    if ours == theirs { Ok(()) } else { Err(format!("check reads {}", json!(ours))) }
}

/// Returns true if kubectl's object is of a kind that is judged.
fn is_judged(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match object["kind"].as_str() {
        Some("StorageClass") => version.is_empty() || group == "storage.k8s.io",
        Some("PersistentVolume") => group.is_empty(),
        _ => false,
    }
}

/// Returns the fields of an object that decide how it is mounted, without numbers. Other fields are
/// not read, so that they may contain a line break in quotes, or a key that is no text.
fn essence(object: &Value) -> Value {
    let annotations = &object["metadata"]["annotations"];
    let spec = &object["spec"];
    without_numbers(json!({
        "kind": object["kind"],
        "name": object["metadata"]["name"],
        "annotation": annotations["volume.beta.kubernetes.io/mount-options"],
        "provisionedBy": annotations["pv.kubernetes.io/provisioned-by"],
        "provisioner": object["provisioner"],
        "parameters": object["parameters"],
        "mountOptions": object["mountOptions"],
        "volumeOptions": spec["mountOptions"],
        "nfs": spec["nfs"],
        "driver": spec["csi"]["driver"],
        "attributes": spec["csi"]["volumeAttributes"],
    }))
}

fn without_numbers(value: Value) -> Value {
    match value {
        Value::Number(_) => json!("<number>"),
        Value::Array(items) => items.into_iter().map(without_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, without_numbers(value))).collect(),
        other => other,
    }
}

/// The objects that `check` judges, or that it refuses the file.
fn ours(file: &[u8]) -> Result<Vec<Value>, ()> {
    let (text, _) = text::decode(file.to_vec()).map_err(drop)?;
    let lines = Lines::new(&text);
    let mut objects = Ok(Vec::new());
    visit(&text, &lines, &mut |item| match item {
        Item::Unreadable(_) => objects = Err(()),
        Item::Object(object) => {
            let mut value = object.value().expect("an object that was read");
            value["kind"] = json!(object.kind.as_str());
            if let Ok(objects) = &mut objects {
                objects.push(essence(&value));
            }
        }
        Item::Skipped(_)
        | Item::Unjudged(_)
        | Item::Beside(_)
        | Item::Pod(_)
        | Item::UnreadablePod
        | Item::Claim(_) => {}
    });
    objects
}

/// Checks that each object that kubectl finds in a file of a directory is evaluated or reported.
fn in_a_walk(file: &[u8], theirs: &[Value]) -> Result<(), String> {
    let policy = Policy::default();
    let check = Checker {
        policy: &policy,
        judged_as: Endpoint::Validate,
        today: time::macros::date!(2026 - 03 - 01),
        with_fixes: false,
        marks_unfixed: false,
        joins_inputs: false,
    };
    let report: FileReport = check.bytes(Path::new("file.yaml"), "file.yaml", file.to_vec(), false);
    let partial: usize = report
        .skipped
        .iter()
        // A partial manifest with options is named.
        .filter(|(reason, _)| matches!(reason, Skip::Partial | Skip::HoldsOptions))
        .map(|(_, count)| *count)
        .sum();
    if !report.errors.is_empty() || report.subjects.len() + partial >= theirs.len() {
        return Ok(());
    }
    Err(format!("passed over in a walk: {:?}", report.skipped))
}

/// kubectl knows nothing of the object in a recorded review.
fn is_review(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .is_ok_and(|text| text.contains("AdmissionReview") && text.contains("\"request\""))
}

/// The files that are kept: attacks, and what the fuzzers of YAML came upon.
pub fn kept() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/reading/files", "tests/check", "fuzz/corpus/yaml", "fuzz/regressions/yaml"];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && !is_review(path))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("a file")))
        .collect()
}
