//! The driver table against what real drivers passed to mount: one row of
//! `tests/driver-truth/rows.tsv` a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use nfs_mount_guard::engine::decide::Decision;
use nfs_mount_guard::engine::{Evaluation, evaluate};
use nfs_mount_guard::finding::{Action, Severity};
use nfs_mount_guard::nfs::option::{MountOption, split};
use nfs_mount_guard::nfs::settings::Settings;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::source::text::Lines;
use nfs_mount_guard::source::{Item, visit};
use serde_json::{Map, Value, json};

use crate::fixture::{TODAY, is_named, judge, mutate, path};

/// One recorded call.
#[derive(Debug, Clone)]
struct Row {
    driver: String,
    call: String,
    mount_flags: Vec<String>,
    volume_context: Map<String, Value>,
    readonly: bool,
    access_mode: String,
    options: String,
    helper_options: String,
    error: String,
    note: String,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(path("driver-truth/rows.tsv")).expect("the rows");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a head").split('\t').collect();
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), names.len(), "{line}");
            let field =
                |name: &str| fields[names.iter().position(|found| *found == name).expect(name)].to_owned();
            let context = field("volume_context");
            Row {
                driver: field("driver"),
                call: field("call"),
                mount_flags: serde_json::from_str(&field("mount_flags")).expect("a list"),
                volume_context: if context.is_empty() {
                    Map::new()
                } else {
                    serde_json::from_str(&context).expect("a map")
                },
                readonly: field("readonly") == "true",
                access_mode: field("access_mode"),
                options: field("options"),
                helper_options: field("helper_options"),
                error: field("error"),
                note: field("note"),
            }
        })
        .collect()
}

impl Row {
    /// The row as it is named in `exceptions.tsv`.
    fn key(&self) -> String {
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            self.driver,
            json!(self.mount_flags),
            Value::Object(self.volume_context.clone()),
            self.readonly,
            self.access_mode,
            self.note
        )
    }

    fn is_refused(&self) -> bool {
        !self.error.is_empty() || self.helper_options.starts_with("refused")
    }

    fn is_provisioner(&self) -> bool {
        self.call == "provision"
    }

    /// Returns the reason why nothing can be compared; `None` where it can.
    fn why_not_comparable(&self) -> Option<&'static str> {
        let note = &self.note;
        if self.is_refused() {
            Some("the driver or its mount program refused it")
        } else if self.options.split(',').any(|option| option == "bind")
            || self.options.starts_with("bind")
            || note.contains("bind mount")
        {
            Some("a bind mount of what was staged")
        } else if self.volume_context.contains_key("csi.storage.k8s.io/ephemeral") {
            Some("an inline volume")
        } else if note.contains("namespace") {
            Some("a network namespace of the cluster")
        } else if self.call == "create" {
            Some("a mount of the controller's own")
        } else if self.options.contains("nos3readcache") && self.helper_options.is_empty() {
            Some("what mount.s3files made of it was not recorded")
        } else if self.mount_flags.iter().any(|flag| flag == "bind") {
            Some("a bind mount asked for in the list")
        } else {
            None
        }
    }

    /// The object that stands for the call, with `list` as its mountOptions.
    fn object(&self, list: &[String]) -> Value {
        if self.is_provisioner() {
            let provisioner = match self.driver.as_str() {
                "ganesha" => "example.com/nfs",
                _ => "k8s-sigs.io/nfs-subdir-external-provisioner",
            };
            let mut class = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
                "provisioner": provisioner, "parameters": self.volume_context,
            });
            // A class without the field, as the call had none.
            if !list.is_empty() {
                class["mountOptions"] = json!(list);
            }
            return class;
        }
        let mode = match self.access_mode.as_str() {
            "SINGLE_NODE_WRITER" => "ReadWriteOnce",
            // The kubelet requests the second one only; drivers treat both alike.
            "SINGLE_NODE_READER_ONLY" | "MULTI_NODE_READER_ONLY" => "ReadOnlyMany",
            _ => "ReadWriteMany",
        };
        let mut volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
            "spec": {"accessModes": [mode], "mountOptions": list},
        });
        if self.call == "setup" {
            volume["spec"]["nfs"] = json!({"server": "10.0.0.9", "path": "/exp", "readOnly": self.readonly});
            volume["metadata"]["annotations"] = Value::Object(self.volume_context.clone());
            return volume;
        }
        let mut attributes = self.volume_context.clone();
        attributes.retain(|key, _| !key.starts_with("csi.storage.k8s.io/"));
        if self.driver == "csi.trident.netapp.io" {
            attributes.insert("protocol".into(), "file".into());
        }
        let handle = match self.note.as_str() {
            note if note.contains("S3 Files") => "s3files:fs-0123abcd",
            note if note.contains("access point in volumeHandle") => "fs-0123abcd::fsap-0123456789abcdef0",
            _ => "fs-0123abcd",
        };
        volume["spec"]["csi"] = json!({
            "driver": self.driver, "volumeHandle": handle, "volumeAttributes": attributes,
            "readOnly": self.readonly,
        });
        volume
    }

    /// The string that reached mount.nfs, as far as the object can tell it.
    fn expected(&self) -> String {
        if self.is_provisioner() {
            return self.provisioned();
        }
        let text = if self.helper_options.is_empty() { &self.options } else { &self.helper_options };
        let mut options: Vec<&str> =
            split(text).map(|piece| piece.text).filter(|text| !text.is_empty()).collect();
        if !self.helper_options.is_empty() {
            // mount(8) writes rw first for a helper, and the tunnel's port is chosen when it starts.
            options.retain(|option| *option != "port=20049");
            if options.first() == Some(&"rw") && !self.mount_flags.iter().any(|flag| flag == "rw") {
                options.remove(0);
            }
        }
        // The claim says whether it is read-only, and the address is that of a Service made later.
        let is_written = |word: &str| self.mount_flags.iter().any(|flag| flag == word);
        options.retain(|option| !option.starts_with("addr="));
        if self.is_claims() {
            // A ro of the list stays, one.
            let keep = usize::from(is_written("ro"));
            let mut seen = 0;
            options.retain(|option| {
                seen += usize::from(*option == "ro");
                *option != "ro" || seen <= keep
            });
        }
        options.join(",")
    }

    /// Returns true if `ro` comes from the claim, which a CSI volume does not show.
    fn is_claims(&self) -> bool {
        self.readonly && self.call != "setup"
    }

    /// Returns the kubelet's mount of the volume that the provisioner wrote.
    fn provisioned(&self) -> String {
        let rest = self.options.strip_prefix("PV.spec.mountOptions=").expect("what a provisioner wrote");
        let (list, annotations) = match rest.split_once(" annotation=") {
            Some((list, annotations)) => (list, annotations),
            None => (rest, "{}"),
        };
        let list: Value = serde_json::from_str(list).expect("a list");
        let annotations: Value = serde_json::from_str(annotations).expect("a map");
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a", "annotations": annotations},
            "spec": {"accessModes": ["ReadWriteMany"], "mountOptions": list, "nfs": {"server": "a", "path": "/"}},
        });
        judge(&volume.to_string(), &Policy::default(), |subject, _| subject.effective())
    }

    /// Returns the effective options by the table.
    fn effective(&self) -> String {
        let effective =
            judge(&self.object(&self.mount_flags).to_string(), &Policy::default(), |subject, _| {
                subject.effective()
            });
        let is_written = |word: &str| {
            self.mount_flags.iter().any(|flag| flag == word)
                || self.volume_context.values().any(|value| value == word)
        };
        let drops_rw = self.is_claims() && !is_written("rw");
        let is_helpers = !self.helper_options.is_empty();
        split(&effective)
            .map(|piece| piece.text)
            .filter(|text| !text.is_empty())
            // Drivers that append rw append ro for a claim that only reads.
            .filter(|text| !(drops_rw && *text == "rw"))
            // mount(8) keeps these from a helper, context= where the host has no SELinux.
            .filter(|text| !(is_helpers && (text.starts_with("context=") || text.starts_with("x-"))))
            .collect::<Vec<_>>()
            .join(",")
    }
}

fn winners(text: &str) -> Settings {
    let options: Vec<MountOption<'_>> = split(text).map(|piece| MountOption::new(piece.text)).collect();
    Settings::of(&options)
}

fn sorted(text: &str) -> Vec<&str> {
    let mut options: Vec<&str> = split(text).map(|piece| piece.text).collect();
    options.sort_unstable();
    options
}

/// Exceptions, each with its reason.
fn exceptions() -> BTreeMap<String, String> {
    let text = fs::read_to_string(path("driver-truth/exceptions.tsv")).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (key, reason) = line.rsplit_once('\t').expect("a reason");
            (key.to_owned(), reason.to_owned())
        })
        .collect()
}

#[test]
fn the_table_says_what_real_drivers_pass_to_mount() {
    let exceptions = exceptions();
    let mut used = 0;
    let mut wrong = String::new();
    let (mut compared, mut equal, mut same_winners) = (0, 0, 0);
    for row in rows().iter().filter(|row| row.why_not_comparable().is_none()) {
        compared += 1;
        let (expected, effective) = (row.expected(), row.effective());
        if expected == effective {
            equal += 1;
        } else if sorted(&expected) == sorted(&effective) && winners(&expected) == winners(&effective) {
            same_winners += 1;
        } else if exceptions.contains_key(&row.key()) {
            used += 1;
        } else {
            let _ = writeln!(wrong, "{}\n  mount got  {expected}\n  the table  {effective}", row.key());
        }
    }
    #[allow(clippy::print_stderr, reason = "the figures that the README of the table names")]
    {
        eprintln!(
            "{compared} compared, {equal} equal, {same_winners} with the same winners, {used} exceptions"
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(used, exceptions.len(), "an exception that is none any more");
    assert!((equal + same_winners) * 100 >= compared * 99, "{compared} {equal} {same_winners}");
    assert!(compared > 2000, "{compared}");
}

/// Drivers whose row has a `ro` for inline volumes, and that were called for a read-only one
/// without a list.
const INLINE_DRIVERS: [&str; 3] =
    ["nfs.csi.k8s.io", "nasplugin.csi.alibabacloud.com", "com.tencent.cloud.csi.cfs"];

/// An inline volume has no list, and the kubelet hands on its `readOnly`.
#[test]
fn a_read_only_inline_volume_gets_the_ro_that_its_driver_added() {
    let mut drivers = BTreeSet::new();
    for row in rows().iter().filter(|row| row.readonly && row.mount_flags.is_empty()) {
        if !INLINE_DRIVERS.contains(&row.driver.as_str()) {
            continue;
        }
        let mut csi = row.object(&[])["spec"]["csi"].clone();
        csi.as_object_mut().expect("a source").remove("volumeHandle");
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"},
            "spec": {"volumes": [{"name": "v", "csi": csi}]},
        });
        let (text, policy) = (object.to_string(), Policy::default());
        visit(&text, &Lines::new(&text), &mut |item| match item {
            Item::Object(object) => {
                let subject = object.parts[0].subject(&object, &policy);
                assert_eq!(subject.effective(), row.options, "{text}");
                drivers.insert(row.driver.clone());
            }
            other => panic!("{text}: {other:?}"),
        });
    }
    assert_eq!(drivers.len(), INLINE_DRIVERS.len(), "{drivers:?}");
}

/// Every option that reaches mount before the webhook's patch reaches it after.
#[test]
fn the_patch_takes_no_option_of_a_real_driver_out_of_force() {
    for row in rows().iter().filter(|row| row.why_not_comparable().is_none()) {
        let policy = Policy::default();
        let object = row.object(&row.mount_flags);
        judge(&object.to_string(), &policy, |subject, evaluation| {
            let Decision::Patch(elements) = mutate(&policy, subject) else {
                return;
            };
            let after = subject.with_elements(&elements);
            let after: Vec<&str> = after.options.effective().map(|token| token.option.text()).collect();
            for token in subject.options.effective().filter(|token| !token.is_drivers_own) {
                let text = token.option.text();
                let is_kept = after.contains(&text) || is_named(evaluation, token.site.as_ref());
                assert!(is_kept, "{text} is lost: {object}: {after:?}");
            }
            // A list that could be mounted before can be mounted after.
            let cannot = |evaluation: &Evaluation| {
                evaluation
                    .findings
                    .iter()
                    .filter(|judged| judged.finding.severity == Severity::CannotMount)
                    .count()
            };
            let patched = subject.with_elements(&elements);
            assert!(cannot(&evaluate(&policy, &patched, TODAY)) <= cannot(evaluation), "{object}");
        });
    }
}

/// Faults that no object shows and that make a call fail: a part of the error or the note.
const NOT_SHOWN: &[&str] = &[
    // A helper, a package or a proxy that was not there.
    "connector.sock",
    "Package installation check failed",
    "only available when azurefile-proxy is enabled",
    // A cluster with a network namespace, where one element can be mounted only.
    "nsenter",
    // Accounts were not there to ask for a key.
    "no key for storage account",
    // A file system type that only the call had.
    "invalid fs_type",
    "unsupported fsType",
    // The volume's handle stands in the note of the call before the patch.
    "before it the list was [\"accesspoint=fsap-99999999999999999\"]",
    "before it the list was [\"stunnel\"]",
];

/// Checks that each refusal of a driver, its mount program or mount(8) is found, if the object
/// shows it. A missing option is no reason to fail.
#[test]
fn what_a_real_driver_refused_is_found() {
    let mut refused = 0;
    let mut missed = String::new();
    let is_shown =
        |row: &&Row| !NOT_SHOWN.iter().any(|reason| row.error.contains(reason) || row.note.contains(reason));
    for row in rows().iter().filter(|row| row.is_refused()).filter(is_shown) {
        let object = row.object(&row.mount_flags);
        judge(&object.to_string(), &Policy::default(), |_, evaluation| {
            refused += 1;
            let is_found = evaluation.findings.iter().any(|judged| {
                let is_missing = judged.rule.name.ends_with("-not-set");
                let is_absent = is_missing || judged.rule.name == "foreground-not-explicit";
                judged.finding.severity == Severity::CannotMount
                    || judged.action == Action::Deny && !is_absent
            });
            if !is_found {
                let _ = writeln!(missed, "{}\n  {} {}", row.key(), row.error, row.helper_options);
            }
        });
    }
    assert!(missed.is_empty(), "{missed}");
    assert!(refused > 50, "{refused}");
}
