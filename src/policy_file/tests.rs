//! Policies that are read, and mistakes with their places.

use proptest::prelude::*;

use super::*;
use crate::finding::Action;
use crate::policy::{Mode, OnUnreadable};
use crate::rules::{Profile, Set};

const HEAD: &str = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";

const WHOLE: &str = include_str!("../../examples/policy.yaml");

/// Returns the mistakes of a text after the usual head, as `line:column message`.
fn mistakes(rest: &str) -> Vec<String> {
    all_mistakes(&format!("{HEAD}{rest}"))
}

fn all_mistakes(text: &str) -> Vec<String> {
    let mistakes = parse(text, "p.yaml").expect_err(text).mistakes;
    mistakes
        .iter()
        .map(|mistake| format!("{}:{} {}", mistake.position.line, mistake.position.column, mistake.message))
        .collect()
}

/// No value here is the one that counts without the key.
const OTHERWISE: &str = "\
mode: observe
profile: relaxed@1
preview: true
rules: {soft-mount: {action: audit}, timeo-not-set: {value: 700}, soft-mount-gives-up-early: {seconds: 90}}
drivers: [{name: nas.example.com, nfs: true, timeo: 300, retrans: 3}, {name: disk.example.com, nfs: false}]
provisioners: [storage-operator]
exemptions: [{rules: [soft-mount], kind: StorageClass, name: scratch-*, namespace: team, storageClassName: s, driver: d, options: [soft], reason: they are scratch, expires: 2099-03-31}]
onUnreadable: allow
annotationExemptions: true
";

#[test]
fn reads_every_key() {
    let policy = parse(&format!("{HEAD}{OTHERWISE}"), "p.yaml").expect("good");
    assert_eq!((policy.mode(), policy.on_unreadable()), (Mode::Observe, OnUnreadable::Allow));
    assert_eq!(policy.profile().to_string(), "relaxed@1");
    assert!(policy.preview() && policy.annotation_exemptions());
    let rule = |name| crate::rules::find(name).expect("a rule");
    assert_eq!(policy.own_action(rule("soft-mount")), Some(Action::Audit));
    assert_eq!(policy.numbers(rule("timeo-not-set")), [700]);
    assert_eq!(policy.numbers(rule("soft-mount-gives-up-early")), [90]);
    let [nas, disk] = policy.drivers() else { panic!("{:?}", policy.drivers()) };
    assert_eq!((nas.nfs, nas.timeo, nas.retrans, disk.nfs), (Some(true), Some(300), Some(3), Some(false)));
    assert_eq!((&*nas.name, &*disk.name), ("nas.example.com", "disk.example.com"));
    assert_eq!(policy.provisioners(), ["storage-operator"]);
    let [exemption] = policy.exemptions() else { panic!("{:?}", policy.exemptions()) };
    assert_eq!(exemption.expires, Some(time::macros::date!(2099 - 03 - 31)));
    assert_eq!(exemption.reason, "they are scratch");
    assert_eq!(exemption.options, ["soft"]);
}

#[test]
fn a_believed_provisioner_is_named_or_a_service_account() {
    let policy = parse(WHOLE, "policy.yaml").expect("the example is good");
    for (user, is_believed) in
        [("storage-operator", true), ("system:serviceaccount:a:b", true), ("jane", false), ("", false)]
    {
        assert_eq!(policy.believes_provisioner(user), is_believed, "{user}");
    }
}

#[test]
fn who_is_believed_is_part_of_the_fingerprint() {
    let of = |rest: &str| parse(&format!("{HEAD}{rest}"), "p.yaml").expect("good").fingerprint();
    assert_eq!(of("provisioners: []\n"), Policy::default().fingerprint());
    assert_ne!(of("provisioners: [a]\n"), of("provisioners: [b]\n"));
}

#[test]
fn a_policy_of_its_head_alone_is_the_standard_one() {
    assert_eq!(parse(HEAD, "p.yaml").expect("good"), Policy::default());
    assert_eq!(parse(&format!("{HEAD}rules:\ndrivers: []\n"), "p.yaml").expect("good"), Policy::default());
}

#[test]
fn what_is_written_is_read_as_the_same_policy() {
    for profile in Profile::every() {
        let policy = Policy::of_profile(profile);
        assert_eq!(parse(&write::yaml(&policy), "p.yaml").expect("good"), policy);
    }
    let policy = parse(WHOLE, "policy.yaml").expect("good");
    let again = parse(&write::yaml(&policy), "p.yaml").expect("good");
    assert_eq!(again, policy);
    assert_eq!(again.fingerprint(), policy.fingerprint());
}

#[test]
fn every_mistake_has_its_place_its_cause_and_a_way_out() {
    for (text, place, part) in [
        (
            "mode: enforec\n",
            "3:7",
            "mode: unknown value \"enforec\"; use \"enforce\" (allowed: enforce, observe)",
        ),
        ("profile: standrad\n", "3:10", "use \"standard\" (allowed: "),
        ("profile: standard@99\n", "3:10", "(allowed: standard@1, standard@2"),
        ("profile: standrad@1\n", "3:10", "(allowed: standard, relaxed, strict)"),
        ("preview: maybe\n", "3:10", "write true or false"),
        ("porfile: strict\n", "3:1", "use \"profile\""),
        ("rules:\n  sotf-mount: {action: deny}\n", "4:3", "unknown rule"),
        ("rules:\n  soft-mount: {action: refuse}\n", "4:24", "allowed: off, audit, warn, deny"),
        ("rules:\n  soft-mount: {acton: deny}\n", "4:16", "use \"action\""),
        ("rules:\n  soft-mount: deny\n", "4:15", "write soft-mount: {action: deny}"),
        ("rules:\n  timeo-not-set: {value: 60000}\n", "4:26", "is out of range (1 to 6000)"),
        ("rules:\n  timeo-not-set: {value: 99999999999}\n", "4:26", "is out of range (1 to 6000)"),
        ("rules:\n  timeo-not-set: {value: 60s}\n", "4:26", "is not a whole number; write digits"),
        ("rules:\n  timeo-not-set: {value: \"60\"}\n", "4:26", "without quotes"),
        ("rules:\n  NMG005: {action: deny}\n  soft-mount: {action: warn}\n", "5:3", "duplicate rule"),
        ("rules:\n  NMG005: {}\n  NMG005: {}\n", "5:3", "duplicate key"),
        ("rules: [soft-mount]\n", "3:8", "must be a mapping; write rules: {soft-mount: {action: deny}}"),
        ("rules: soft-mount\n", "3:8", "must be a mapping; write rules: {soft-mount: {action: deny}}"),
        ("rules: {soft-mount: [deny]}\n", "3:21", "must be a mapping; write soft-mount: {action: warn}"),
        ("provisioners: storage-operator\n", "3:15", "must be a list"),
        ("provisioners: [\"\"]\n", "3:16", "is empty"),
        ("provisioners: [1]\n", "3:16", "put it in quotes"),
        ("drivers:\n- {nfs: true}\n", "4:3", "name is required"),
        ("drivers:\n- {name: a, nfs: \"yes\"}\n", "4:18", "write true or false"),
        ("drivers: a\n", "3:10", "must be a list"),
        ("exemptions:\n- {rules: [soft-mount]}\n", "4:3", "reason is required"),
        ("exemptions:\n- {rules: [soft-mount], reason: \"  \"}\n", "4:33", "reason is required"),
        ("exemptions:\n- {reason: a}\n", "4:3", "rules is required"),
        ("exemptions:\n- {rules: [soft-mont], reason: a}\n", "4:12", "unknown rule"),
        (
            "exemptions:\n- {rules: [NMG005], reason: a, expires: 31.3.2027}\n",
            "4:41",
            "is not a date (YYYY-MM-DD)",
        ),
        (
            "exemptions:\n- {rules: [NMG005], reason: a, expires: 2027-02-30}\n",
            "4:41",
            "is not a date (YYYY-MM-DD)",
        ),
        (
            "exemptions:\n- {rules: [NMG005], reason: a, kind: Node}\n",
            "4:38",
            "StorageClass, PersistentVolume, VolumeSnapshotClass",
        ),
        ("exemptions:\n- {rules: [NMG005], reason: 5}\n", "4:29", "put it in quotes"),
        ("onUnreadable: maybe\n", "3:15", "(allowed: deny, allow)"),
        ("annotationExemptions: 1\n", "3:23", "write true or false"),
        ("---\napiVersion: nfs-mount-guard.io/v1\n", "4:1", "a second policy"),
        ("mode: [\n", "4:1", "is not YAML"),
        ("# ä\nmode: ä\n", "4:7", "(allowed: enforce, observe)"),
    ] {
        let found = mistakes(text);
        assert!(
            found.iter().any(|mistake| mistake.starts_with(&format!("{place} ")) && mistake.contains(part)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn what_is_no_policy_says_what_one_begins_with() {
    assert_eq!(
        all_mistakes("")[0],
        format!(
            "1:1 the file is empty; a policy starts with \"apiVersion: {API_VERSION}\" and \"kind: {KIND}\""
        )
    );
    let other = all_mistakes("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n");
    assert_eq!(other.len(), 1, "one fault, one message: {other:?}");
    assert!(other[0].starts_with("2:7 kind: \"ConfigMap\" is not a policy; one starts with \"apiVersion:"));
    assert!(
        all_mistakes("apiVersion: v1\nkind: MountPolicy\n")[0].contains("(allowed: nfs-mount-guard.io/v1)")
    );
    assert!(all_mistakes("- a\n")[0].starts_with("1:1 a policy must be a mapping"));
    assert!(all_mistakes("kind: MountPolicy\n")[0].contains("apiVersion is required"));
}

#[test]
fn a_misspelt_key_and_what_is_no_mapping_are_one_mistake() {
    for (text, part) in [
        ("apiversion: nfs-mount-guard.io/v1\nkind: MountPolicy\n", "1:1 unknown key \"apiversion\""),
        ("apiVersion: nfs-mount-guard.io/v1\nknd: MountPolicy\n", "2:1 unknown key \"knd\""),
        ("- a\n", "1:1 a policy must be a mapping"),
    ] {
        let all = all_mistakes(text);
        assert!(all.len() == 1 && all[0].starts_with(part), "{text}: {all:?}");
    }
    for (text, part) in [
        ("drivers: [my-driver]\n", "3:11 a driver must be a mapping; write {name: my-driver, nfs: true}"),
        ("drivers: [{nmae: a}]\n", "3:12 unknown key \"nmae\""),
        (
            "exemptions: [soft-mount]\n",
            "3:14 an exemption must be a mapping; write {rules: [soft-mount], name: ",
        ),
        ("exemptions: [{rules: [NMG005], raeson: a}]\n", "3:32 unknown key \"raeson\""),
        ("exemptions: [{rule: [NMG005], reason: a}]\n", "3:15 unknown key \"rule\""),
    ] {
        let found = mistakes(text);
        assert!(found.len() == 1 && found[0].starts_with(part), "{text}: {found:?}");
    }
}

#[test]
fn all_mistakes_come_at_once() {
    assert_eq!(mistakes("mode: a\nprofile: b\nrules: {x: {}}\n").len(), 3);
}

#[test]
fn a_file_of_nothing_but_mistakes_is_refused_quickly_and_in_little_memory() {
    let keys: Vec<String> = (0..60_000).map(|index| format!("k{index}: 1")).collect();
    for text in [format!("{{{}}}", keys.join(", ")), format!("{HEAD}rules: {{{}}}", keys.join(", "))] {
        let begun = std::time::Instant::now();
        let mistakes = parse(&text, "p.yaml").expect_err("no policy");
        assert!(mistakes.mistakes.len() <= 50 && mistakes.to_string().len() < 50_000);
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}

#[test]
fn an_action_that_yaml_takes_for_a_truth_value_is_read() {
    let policy = parse(&format!("{HEAD}rules: {{sloppy: {{action: off}}}}\n"), "p.yaml").expect("good");
    assert_eq!(policy.own_action(crate::rules::find("sloppy").expect("a rule")), Some(Action::Off));
}

#[test]
fn a_policy_in_json_is_one_in_yaml() {
    let text =
        format!("{{\"apiVersion\": \"{API_VERSION}\", \"kind\": \"{KIND}\", \"profile\": \"strict\"}}");
    assert_eq!(parse(&text, "p.json").expect("good").profile(), Profile::newest(Set::Strict));
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.schema.json");
    let wanted = format!("{:#}\n", schema::schema());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &wanted).expect("written");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == wanted, "docs/policy.schema.json is stale");
}

#[test]
fn is_found_from_the_working_folder_up_to_the_repositorys_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("a/b");
    std::fs::create_dir_all(&deep).expect("folders");
    std::fs::write(folder.path().join(FILE_NAME), "").expect("a file");
    assert_eq!(discover(&deep), None, "no repository");
    std::fs::create_dir(folder.path().join(".git")).expect("a folder");
    assert_eq!(discover(&deep), Some(folder.path().join(FILE_NAME)));
    std::fs::create_dir(folder.path().join("a/.git")).expect("a folder");
    assert_eq!(discover(&deep), None, "outside the repository");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse(&text, "p.yaml").map_err(|mistakes| mistakes.to_string());
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..WHOLE.len(), text in "\\PC{0,3}") {
        let mut damaged = WHOLE.to_owned();
        if damaged.is_char_boundary(at) {
            damaged.insert_str(at, &text);
            let _ = parse(&damaged, "p.yaml").map_err(|mistakes| mistakes.to_string());
            damaged.truncate(at);
            let _ = parse(&damaged, "p.yaml").map_err(|mistakes| mistakes.to_string());
        }
    }
}
