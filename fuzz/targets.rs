//! Properties that hold for any bytes, one function for each fuzz target. The fuzzer calls them
//! with what it makes up, and `cargo test` with the corpus beside this file.

use std::fmt::Debug;

use base64::Engine as _;
use nfs_mount_guard::admission::wire::FullReview;
use nfs_mount_guard::admission::{Endpoint, Question, review as decide};
use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::fix::{Scope, fix_all};
use nfs_mount_guard::nfs::acceptance::judge;
use nfs_mount_guard::nfs::option::{MountOption, split as pieces_of};
use nfs_mount_guard::nfs::reading::{
    Latitude, Reader, background_word, every_piece, foreground_instead, may_go_to_background,
};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use nfs_mount_guard::source::text::Lines;
use nfs_mount_guard::source::{Item, visit};
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::Nfs;
use nfs_mount_guard::subject::manifest::Manifest;
use nfs_mount_guard_json::read;
use serde_json::{Value, json};
use time::Date;
use time::macros::date;

const TODAY: Date = date!(2026 - 03 - 01);

/// A target's body.
pub type Target = fn(&[u8]);

/// All targets by name; the directory of the corpus has the same one.
#[allow(dead_code, reason = "the test of the corpus goes through all, a fuzzer calls one")]
pub const TARGETS: [(&str, Target); 8] = [
    ("split", split),
    ("readings", readings),
    ("effective", effective),
    ("review", review),
    ("json", json),
    ("patch", patch),
    ("policy", policy),
    ("yaml", yaml),
];

/// The tokenizer: whatever is split joins to the same text, every piece lies
/// where it says, and an option is its keyword and value.
pub fn split(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pieces: Vec<_> = pieces_of(text).collect();
    let joined: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
    assert_eq!(joined.join(","), text);
    for piece in &pieces {
        assert_eq!(text.get(piece.range.clone()), Some(piece.text));
        let option = MountOption::new(piece.text);
        match option.value() {
            Some(value) => assert_eq!(format!("{}={value}", option.keyword()), piece.text),
            None => assert_eq!(option.keyword(), piece.text),
        }
        let _ = judge(&option);
    }
}

/// The layers' readings of one string: none finds an option that does not begin
/// after a comma, and what goes to the background by one of them is found.
pub fn readings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pieces: Vec<_> = every_piece(text).collect();
    for reader in Reader::MOUNTS.into_iter().chain([Reader::MountNfs, Reader::Kernel]) {
        for option in reader.options(text) {
            let start = option.as_ptr() as usize - text.as_ptr() as usize;
            assert!(pieces.iter().any(|piece| piece.range.start == start), "{reader:?}: {option:?}");
        }
    }
    let is_background =
        |piece: &str| background_word(piece, Latitude { folds: false, trims: false }).is_some();
    assert!(!may_go_to_background(text) || pieces.iter().any(|piece| is_background(piece.text)), "{text:?}");
    for piece in pieces.iter().filter(|piece| is_background(piece.text)) {
        let instead = foreground_instead(piece.text, text);
        assert!(!is_background(&instead) && !instead.contains(','), "{instead:?}");
        let quotes = |text: &str| text.matches('"').count() % 2;
        assert!(quotes(&instead) == quotes(piece.text), "{instead:?}");
    }
}

/// Effective options and fixes: the first line is the driver, the others are
/// elements. Fixing twice is fixing once.
pub fn effective(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let driver = lines.next().unwrap_or_default();
    let list: Vec<&str> = lines.collect();
    let spec = if driver.is_empty() {
        json!({"nfs": {"server": "a", "path": "/"}, "mountOptions": list})
    } else {
        json!({"csi": {"driver": driver, "volumeAttributes": {"mountOptions": list.join(",")}}, "mountOptions": list})
    };
    let json = json!({"kind": "PersistentVolume", "spec": spec}).to_string();
    let manifest: Manifest<'_> = serde_json::from_str(&json).expect("a volume");
    let policy = Policy::default();
    let subject = Subject::new(&manifest, &[]).expect("a volume");
    let once = fix_all(&policy, &subject, TODAY, Scope::FILE);
    let fixed = subject.with_elements(&once);
    assert_eq!(fix_all(&policy, &fixed, TODAY, Scope::FILE), once);
}

/// AdmissionReviews: any bytes get an answer.
pub fn review(bytes: &[u8]) {
    for endpoint in [Endpoint::Validate, Endpoint::Mutate] {
        let (status, answer) = ask(endpoint, bytes);
        match status {
            200 => assert!(answer["response"]["uid"].is_string(), "{answer}"),
            400 => {}
            other => panic!("{other}"),
        }
        assert!(endpoint == Endpoint::Validate || status != 200 || answer["response"]["allowed"] == true);
    }
}

/// The quick reader of reviews: what it takes, serde_json takes with the same
/// result.
pub fn json(bytes: &[u8]) {
    agrees::<serde::de::IgnoredAny>(bytes);
    agrees::<Manifest<'_>>(bytes);
    agrees::<FullReview<'_>>(bytes);
}

/// Patches: the first line is the driver, the second the annotation, the others
/// are elements. A patch applies, nothing is left to patch after it, nothing in
/// the places it may change is `bg` by any reading, and what was let through
/// before is let through after it.
pub fn patch(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let (driver, annotation) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let list: Vec<&str> = lines.collect();
    let metadata = match annotation {
        "" => json!({"name": "a"}),
        text => json!({"name": "a", "annotations": {"volume.beta.kubernetes.io/mount-options": text}}),
    };
    let volume = |source: Value| {
        let mut spec = source;
        spec["mountOptions"] = json!(list);
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})
    };
    for object in [
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata,
            "provisioner": driver, "mountOptions": list}),
        volume(json!({"nfs": {"server": "a", "path": "/"}})),
        volume(json!({"csi": {"driver": driver, "volumeHandle": "a"}})),
    ] {
        let mut changed = object.clone();
        if let Some(patch) = patch_of(&object) {
            json_patch::patch(&mut changed, &patch).expect("it applies");
            assert_ne!(changed, object);
        }
        assert!(patch_of(&changed).is_none(), "{object} became {changed}");
        assert!(is_without_bg(&changed), "{object} became {changed}");
        assert!(!passes(&object) || passes(&changed), "{object} became {changed}");
    }
}

/// Returns true if no text between two commas of the places that a patch may change is `bg` without
/// quotes and backslashes; of an object that is judged.
fn is_without_bg(object: &Value) -> bool {
    let text = object.to_string();
    let manifest: Manifest<'_> = serde_json::from_str(&text).expect("an object");
    let subject = Subject::new(&manifest, &[]).expect("a subject");
    if subject.nfs == Nfs::No || subject.overlong.is_some() {
        return true;
    }
    let carriers = subject.carriers.iter().filter(|carrier| carrier.place.is_patchable());
    carriers
        .flat_map(|carrier| &carrier.elements)
        .flat_map(|element| element.split(','))
        .all(|piece| piece.split('=').next().unwrap_or_default().replace(['"', '\'', '\\'], "") != "bg")
}

/// Policy files: what is read and written again is read as the same.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(policy) = policy_file::parse(text, "policy") {
        let written = policy_file::write::yaml(&policy);
        let again = policy_file::parse(&written, "policy").expect("what is written can be read");
        assert_eq!(policy_file::write::yaml(&again), written);
    }
}

/// Manifests: every place lies in the text, and what is repaired stays so.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines = Lines::new(text);
    visit(text, &lines, &mut |item| {
        if let Item::Unreadable(problem) = item {
            let offset = problem.offset.unwrap_or_default();
            assert!(offset <= text.len(), "{problem:?}");
            lines.position(offset);
        }
    });
    let policy = Policy::default();
    let repaired = repair(&policy, TODAY, Scope::FILE, text, &|_| true);
    if let Some(new) = repaired.text {
        let again = repair(&policy, TODAY, Scope::FILE, &new, &|_| true);
        assert_eq!(again.text, None, "{text:?} became {new:?}");
    }
}

fn agrees<'de, T: serde::Deserialize<'de> + Debug>(text: &'de [u8]) {
    if let Some(quick) = read::<T>(text) {
        let slow = serde_json::from_slice::<T>(text).expect("the library takes it as well");
        assert_eq!(format!("{quick:?}"), format!("{slow:?}"));
    }
}

fn ask(endpoint: Endpoint, body: &[u8]) -> (u16, Value) {
    let policy = Policy::default();
    let answer = decide(&Question { endpoint, body, policy: &policy, today: TODAY }, &mut |_| {});
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn created(endpoint: Endpoint, object: &Value) -> Value {
    let group = if object["kind"] == "StorageClass" { "storage.k8s.io" } else { "" };
    let request = json!({"uid": "a", "operation": "CREATE", "object": object,
        "kind": {"group": group, "version": "v1", "kind": object["kind"]}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    ask(endpoint, review.to_string().as_bytes()).1["response"].take()
}

fn passes(object: &Value) -> bool {
    created(Endpoint::Validate, object)["allowed"] == true
}

fn patch_of(object: &Value) -> Option<json_patch::Patch> {
    let response = created(Endpoint::Mutate, object);
    let text = response["patch"].as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    Some(serde_json::from_slice(&bytes).expect("a JSON patch"))
}
