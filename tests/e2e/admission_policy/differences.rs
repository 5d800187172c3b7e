//! Where the admission policies differ from the engine: each difference that
//! docs/admission-policy.md lists is shown here, and none but these may occur
//! in the comparisons.

use std::fs;

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use nfs_mount_guard::subject::LONGEST_OPTIONS;
use nfs_mount_guard::{admission_policy, rules};
use serde_json::{Value, json};
use time::macros::date;

use super::updates::Update;
use super::{ask, clear, install, mutating, refuses, trial, validating};
use crate::api::{Api, Call};
use crate::cluster::Cluster;
use crate::objects::{class, csi_volume, nfs_volume, with};

/// Tests of the differences.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("admission_policy::docs_list_the_differences_that_are_shown", listed),
        trial("a_difference_an_object_that_says_one_thing_twice", says_one_thing_twice),
        trial("a_difference_more_options_than_a_mount_takes", long_options),
        trial("a_difference_an_exemption_that_names_options", exemption_of_options),
        trial("a_difference_an_exemption_that_ends", exemption_that_ends),
    ];
    trials.push(mutating::trial(
        "a_difference_more_options_than_a_mount_takes_repaired",
        long_options_repaired,
    ));
    trials.push(mutating::trial("a_difference_an_update_of_the_access_modes_alone", access_modes_alone));
    trials
}

/// The beginnings of the rows in the docs, one a test.
const LISTED: [&str; 5] = [
    "an object that says one thing twice",
    "an update of the access modes alone",
    "more than 4.5 KiB of options",
    "an exemption that names options",
    "an exemption that ends",
];

fn listed() -> Result<(), Failed> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admission-policy.md"))?;
    let table = page.split("<!-- differences -->").nth(1).expect("the table");
    let rows: Vec<&str> = table
        .lines()
        .take_while(|line| !line.contains("<!-- /differences -->"))
        .filter_map(|line| line.strip_prefix("| "))
        .skip(1)
        .collect();
    assert_eq!(rows.len(), LISTED.len(), "{rows:#?}");
    for (row, wanted) in rows.iter().zip(LISTED) {
        assert!(row.starts_with(wanted), "{row}");
    }
    Ok(())
}

/// Whether a key stands there twice, in different case, or the file system's
/// type in two places.
pub fn says_twice(object: &Value) -> bool {
    let csi = &object["spec"]["csi"];
    let maps = [&object["parameters"], &csi["volumeAttributes"], &object["spec"]["flexVolume"]["options"]];
    let mut keys: Vec<String> = maps
        .iter()
        .filter_map(|map| map.as_object())
        .flat_map(|map| map.keys())
        .map(|key| key.to_lowercase().replace("csi.storage.k8s.io/fstype", "fstype"))
        .chain(csi["fsType"].is_string().then(|| "fstype".to_owned()))
        .collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    keys.len() < all
}

/// Whether the access modes are changed, and the options are not.
pub fn changes_access_alone(update: &Update) -> bool {
    update.old["spec"]["accessModes"] != update.new["spec"]["accessModes"]
        && mutating::carriers(&update.old) == mutating::carriers(&update.new)
}

/// What a policy file makes of the manifest, as of a day in 2020.
fn generated(policy: &Policy) -> String {
    admission_policy::validating(policy, date!(2020 - 03 - 01)).expect("a policy").manifest
}

fn policy(text: &str) -> Policy {
    let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{text}");
    policy_file::parse(&text, "policy.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn is_refused(api: &Api, object: &Value) -> bool {
    validating::Verdict::of(&api.send(Call::try_create(object))) == validating::Verdict::Refused
}

fn says_one_thing_twice(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let manifest = generated(&Policy::default());
    install(&api, &manifest);
    let object = with(
        class("twice", "file.csi.azure.com", &["bg"]),
        "/parameters",
        json!({"PROTOCOL": "smb", "protocol": "nfs"}),
    );
    assert!(says_twice(&object) && !refuses(&Policy::default(), &object, None));
    assert!(is_refused(&api, &object));
    Ok(())
}

fn access_modes_alone(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = nfs_volume("access", &["hard,bg"]);
    cluster.delete(&object);
    let old = api.send(Call::create(&object)).body;
    let new = with(old.clone(), "/spec/accessModes", json!(["ReadOnlyMany"]));
    let update = Update { old, new };
    assert!(changes_access_alone(&update));
    let answer = ask(&super::background_mount_only(), Endpoint::Mutate, &update.new, Some(&update.old));
    assert!(answer["patch"].is_string(), "the guard repairs it");
    install(&api, &mutating::generated());
    let said = api.send(Call::try_replace(&update.new));
    assert_eq!(said.body["spec"]["mountOptions"], json!(["hard,bg"]));
    cluster.delete(&object);
    Ok(())
}

/// A class with one long element. Whether there is `bg` in it only the dear
/// expressions can tell.
fn long_class(length: usize, rest: &str) -> Value {
    class("long", "storage.example.com", &[&format!("x,-bg,{}{rest}", "x".repeat(length))])
}

/// Long enough for the guard not to read it.
const LONG: usize = LONGEST_OPTIONS + 1;

/// Long enough for the API server not to, either.
const TOO_LONG: usize = 400_000;

fn long_options(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let manifest = generated(&Policy::default());
    install(&api, &manifest);
    assert_eq!(LONGEST_OPTIONS * 2, 9 << 10, "4.5 KiB");
    assert!(refuses(&super::background_mount_only(), &long_class(LONG, ""), None));
    assert!(!is_refused(&api, &long_class(LONG, "")) && is_refused(&api, &long_class(LONG, ",bg")));
    let said = api.send(Call::try_create(&long_class(TOO_LONG, "")));
    assert!(!said.passed() && said.message().contains("cost limit exceeded"), "{said:?}");
    assert!(!said.message().contains(&rules::BACKGROUND_MOUNT.code.to_string()), "{said:?}");
    Ok(())
}

fn long_options_repaired(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &mutating::generated());
    let object = long_class(LONG, ",bg");
    let answer = ask(&super::background_mount_only(), Endpoint::Mutate, &object, None);
    assert!(answer["patch"].is_null(), "{answer}");
    let stored = |object: &Value| api.send(Call::try_create(object)).body["mountOptions"].clone();
    assert!(stored(&object) == long_class(LONG, ",fg")["mountOptions"], "4.5 KiB are repaired");
    let object = long_class(4 * TOO_LONG, ",bg");
    assert!(stored(&object) == object["mountOptions"], "1.6 MB are left as they are");
    Ok(())
}

fn exemption_of_options(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let policy = policy(
        "exemptions:\n- {rules: [background-mount], driver: nfs.csi.ceph.com, options: [bg], reason: a test}\n",
    );
    let generated = admission_policy::validating(&policy, date!(2020 - 03 - 01)).expect("a policy");
    assert_eq!(generated.left_out.len(), 1);
    install(&api, &generated.manifest);
    let object = class("exempt", "nfs.csi.ceph.com", &["bg", "timeo=600", "retrans=2", "fg"]);
    assert!(!refuses(&policy, &object, None) && is_refused(&api, &object));
    Ok(())
}

fn exemption_that_ends(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let policy = policy(
        "exemptions:\n- {rules: [background-mount], name: exempt-*, reason: a test, expires: 2020-03-31}\n",
    );
    let generated = admission_policy::validating(&policy, date!(2020 - 03 - 01)).expect("a policy");
    assert_eq!(generated.ending.len(), 1);
    install(&api, &generated.manifest);
    let object = csi_volume("exempt-volume", "nfs.csi.k8s.io", &["bg"]);
    // Today is behind that day.
    assert!(refuses(&policy, &object, None) && !is_refused(&api, &object));
    let later = admission_policy::validating(&policy, date!(2020 - 04 - 01)).expect("a policy").manifest;
    clear(&api);
    install(&api, &later);
    assert!(is_refused(&api, &object));
    Ok(())
}
