//! Subjects the program to faults, one file for each row, and checks its goals. Each runs in two
//! sizes: in seconds among the tests of every run, and in full for the page.
//!
//! A new row is a file here and an entry in [`ROWS`].

mod authority;
mod bombs;
mod callers;
mod certificates;
mod dear;
mod flood;
mod growth;
mod kill;
mod large;
mod plain;
mod policy;
mod probes;
mod silent;
mod stop;
mod unread;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::component::{Missing, program};
use crate::install::{Turn, turn_with_low_ports};
use crate::load::{Call, Tally};
use crate::objects::class;

/// The size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Seconds: whether it works at all.
    Quick,
    /// Minutes: the figures.
    Full,
}

impl Size {
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub reach: &'static str,
    pub run: Run,
}

/// The way in which it runs.
#[derive(Clone, Copy)]
pub enum Run {
    /// With servers that the row starts.
    Alone(fn(Size) -> Figure),
    /// At the real API server.
    AtTheApiServer(fn(&Turn, Size) -> Figure),
}

impl Run {
    /// Does it.
    pub fn run(self, size: Size) -> Result<Figure, Missing> {
        match self {
            Self::Alone(run) => Ok(run(size)),
            Self::AtTheApiServer(run) => Ok(run(&turn_with_low_ports()?, size)),
        }
    }
}

/// An observation.
#[derive(Debug)]
pub struct Figure {
    pub seen: String,
    /// The deviations from the goals.
    pub problems: Vec<String>,
}

impl Figure {
    pub fn is_reached(&self) -> bool {
        self.problems.is_empty()
    }
}

/// All rows, in the order of the page.
pub const ROWS: &[Row] = &[
    certificates::ROW,
    authority::CHANGE,
    authority::OUTAGE,
    stop::ROW,
    kill::ROW,
    silent::ROW,
    flood::ROW,
    unread::ROW,
    dear::ROW,
    probes::ROW,
    large::ROW,
    bombs::ROW,
    policy::ROW,
    callers::ROW,
    plain::ROW,
    growth::ROW,
];

/// Collects what is not as it should be.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<String>);

impl Problems {
    pub fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    /// Calls that must all be answered, and at least so many.
    pub fn of_calls(&mut self, tally: &Tally, least: u64) {
        self.unless(tally.failures.is_empty(), || format!("failed calls: {:?}", tally.reasons()));
        self.unless(tally.calls >= least, || format!("only {} calls", tally.calls));
    }
}

/// A review of `object` whose uid is put in later. The uid stands before the
/// object, as an API server writes it.
pub fn call(path: &'static str, object: &Value, wanted: &'static str) -> Call {
    let before = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":""#;
    let rest = json!({
        "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
        "resource": {"group": "storage.k8s.io", "version": "v1", "resource": "storageclasses"},
        "operation": "CREATE",
        "name": object["metadata"]["name"],
        "userInfo": {"username": "tester", "groups": ["system:authenticated"]},
        "object": object,
    })
    .to_string();
    let behind = format!("\",{}}}", rest.trim_start_matches('{'));
    Call { path, body: (Bytes::from(before), Bytes::from(behind)), wanted }
}

/// Returns the calls of an API server: both endpoints, for a class that is refused and for one that
/// passes.
pub fn usual_calls() -> Vec<Call> {
    let bad = class("bad", "nfs.csi.k8s.io", &["bg", "nfsvers=4.1"]);
    let good = class("good", "nfs.csi.k8s.io", &["fg", "timeo=600", "retrans=2", "nfsvers=4.1"]);
    vec![
        call("/mutate?timeout=3s", &bad, "\"patchType\":\"JSONPatch\""),
        call("/validate?timeout=3s", &bad, "\"allowed\":false"),
        call("/mutate?timeout=3s", &good, "\"allowed\":true"),
        call("/validate?timeout=3s", &good, "\"allowed\":true"),
    ]
}

/// Makes an authority and a certificate in `folder`, or a new certificate of the
/// same authority.
pub fn make_certificates(folder: &Path) {
    let made = Command::new(program())
        .args(["certs", "generate", "--dns", "localhost,127.0.0.1", "--dir"])
        .arg(folder)
        .output()
        .expect("the program runs");
    assert!(made.status.success(), "{made:?}");
}

/// Puts files where kubelet would: in a directory that the link `..data` names,
/// with links to them beside it. The directory before last goes.
pub fn publish(volume: &Path, version: usize, files: &[(&str, &[u8])]) {
    let name = |version: usize| format!("..{version}");
    let data = volume.join(name(version));
    fs::create_dir_all(&data).expect("a folder");
    for (file, content) in files {
        fs::write(data.join(file), content).expect("written");
        if !volume.join(file).is_symlink() {
            symlink(format!("..data/{file}"), volume.join(file)).expect("a link");
        }
    }
    symlink(name(version), volume.join("..data_tmp")).expect("a link");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("a swap");
    if let Some(former) = version.checked_sub(1) {
        let _ = fs::remove_dir_all(volume.join(name(former)));
    }
}
