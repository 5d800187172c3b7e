//! Shows the differences of the admission policies from the engine: each difference that
//! docs/admission-policy.md lists is shown here, and none but these may occur in the comparisons.

use std::fs;

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::admission_policy;
use nfs_mount_guard::nfs::{disguised, reading};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use nfs_mount_guard::subject::manifest::Manifest;
use nfs_mount_guard::subject::{LONGEST_OPTIONS, Subject};
use serde_json::{Value, json};
use time::macros::date;

use super::updates::Update;
use super::{ask, background_mount_only, clear, install, mutating, refuses, trial, validating};
use crate::api::{Api, Call};
use crate::cluster::Cluster;
use crate::objects::{annotated, class, csi_volume, nfs_volume, with};

/// Tests of the differences.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("admission_policy::docs_list_the_differences_that_are_shown", listed),
        trial("a_difference_an_option_that_a_shell_rewrites", rewritten_by_a_shell),
        trial("a_bg_beyond_the_options_is_refused_as_by_the_webhook", beyond_the_options),
        trial("a_difference_a_bg_in_another_notation", in_another_notation),
        trial("a_difference_a_bg_in_a_setting_that_the_driver_refuses", in_a_refused_setting),
        trial("more_options_than_a_mount_takes_are_refused_as_by_the_webhook", long_options),
        trial("a_difference_an_update_that_gives_effect_to_bg", effect_of_an_update),
        trial("a_difference_a_long_text_under_a_key_that_is_not_read", long_unread),
        trial("a_difference_many_attributes_of_an_inline_volume", many_attributes),
        trial("a_length_is_of_bytes_as_for_the_webhook", length_in_bytes),
        trial("a_difference_an_exemption_that_names_options", exemption_of_options),
        trial("a_difference_an_exemption_that_ends", exemption_that_ends),
    ];
    trials.push(mutating::trial(
        "more_options_than_a_mount_takes_are_left_as_by_the_webhook",
        long_options_repaired,
    ));
    trials.push(mutating::trial("a_difference_an_update_of_the_access_modes_alone", access_modes_alone));
    trials.push(mutating::trial("a_difference_another_winner_of_a_sorted_list", another_winner));
    trials
}

/// The beginnings of the rows in the docs, one a test.
const LISTED: [&str; 10] = [
    "an option that becomes bg in a shell",
    "bg in another notation than mount's",
    "bg in a setting that its driver refuses",
    "bg that begins an element of several options",
    "an update of the access modes alone",
    "an update that gives effect to bg",
    "more than 4,096 bytes under a key that its driver does not read",
    "more than 200 `volumeAttributes` of an inline volume",
    "an exemption that names options",
    "an exemption that expires",
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

/// Returns true if the object's driver runs mount through a shell, and its options hold what a
/// shell takes away in the middle of a word, or a switch of mount.
pub fn is_rewritten(object: &Value) -> bool {
    let spec = &object["spec"];
    let driver = [&object["provisioner"], &spec["csi"]["driver"], &spec["flexVolume"]["driver"]];
    let lists = [&object["mountOptions"], &spec["mountOptions"]];
    let mut elements = lists.iter().filter_map(|list| list.as_array()).flatten();
    let maps = [&object["parameters"], &spec["csi"]["volumeAttributes"]];
    let mut values = maps.iter().filter_map(|map| map.as_object()).flat_map(serde_json::Map::values);
    let adds = |value: &Value| reading::further_options(value.as_str().unwrap_or_default()).next().is_some();
    let runs_a_shell =
        ["csi.huawei.com", "nas.csi.cds.net"].iter().any(|name| driver.contains(&&json!(name)));
    let script =
        spec["flexVolume"]["options"].as_object().filter(|_| driver.contains(&&json!("alicloud/nas")));
    let mut of_script = script.into_iter().flat_map(serde_json::Map::values);
    let is_changed = |text: &str| text.contains(['\\', '$', '"', '\'']) || text.contains(char::is_whitespace);
    of_script.any(|value| is_changed(value.as_str().unwrap_or_default()))
        || runs_a_shell && (elements.clone().any(adds) || values.any(adds))
        || driver.contains(&&json!("csi.huawei.com"))
            && elements
                .clone()
                .any(|element| element.as_str().unwrap_or_default().contains(['\\', '$', '"', '\'']))
        || ["file.csi.azure.com", "kubernetes.io/azure-file", "blob.csi.azure.com"]
            .iter()
            .any(|name| driver.contains(&&json!(name)))
            && elements.any(|element| is_edited(element.as_str().unwrap_or_default()))
}

/// Returns true if the script of Azure's mount helper may change more of a text than its own words.
fn is_edited(text: &str) -> bool {
    let words = ["sec=", "tls", "clean", "turbo", "configfile"];
    text.contains(|letter| "\\*[]^#$`;&|<>(){}\n/".contains(letter))
        || text.split(',').any(|option| words.iter().any(|word| option.rfind(word).is_some_and(|at| at > 0)))
}

/// Returns true if the access modes are changed, and the options are not.
pub fn changes_access_alone(update: &Update) -> bool {
    update.old["spec"]["accessModes"] != update.new["spec"]["accessModes"]
        && mutating::carriers(&update.old) == mutating::carriers(&update.new)
}

/// Returns the manifest for a policy file, as of a day in 2020.
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

fn rewritten_by_a_shell(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    let object =
        with(class("shell", "csi.huawei.com", &["${X}bg"]), "/parameters", json!({"protocol": "nfs"}));
    let switch = with(class("shell", "nas.csi.cds.net", &[]), "/parameters", json!({"vers": "3 -o bg"}));
    let edited = with(
        class("script", "blob.csi.azure.com", &[r"notls=-sec=a.*/\x2cbg/;#"]),
        "/parameters",
        json!({"protocol": "aznfs"}),
    );
    for object in [object, switch, edited] {
        assert!(is_rewritten(&object) && refuses(&Policy::default(), &object, None), "{object}");
        assert!(!is_refused(&api, &object), "{object}");
    }
    Ok(())
}

/// A `volumeHandle`, a server or a path of which the driver makes options.
fn beyond_the_options(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    let of = |driver: &str, handle: &str, attributes: Value| {
        let mut object = csi_volume("beyond", driver, &["fg"]);
        object["spec"]["csi"]["volumeHandle"] = json!(handle);
        object["spec"]["csi"]["volumeAttributes"] = attributes;
        object
    };
    let (efs, cds) = ("efs.csi.aws.com", "nas.csi.cds.net");
    for (object, is_bg) in [
        (of(efs, "fs-0123456789abcdef0::fsap-0123456789abcdef0,fg,bg", json!({})), true),
        (of(efs, "fs-0123456789abcdef0::fsap-0123456789abcdef0", json!({})), false),
        (of(efs, "fs-0123456789abcdef0:/a,bg", json!({})), false),
        (of(cds, "vol -o bg", json!({"path": "/x"})), true),
        (of(cds, "bg", json!({"path": "/x"})), false),
        (of(cds, "vol", json!({"path": "/x -o hard,bg"})), true),
        (of(cds, "vol", json!({"server": "a:/x /mnt --options=bg #", "path": "/x"})), true),
        (of(cds, "vol", json!({"server": "a", "path": "/x-o/bg"})), false),
        (of("csi.huawei.com", "backend.vol /mnt -obg #", json!({})), true),
        (of("csi.huawei.com", "backend.bg", json!({})), false),
    ] {
        let by_webhook = refuses(&background_mount_only(), &object, None);
        let by_policy = is_refused(&api, &object);
        assert_eq!((by_webhook, by_policy), (is_bg, is_bg), "{object}");
    }
    Ok(())
}

/// Returns true if the object has `bg` in a `path`, which is no place of options and which Alibaba's
/// driver refuses unless it begins at the root.
fn is_in_refused_path(object: &Value) -> bool {
    let spec = &object["spec"];
    let driver = spec["csi"]["driver"].as_str().or_else(|| spec["flexVolume"]["driver"].as_str());
    if !matches!(driver, Some("nasplugin.csi.alibabacloud.com" | "alicloud/nas")) {
        return false;
    }
    let maps = [&spec["csi"]["volumeAttributes"], &spec["flexVolume"]["options"]];
    let is_relative = |(key, value): (&String, &Value)| {
        let path = value.as_str().unwrap_or_default();
        key.eq_ignore_ascii_case("path") && !path.starts_with('/') && path.to_lowercase().contains("bg")
    };
    maps.iter().filter_map(|map| map.as_object()).flatten().any(is_relative)
}

fn in_a_refused_setting(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    let mut object = csi_volume("refused", "nasplugin.csi.alibabacloud.com", &["vers=3"]);
    object["spec"]["csi"]["volumeAttributes"] = json!({"server": "nas.example.com", "path": "a,bg"});
    assert!(is_in_refused_path(&object) && refuses(&Policy::default(), &object, None), "{object}");
    assert!(!is_refused(&api, &object), "{object}");
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
    let answer = ask(&background_mount_only(), Endpoint::Mutate, &update.new, Some(&update.old));
    assert!(answer["patch"].is_string(), "the guard repairs it");
    install(&api, &mutating::generated());
    let said = api.send(Call::try_replace(&update.new));
    assert_eq!(said.body["spec"]["mountOptions"], json!(["hard,bg"]));
    cluster.delete(&object);
    Ok(())
}

fn another_winner(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = nfs_volume("sorted", &["bg,nocto", "cto"]);
    let answer = ask(&background_mount_only(), Endpoint::Mutate, &object, None);
    assert!(answer["patch"].is_null(), "{answer}");
    assert!(refuses(&background_mount_only(), &object, None));
    install(&api, &mutating::generated());
    let said = api.send(Call::try_create(&object));
    // The kubelet sorts "fg,nocto" after "cto".
    assert_eq!(said.body["spec"]["mountOptions"], json!(["fg,nocto", "cto"]));
    Ok(())
}

/// A class with one long element. Only the expensive expressions find a `bg` in it.
fn long_class(length: usize, rest: &str) -> Value {
    class("long", "storage.example.com", &[&format!("x,-bg,{}{rest}", "x".repeat(length))])
}

/// A little more than a mount takes.
const LONG: usize = 4_097;

/// So much more that nothing can look through it.
const TOO_LONG: usize = 400_000;

/// The longest text that a mount takes, with its surroundings.
const SHORT: usize = LONGEST_OPTIONS - "x,-bg,".len();

/// The message of the refusing policy for options that it does not read.
const TOO_MANY: &str = "NMG009 malformed-element (nfs-mount-guard): a mount takes 4096 bytes of options";

fn long_options(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let manifest = generated(&Policy::default());
    let old =
        api.send(Call::create(&with(long_class(LONG, ",bg"), "/metadata/name", json!("long-before")))).body;
    install(&api, &manifest);
    for length in [LONG, TOO_LONG, SHORT + 1] {
        assert!(refuses(&background_mount_only(), &long_class(length, ""), None));
    }
    let short = long_class(SHORT, "");
    assert!(!refuses(&background_mount_only(), &short, None));
    assert!(api.send(Call::try_create(&short)).passed());
    assert!(api.send(Call::try_create(&long_class(SHORT + 1, ""))).message().contains(TOO_MANY));
    let annotation = annotated(nfs_volume("long", &[]), &"x,".repeat(LONG));
    let attribute = with(
        csi_volume("long", "nfs.csi.k8s.io", &[]),
        "/spec/csi/volumeAttributes/mountOptions",
        json!("x".repeat(LONG)),
    );
    for object in
        [long_class(LONG, ""), long_class(LONG, ",bg"), long_class(TOO_LONG, ",bg"), annotation, attribute]
    {
        let said = api.send(Call::try_create(&object));
        assert!(!said.passed() && said.message().contains(TOO_MANY), "{}", said.message());
    }
    // An existing list may stay, but not become another one of that length.
    let mut labelled = with(old.clone(), "/metadata/labels", json!({"seen": "yes"}));
    assert!(api.send(Call::try_replace(&labelled)).passed());
    labelled["mountOptions"][0] = json!("y".repeat(LONG));
    assert!(api.send(Call::try_replace(&labelled)).message().contains(TOO_MANY));
    cluster.delete(&old);
    Ok(())
}

fn long_options_repaired(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &mutating::generated());
    let object = long_class(LONG, ",bg");
    for object in [object, long_class(4 * TOO_LONG, ",bg")] {
        let answer = ask(&background_mount_only(), Endpoint::Mutate, &object, None);
        assert!(answer["patch"].is_null(), "{answer}");
        let stored = api.send(Call::try_create(&object)).body["mountOptions"].clone();
        assert!(stored == object["mountOptions"], "it is left as it is");
    }
    Ok(())
}

/// Returns true if the policies may take a `bg` of the object for another word.
pub fn is_another_word(object: &Value) -> bool {
    is_rewritten(object) || is_in_another_notation(object) || is_in_refused_path(object)
}

/// Returns true if a parameter or an attribute has a `bg` that no comma separates from the words
/// around it.
fn is_in_another_notation(object: &Value) -> bool {
    let spec = &object["spec"];
    let maps = [&object["parameters"], &spec["csi"]["volumeAttributes"], &spec["flexVolume"]["options"]];
    let mut values = maps.into_iter().filter_map(Value::as_object).flat_map(|map| map.values());
    values.any(|value| {
        let text = value.as_str().unwrap_or_default();
        let has_word = disguised::words(text).any(|(_, word)| word.eq_ignore_ascii_case("bg"));
        has_word && !reading::mentions_background(text)
    })
}

fn in_another_notation(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    let parameters = json!({"mountOptions": "vers=3 bg"});
    let object = with(class("notation", "storage.example.com", &[]), "/parameters", parameters);
    assert!(is_in_another_notation(&object) && refuses(&Policy::default(), &object, None));
    assert!(!is_refused(&api, &object));
    Ok(())
}

/// Returns true if the update makes a failed mount continue in the background by options that the
/// old object had, too.
pub fn gives_effect(update: &Update) -> bool {
    let [old, new] = [&update.old, &update.new].map(ToString::to_string);
    let [old, new] = [&old, &new].map(|text| serde_json::from_str::<Manifest<'_>>(text).expect("an object"));
    let [old, new] = [&old, &new].map(|manifest| Subject::new(manifest, &[]).expect("a subject"));
    new.is_background_where_it_was_not(&old)
}

fn effect_of_an_update(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = class("effect", "nfs.csi.k8s.io", &["bg", "fg"]);
    cluster.delete(&object);
    let old = api.send(Call::create(&object)).body;
    let new = with(old.clone(), "/mountOptions", json!(["fg", "bg"]));
    let update = Update { old, new };
    assert!(gives_effect(&update));
    install(&api, &generated(&Policy::default()));
    assert!(refuses(&background_mount_only(), &update.new, Some(&update.old)));
    assert!(api.send(Call::try_replace(&update.new)).passed());
    cluster.delete(&object);
    Ok(())
}

/// A volume whose attribute `key` holds so many letters.
fn attribute(driver: &str, key: &str, value: &str) -> Value {
    with(csi_volume("long", driver, &[]), &format!("/spec/csi/volumeAttributes/{key}"), json!(value))
}

fn long_unread(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    super::inline::register(&api, &Policy::default());
    let long = "x".repeat(LONG);
    let unread = attribute("nfs.csi.k8s.io", "options", &long);
    assert!(!refuses(&background_mount_only(), &unread, None));
    assert!(api.send(Call::try_create(&unread)).message().contains(TOO_MANY));
    let with_bg = attribute("nfs.csi.k8s.io", "options", &format!("{long},bg"));
    assert!(refuses(&background_mount_only(), &with_bg, None));
    assert!(!api.send(Call::try_create(&with_bg)).passed());
    for (driver, is_read) in [("nfs.csi.k8s.io", false), ("com.tencent.cloud.csi.cfs", true)] {
        let pod = super::inline::pod_with(driver, &json!({"host": "a", "path": "/", "vers": long}));
        assert_eq!(refuses(&background_mount_only(), &pod, None), is_read, "{driver}");
        wait_until_refused(&api, &pod, driver);
    }
    Ok(())
}

/// A policy takes a moment until it is in effect.
fn wait_until_refused(api: &Api, object: &Value, what: &str) {
    super::wait(what, || !api.send(Call::try_create(object)).passed());
}

fn many_attributes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    super::inline::register(&api, &Policy::default());
    let attributes = |count: usize| -> Value {
        let pairs = (0..count).map(|index| (format!("k{index}"), json!("v")));
        Value::Object(pairs.collect())
    };
    let [few, many] = [200, 201].map(|count| super::inline::pod_with("nfs.csi.k8s.io", &attributes(count)));
    for pod in [&few, &many] {
        assert!(!refuses(&background_mount_only(), pod, None));
    }
    wait_until_refused(&api, &many, "201 attributes");
    assert!(api.send(Call::try_create(&few)).passed());
    Ok(())
}

/// Letters of two and of four bytes.
fn length_in_bytes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated(&Policy::default()));
    super::inline::register(&api, &Policy::default());
    for letter in ["é", "\u{1f512}"] {
        let most = LONGEST_OPTIONS / letter.len();
        for (count, is_long) in [(most, false), (most + 1, true)] {
            let text = letter.repeat(count);
            let of_list = class("long", "nfs.csi.k8s.io", &[&text]);
            let of_attribute = attribute("nfs.csi.k8s.io", "mountOptions", &text);
            let pod = super::inline::pod_with("nfs.csi.k8s.io", &json!({ "mountOptions": text }));
            for object in [of_list, of_attribute, pod] {
                assert_eq!(refuses(&background_mount_only(), &object, None), is_long, "{count} {letter}");
                if is_long {
                    wait_until_refused(&api, &object, "a long text");
                } else {
                    assert!(api.send(Call::try_create(&object)).passed(), "{count} {letter}");
                }
            }
        }
    }
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
    // Today is after that day.
    assert!(refuses(&policy, &object, None) && !is_refused(&api, &object));
    let later = admission_policy::validating(&policy, date!(2020 - 04 - 01)).expect("a policy").manifest;
    clear(&api);
    install(&api, &later);
    assert!(is_refused(&api, &object));
    Ok(())
}
