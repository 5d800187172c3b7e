//! Growth: ten times the input takes about ten times the instructions, a square would take a hundred times.

use std::hint::black_box;

use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::engine::fix::Scope;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::manifest::Manifest;
use serde::Deserialize as _;
use serde_json::json;
use time::Date;
use time::macros::date;

const TODAY: Date = date!(2026 - 03 - 01);

/// The limit of the growth for ten times the input, in tenths: sorting and growing vectors take a little more
/// than ten times.
pub const MOST: u64 = 140;

/// The part that grows.
#[derive(Clone, Copy)]
enum Input {
    /// The number of elements, each with this text.
    Same(&'static str),
    /// The number of elements, each with this text and its number.
    Distinct(&'static str),
    /// The length of the one element, which repeats this text.
    Long(&'static str),
    /// The number of attributes that `fix` repairs.
    Attributes,
}

const ELEMENTS: [&str; 10] =
    ["bg", "hard", "harrd", "hard,bg", "sloppy", "timeo=1", "vers=3", "a b", "\"", ","];

const PIECES: [&str; 9] = ["a", "bg,", "\"bg,", " ", "\u{7f}", "=", ",", "é", "x=\"a,b\","];

/// Every input, and the size of which ten times is taken.
fn inputs() -> Vec<(Input, usize)> {
    let elements = ELEMENTS.iter().flat_map(|text| [(Input::Same(text), 500), (Input::Distinct(text), 500)]);
    let long = PIECES.iter().map(|piece| (Input::Long(piece), 20_000));
    elements.chain(long).chain([(Input::Attributes, 200)]).collect()
}

/// The names of the inputs, and their sizes.
pub fn names() -> Vec<(String, usize)> {
    let name = |input| match input {
        Input::Same(text) => format!("elements {text:?}"),
        Input::Distinct(text) => format!("elements {text:?} with numbers"),
        Input::Long(piece) => format!("an element of {piece:?}"),
        Input::Attributes => "attributes with bg, by fix".to_owned(),
    };
    inputs().into_iter().map(|(input, size)| (name(input), size)).collect()
}

/// The part that callgrind watches.
pub fn run(index: usize, size: usize) {
    let list = match inputs()[index].0 {
        Input::Same(text) => vec![text.to_owned(); size],
        Input::Distinct(text) => (0..size).map(|number| format!("{text}{number}")).collect(),
        Input::Long(piece) => vec![piece.repeat(size / piece.len())],
        Input::Attributes => return fix(size),
    };
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": list,
    })
    .to_string();
    let policy = Policy::default();
    let mut deserializer = serde_json::Deserializer::from_str(&object);
    let manifest = Manifest::deserialize(&mut deserializer).expect("a class");
    let subject = Subject::new(&manifest, policy.drivers()).expect("a subject");
    assert!(!black_box(evaluate(&policy, &subject, TODAY)).findings.is_empty());
}

fn fix(attributes: usize) {
    let attributes: String =
        (0..attributes).map(|number| format!("      k{number}/mountOptions: bg\n")).collect();
    let text = format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  csi:\n    driver: \
         unknown.example.com\n    volumeAttributes:\n{attributes}"
    );
    let repaired = black_box(repair(&Policy::default(), TODAY, Scope::FILE, &text, &|_| true));
    assert!(attributes.is_empty() || repaired.text == Some(text.replace(": bg", ": fg")));
}
