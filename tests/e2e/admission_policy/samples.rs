//! Objects for comparisons: real ones, those of the fixtures, and generated
//! ones, each as it is and with `bg` in every disguise known.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fastrand::Rng;
use nfs_mount_guard::subject::driver;
use nfs_mount_guard::subject::driver::evidence::Evidence;
use nfs_mount_guard::subject::driver::refusal::What;
use nfs_mount_guard::subject::manifest::IN_TREE_PLUGINS;
use serde_json::{Value, json};

use crate::objects::{class, corpus, documents, with};

/// Elements that are `bg` to some layer, or only look like it.
const DISGUISES: &[&str] = &[
    "bg",
    "hard,bg",
    "nolock,,bg",
    "bg=1",
    "bg=",
    "bg=0",
    "bg=false",
    "fg,bg=0",
    "bg=0=1",
    ",bg,",
    "rw,bg,ro",
    "user=x,bg",
    "helper=x,loop,bg",
    "BG",
    "Bg",
    "bG",
    "hard,BG=1",
    " bg",
    "bg ",
    " Bg =1",
    "hard, bg",
    "\tbg",
    "\u{b}bg",
    "\u{85}bg",
    "\u{a0}bg\u{2003}",
    "\u{3000}bg\u{2028}",
    "\u{1680}bg\u{202f}\u{205f}",
    "x-a=\"b,bg",
    "x-a=\"b\",bg",
    "x-a=\"b,bg\",\"c",
    "x=\"a\",y=\"b,bg\",bg",
    "\"\",bg",
    "-o bg",
    "hard,-o \"bg\"=1",
    "\"bg\"",
    "'bg'=1",
    "b\\g",
    "\\BG\\",
    "b\"\"g=\"x\"",
    "\"bg",
    "bg='",
    "bg=\"a,fg\"",
    "bg\\,\"",
    "\" bg \"",
    "b\",bg,context=\"c",
    "comment=\\\",bg,x-a=\"y\\\"\"",
    "bg\"\"",
    "foo\"x,bg\"y",
    "context=\"a,bg,c\"",
    "context=\"a, BG ,c\"",
    "comment=\"q,bg,r\"",
    "x-foo=\"q,bg,r\"",
    // Those are not.
    "fg",
    "background",
    "x-bg",
    "abg",
    "bgx",
    "bg-",
    "=bg",
    "a=bg",
    "b\\147",
    "b\ng",
    "\u{200b}bg",
    "\u{feff}bg",
    "bg\u{0}",
    "b g",
    "\u{ff22}\u{ff27}",
    "b\u{1e20}",
    "b\"x\"g",
    "bg\\x",
    "b=\"g\"",
    "\"x-bg\"",
];

/// Options that have nothing to do with it.
const OTHERS: &[&str] = &[
    "hard", "timeo=600", "retrans=2", "nfsvers=4.1", "", "noatime", "fg", "x=\"y\"", "a=\"", "\"z",
    "comment=a\\", "'",
];

/// Keys under which one driver or another takes options, as they may be written.
const GENERIC_KEYS: [&str; 7] = [
    "mountOptions", "mount_options", "nfs.mount-Options", "example.com/mountOpts", "options", "MOUNTFLAGS",
    "mountOptionsOf",
];

/// Returns the samples of all kinds; each has its own name.
pub fn all() -> Vec<Value> {
    let mut objects: Vec<Value> = corpus();
    objects.extend(fixtures());
    for (index, object) in corpus().into_iter().enumerate() {
        // A few disguises an object; all of them meet several drivers.
        objects.extend(
            DISGUISES.iter().skip(index % 6).step_by(6).map(|disguise| with_option(&object, disguise)),
        );
    }
    objects.extend(particular());
    let mut rng = Rng::with_seed(1);
    objects.extend((0..1500).map(|_| generated(&mut rng)));
    numbered(objects)
}

/// Returns objects that chance would seldom bring about.
fn particular() -> Vec<Value> {
    let flex = |driver: &str, options: Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {},
            "spec": {"flexVolume": {"driver": driver, "options": options}}})
    };
    let with_attributes =
        |driver: &str, attributes: Value| with(class("a", driver, &["bg"]), "/parameters", attributes);
    vec![
        // The Kelvin sign, whose small form is a k.
        with_attributes("pure-csi", json!({"backend": "bloc\u{212a}"})),
        with_attributes("csi.trident.netapp.io", json!({"nasType": "nfs", "nastype": "smb"})),
        with_attributes("csi.trident.netapp.io", json!({"backendType=ontap-san": "x"})),
        with_attributes(
            "csi.trident.netapp.io",
            json!({"backendtype": "ontap-san", "backendType": "ontap-nas"}),
        ),
        with_attributes("efs.csi.aws.com", json!({"mountOptions": "bg"})),
        class("a", "efs.csi.aws.com", &["a=\"", "hard,\u{a0}BG =1", "b=\""]),
        class("a", "nfs.csi.k8s.io", &["a=\"", "bg", "b=\""]),
        flex("ebs.csi.aws.com", json!({"options": "hard,BG"})),
        flex("nfs.csi.k8s.io", json!({"mountOptions": "hard, Bg"})),
        flex("kubernetes.io/host-path", json!({"mountOptions": "bg"})),
        flex("alicloud/nas", json!({"options": "bg"})),
        class("a", "nfs.csi.k8s.io", &["a=\"b", "c\",hard"]),
    ]
}

/// Objects whose driver has its say on whether they are NFS.
pub fn generated(rng: &mut Rng) -> Value {
    let object = if rng.u8(..3) == 0 { generated_class(rng) } else { generated_volume(rng) };
    completed(object)
}

/// A third of them, for what is compared again.
pub fn some() -> Vec<Value> {
    all().into_iter().step_by(3).collect()
}

/// Gives each object a name that no other one has.
fn numbered(mut objects: Vec<Value>) -> Vec<Value> {
    for (index, object) in objects.iter_mut().enumerate() {
        *object = completed(object.take());
        object["metadata"]["name"] = json!(format!("sample-{index}"));
    }
    objects
}

fn fixtures() -> Vec<Value> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut objects = Vec::new();
    for folder in ["rules", "drivers", "kinds"] {
        for entry in fs::read_dir(tests.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let path = if path.is_dir() { path.join("manifests.yaml") } else { path };
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let all = documents(&fs::read_to_string(path).expect("a fixture"));
                objects.extend(all.into_iter().filter(is_of_storage));
            }
        }
    }
    objects
}

/// Returns true for the kinds that the policy is asked about. Classes of snapshots are no kind of
/// the API server's own.
fn is_of_storage(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("StorageClass" | "PersistentVolume"))
}

/// The object with one more element, at the end.
fn with_option(object: &Value, option: &str) -> Value {
    let mut object = object.clone();
    let place = if object["kind"] == "StorageClass" { &mut object } else { &mut object["spec"] };
    match place["mountOptions"].as_array_mut() {
        Some(list) => list.push(json!(option)),
        None => place["mountOptions"] = json!([option]),
    }
    object
}

/// With what the API server wants beside what mounting is about.
fn completed(mut object: Value) -> Value {
    let metadata = object["metadata"].take();
    object["metadata"] = json!({"name": "a"});
    for key in ["annotations", "labels"] {
        if metadata[key].as_object().is_some_and(|map| !map.is_empty()) {
            object["metadata"][key] = metadata[key].clone();
        }
    }
    if object["kind"] != "PersistentVolume" {
        return object;
    }
    let spec = &mut object["spec"];
    let default = |place: &mut Value, value: Value| {
        if place.is_null() {
            *place = value;
        }
    };
    default(&mut spec["capacity"], json!({"storage": "1Gi"}));
    default(&mut spec["accessModes"], json!(["ReadWriteMany"]));
    if spec["nfs"].is_object() {
        default(&mut spec["nfs"]["server"], json!("127.0.0.1"));
        default(&mut spec["nfs"]["path"], json!("/export"));
    } else if spec["csi"].is_object() {
        default(&mut spec["csi"]["volumeHandle"], json!("a"));
    } else if !spec.as_object().is_some_and(|spec| spec.keys().any(|key| is_source(key))) {
        spec["hostPath"] = json!({"path": "/tmp"});
    }
    object
}

fn is_source(field: &str) -> bool {
    field == "flexVolume" || IN_TREE_PLUGINS.iter().any(|(source, _)| *source == field)
}

fn generated_class(rng: &mut Rng) -> Value {
    let driver = driver_name(rng);
    let mut object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {},
        "provisioner": driver, "parameters": attributes(rng, &driver),
    });
    if rng.u8(..6) > 0 {
        object["mountOptions"] = json!(options(rng));
    }
    object
}

fn generated_volume(rng: &mut Rng) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {}, "spec": source(rng),
    });
    if rng.u8(..6) > 0 {
        object["spec"]["mountOptions"] = json!(options(rng));
    }
    object["spec"]["accessModes"] = json!(access_modes(rng));
    if rng.u8(..3) == 0 {
        object["spec"]["storageClassName"] = json!(pick(rng, &["other", "sample-17"]));
    }
    if rng.u8(..6) == 0 {
        object["spec"]["volumeMode"] = json!("Block");
    }
    if object["spec"]["nfs"].is_object() && rng.bool() {
        object["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"] =
            json!(options(rng).join(","));
    }
    object
}

fn source(rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 | 1 => json!({"nfs": {"server": "127.0.0.1", "path": "/export"}}),
        2 => {
            // A script may have the name of a CSI driver or a provisioner, and is another one.
            let driver = if rng.bool() { driver_name(rng) } else { "alicloud/nas".to_owned() };
            json!({"flexVolume": {"driver": driver, "options": attributes(rng, &driver)}})
        }
        3 => json!({"hostPath": {"path": "/tmp"}}),
        4 => json!({"iscsi": {"targetPortal": "127.0.0.1", "iqn": "iqn.2001-04.com.example:a", "lun": 0}}),
        _ => {
            let driver = driver_name(rng);
            let attributes = attributes(rng, &driver);
            let handle = pick(rng, &["a", "b/nfs", "c/scsi", "s3files:d"]);
            let mut csi = json!({"driver": driver, "volumeHandle": handle, "volumeAttributes": attributes});
            if rng.u8(..4) == 0 {
                csi["fsType"] = json!(pick(rng, &["nfs", "NFS4", "ext4", "xfs", "cifs", "aznfs", "btrfs"]));
            }
            json!({ "csi": csi })
        }
    }
}

/// A name of the table, a name that one of its patterns takes, or an
/// unknown one; more often than not one of which something depends.
fn driver_name(rng: &mut Rng) -> String {
    let fillers = ["", "x", "-b.c"];
    let of_interest: Vec<&str> = driver::drivers()
        .filter(|row| !row.clues.is_empty() || !row.carriers.is_empty())
        .flat_map(|row| row.names)
        .copied()
        .collect();
    let names: Vec<&str> = driver::drivers().flat_map(|row| row.names).copied().collect();
    match rng.u8(..10) {
        0 => "storage.example.com".to_owned(),
        1 => {
            let of_two_rows = [
                "nfs.rook.io/x.s3.csi.y",
                "lustre.csi.nfs.csi.ceph.com",
                "nfs-a.s3.csi.csi.k8s.io",
                "org.democratic-csi.nfs.csi.ceph.com",
                "com.tencent.cloud.csi.tcfs.s3.csi.x",
            ];
            pick(rng, &of_two_rows).to_owned()
        }
        2 => "driver.longhorn.io".to_owned(),
        3..7 => pick(rng, &of_interest).replace('*', pick(rng, &fillers)),
        _ => pick(rng, &names).replace('*', pick(rng, &fillers)),
    }
}

/// Clues and keys that hold options, those of the driver or of others.
fn attributes(rng: &mut Rng, driver: &str) -> Value {
    let rows: Vec<&driver::Driver> = match driver::find(driver) {
        Some(row) if rng.u8(..4) > 0 => vec![row],
        _ => driver::drivers().chain([&driver::UNKNOWN]).collect(),
    };
    let mut clues: BTreeSet<(&'static str, &'static str)> = BTreeSet::new();
    for row in &rows {
        let variants = row.variants.iter().map(|variant| variant.when);
        for evidence in row.clues.iter().map(|clue| clue.evidence).chain(variants) {
            shown_by(&evidence, &mut clues);
        }
        for refused in row.refuses {
            if let What::Setting(setting) = refused.what {
                clues.extend(["true", "maybe", "/a"].map(|value| (setting.key, value)));
            }
        }
    }
    let clues: Vec<(&str, &str)> = clues.into_iter().chain([("server", "a")]).collect();
    let mut keys: Vec<&str> =
        rows.iter().flat_map(|row| row.carriers).map(|carrier| carrier.key).chain(GENERIC_KEYS).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut map = json!({});
    for _ in 0..rng.usize(..3) {
        let (key, value) = pick(rng, &clues);
        let (key, value) = (cased(rng, key), cased(rng, &value.replace('*', "x")));
        match rng.u8(..12) {
            // Text that could be taken for another.
            0 => map[format!("{key}={value}")] = json!("x"),
            1 => {
                let (first, rest) = value.split_at(value.chars().next().map_or(0, char::len_utf8));
                map[format!("{key}={first}")] = json!(rest);
            }
            2 | 3 => {
                let (_, other) = pick(rng, &clues);
                map[key.to_uppercase()] = json!(other);
                map[key] = json!(value);
            }
            _ => map[key] = json!(value),
        }
    }
    if rng.u8(..3) > 0 {
        let key = pick(rng, &keys);
        let key = cased(rng, key);
        map[key] = json!(options(rng).join(","));
    }
    map
}

/// Keys and values that evidence speaks of.
fn shown_by(evidence: &Evidence, clues: &mut BTreeSet<(&'static str, &'static str)>) {
    match *evidence {
        Evidence::Value(key, values)
        | Evidence::Exact(key, values)
        | Evidence::ExactParameter(key, values)
        | Evidence::ExactAttribute(key, values)
        | Evidence::Parameter(key, values)
        | Evidence::Attribute(key, values)
        | Evidence::NoAttribute(key, values) => clues.extend(values.iter().map(|value| (key, *value))),
        Evidence::FsType(values) | Evidence::FsTypeOfClass(values) => clues.extend(
            values.iter().flat_map(|value| ["fsType", "csi.storage.k8s.io/fstype"].map(|key| (key, *value))),
        ),
        Evidence::Key(key) | Evidence::NoKey(key) | Evidence::Text(key) => clues.extend([(key, "x")]),
        Evidence::All(several) | Evidence::Any(several) => {
            for evidence in several {
                shown_by(evidence, clues);
            }
        }
        Evidence::Not(evidence) => shown_by(evidence, clues),
        Evidence::AccessMode(_)
        | Evidence::NoAccessMode(_)
        | Evidence::FirstAccessMode(_)
        | Evidence::BlockMode
        | Evidence::FlexVolume
        | Evidence::VolumeHandle(_)
        | Evidence::ReadOnlySource => {}
    }
}

/// The text as it is, or in some other case.
fn cased(rng: &mut Rng, text: &str) -> String {
    match rng.u8(..5) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        // The Kelvin sign, whose small form is a k.
        2 => text.replace('k', "\u{212a}"),
        _ => text.to_owned(),
    }
}

/// A list of options, more often than not with `bg` or its like.
pub fn options(rng: &mut Rng) -> Vec<String> {
    (0..rng.usize(..4))
        .map(|_| {
            let option = if rng.bool() { pick(rng, DISGUISES) } else { pick(rng, OTHERS) };
            option.to_owned()
        })
        .collect()
}

pub fn access_modes(rng: &mut Rng) -> Vec<&'static str> {
    let sets: &[&[&str]] =
        &[&["ReadWriteMany"], &["ReadWriteOnce"], &["ReadOnlyMany"], &["ReadWriteOnce", "ReadWriteMany"]];
    pick(rng, sets).to_vec()
}

pub fn pick<T: Copy>(rng: &mut Rng, items: &[T]) -> T {
    items[rng.usize(..items.len())]
}
