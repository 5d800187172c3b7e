//! The memory of `check` for a large input, beside that for a small one: what the program maps is
//! counted to the page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::component::program;

/// Objects of a large input.
const MANY: usize = 3_000;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("memory::a_large_yaml_list_takes_five_times_its_text", yaml_list),
        Trial::test("memory::a_json_report_is_not_held_as_text", json_report),
    ]
}

/// Returns true if `check` judges so many objects of a file within so much memory.
fn judges_within(kibibytes: u64, file: &Path, format: &str, judged: usize) -> bool {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v \"$3\" && exec \"$0\" check --no-policy --format text=/dev/stderr --format \"$2\" \"$1\""])
        // A backtrace takes memory, too, and waits for itself where there is none left.
        .env("RUST_BACKTRACE", "0")
        // One heap, of which what is requested is mapped and little else.
        .env("MALLOC_ARENA_MAX", "1")
        .arg(program())
        .arg(file)
        .arg(format)
        .arg(kibibytes.to_string())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(0) && said.contains(&format!(" {judged} judged"))
}

/// The memory that `check` needs for one object, in KiB.
fn for_one(file: &Path, format: &str) -> u64 {
    let (mut too_little, mut enough) = (1_000, 1_000_000);
    assert!(judges_within(enough, file, format, 1), "{}", file.display());
    while enough - too_little > 100 {
        let middle = u64::midpoint(enough, too_little);
        if judges_within(middle, file, format, 1) { enough = middle } else { too_little = middle }
    }
    enough
}

/// All values of a List at once would take nine times its text.
fn yaml_list() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("list.yaml");
    let list = |count: usize| {
        (0..count).fold("apiVersion: v1\nkind: List\nitems:\n".to_owned(), |mut text, index| {
            let _ = write!(
                text,
                "- apiVersion: storage.k8s.io/v1\n  kind: StorageClass\n  metadata:\n    name: class-{index}\n    \
                 labels:\n      app.kubernetes.io/name: storage\n      app.kubernetes.io/part-of: platform\n    \
                 annotations:\n      storageclass.kubernetes.io/is-default-class: \"false\"\n      description: \
                 shares of team {index} on the filer\n  provisioner: nfs.csi.k8s.io\n  parameters:\n    server: \
                 filer-{index}.example.com\n    share: /export/team-{index}\n  reclaimPolicy: Retain\n  \
                 mountOptions:\n  - nfsvers=4.1\n  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n"
            );
            text
        })
    };
    fs::write(&file, list(1))?;
    let enough = for_one(&file, "concise");
    let text = list(MANY);
    fs::write(&file, &text)?;
    let most = enough + 5 * text.len() as u64 / 1024;
    assert!(
        judges_within(most, &file, "concise", MANY),
        "one object takes {enough} KiB, {MANY} more than {most}"
    );
    Ok(())
}

/// The text of a report would take several times the memory of the objects in it.
fn json_report() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("list.json");
    let volume = |index: usize| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("volume-{index}")},
            "spec": {
                "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": format!("handle-{index}"),
                    "volumeAttributes": {"server": "filer.example.com", "share": format!("/export/{index}")}},
                "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"],
            },
        })
    };
    let list = |count: usize| {
        json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(volume).collect::<Vec<Value>>()})
            .to_string()
    };
    fs::write(&file, list(MANY))?;
    let (mut too_little, mut enough) = (1_000, 1_000_000);
    while enough - too_little > 100 {
        let middle = u64::midpoint(enough, too_little);
        if judges_within(middle, &file, "concise", MANY) { enough = middle } else { too_little = middle }
    }
    // Half of what the text of the report takes.
    let most = enough + 500;
    assert!(
        judges_within(most, &file, "json", MANY),
        "as lines it takes {enough} KiB, as JSON more than {most}"
    );
    Ok(())
}
