//! Checks properties of any object.

use nfs_mount_guard::engine::decide::Decision;
use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::engine::fix::{Scope, fix_all, fix_once, unchanged};
use nfs_mount_guard::finding::{Applicability, Edit};
use nfs_mount_guard::nfs::option::{MountOption, split};
use nfs_mount_guard::nfs::reading::{Latitude, Reader, background_word, every_piece, may_go_to_background};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::evidence::Evidence;
use nfs_mount_guard::subject::driver::refusal::What;
use nfs_mount_guard::subject::driver::{Nfs, drivers};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{TODAY, is_named, judge, mutate, validate};

/// An element as people, tools and attackers write it.
fn element() -> impl Strategy<Value = String> {
    let keyword = prop::sample::select(
        nfs_mount_guard::nfs::catalog::entries().map(|(keyword, _)| keyword).collect::<Vec<_>>(),
    );
    let value = prop_oneof!["=[0-9]{1,5}", "=[a-z]{1,6}", Just("=".to_owned()), Just(String::new())];
    let option = (keyword, value).prop_map(|(keyword, value)| format!("{keyword}{value}"));
    let disguise = prop::sample::select(vec![
        "bg",
        "bg=0",
        "fg",
        "hard,bg",
        "nolock,,bg",
        " bg",
        "BG",
        "\"bg\"",
        "x=\"a,bg",
        "b\"",
        "b\\g",
        "'bg'=1",
        "context=\"a,bg,c\"",
        "b\",bg,context=\"c",
        "comment=\\\",bg,x-a=\"y\\\"\"",
        "bg=\"a,fg\"",
        "comment=a\\",
        "bg\\",
        "timeo=60s",
        "harrd",
        "vers=3",
        "nfsvers=4.1",
        "udp",
        "soft,timeo=10,retrans=1",
        ",",
        "",
        "=",
        "noac,actimeo=60",
        "sloppy",
    ]);
    prop_oneof![
        4 => option,
        3 => disguise.prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
}

fn driver_name() -> impl Strategy<Value = String> {
    let names =
        drivers().flat_map(|driver| driver.names).map(|name| name.replace('*', "x")).collect::<Vec<_>>();
    prop_oneof![
        3 => Just("nfs.csi.k8s.io".to_owned()),
        5 => prop::sample::select(names),
        1 => Just("nobody.knows.example.com".to_owned()),
    ]
}

fn class() -> impl Strategy<Value = Value> {
    (driver_name(), prop::collection::vec(element(), 0..6), parameters()).prop_map(
        |(driver, options, parameters)| {
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
                "provisioner": driver, "mountOptions": options, "parameters": parameters,
            })
        },
    )
}

/// Keys that the table speaks of, with values that make its clues and variants
/// apply, and others.
fn parameters() -> impl Strategy<Value = Value> {
    let mut of_options = vec!["mountOptions", "options", "mount_options", "nodePublishOptions"];
    let mut clues = vec![("vers", vec!["3", "4.1", "3.0"]), ("fsType", vec!["nfs", "ext4"])];
    for driver in drivers() {
        of_options.extend(driver.carriers.iter().map(|carrier| carrier.key));
        let variants = driver.variants.iter().map(|variant| variant.when);
        for evidence in driver.clues.iter().map(|clue| clue.evidence).chain(variants) {
            clues_of(&evidence, &mut clues);
        }
        for refused in driver.refuses {
            if let What::Setting(setting) = refused.what {
                clues.push((setting.key, vec!["true", "false", "maybe", "10.0.0.9", "/a", ""]));
            }
            refused.when.iter().for_each(|when| clues_of(when, &mut clues));
        }
    }
    let options = (
        prop::sample::select(of_options),
        prop_oneof![element(), prop::collection::vec(element(), 0..4).prop_map(|list| list.join(",")),],
    );
    let clue = prop::sample::select(clues)
        .prop_flat_map(|(key, values)| (Just(key), prop::sample::select(values).prop_map(str::to_owned)));
    let pair = prop_oneof![options, clue];
    prop::collection::vec(pair, 0..4).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect())
    })
}

/// Keys and values that make evidence apply.
fn clues_of(evidence: &Evidence, clues: &mut Vec<(&'static str, Vec<&'static str>)>) {
    match evidence {
        Evidence::Value(key, values)
        | Evidence::Parameter(key, values)
        | Evidence::Attribute(key, values) => {
            clues.push((key, values.to_vec()));
        }
        Evidence::Key(key) | Evidence::NoKey(key) | Evidence::Text(key) => clues.push((key, vec!["1"])),
        Evidence::All(several) | Evidence::Any(several) => {
            several.iter().for_each(|evidence| clues_of(evidence, clues));
        }
        Evidence::Not(evidence) => clues_of(evidence, clues),
        _ => {}
    }
}

fn volume() -> impl Strategy<Value = Value> {
    let annotation =
        prop::option::weighted(0.3, prop::collection::vec(element(), 0..4).prop_map(|list| list.join(",")));
    let modes = prop::sample::subsequence(vec!["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"], 0..3);
    let source = prop_oneof![
        Just(json!({"nfs": {"server": "a", "path": "/"}})),
        (driver_name(), parameters(), handle()).prop_map(|(driver, attributes, handle)| {
            json!({"csi": {"driver": driver, "volumeHandle": handle, "volumeAttributes": attributes}})
        }),
        (driver_name(), parameters())
            .prop_map(|(driver, options)| { json!({"flexVolume": {"driver": driver, "options": options}}) }),
    ];
    let lists = prop::collection::vec(element(), 0..6);
    (source, lists, annotation, modes, any::<bool>()).prop_map(
        |(source, options, annotation, modes, provisioned)| {
            let mut object = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a", "annotations": {}},
                "spec": source,
            });
            object["spec"]["mountOptions"] = json!(options);
            object["spec"]["accessModes"] = json!(modes);
            if let Some(annotation) = annotation {
                object["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"] =
                    json!(annotation);
            }
            if provisioned {
                object["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] = json!("a");
            }
            object
        },
    )
}

fn handle() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "s3files:fs-0123", "fs-01::fsap-01", "a/b/nfs", "a/b/scsi"])
}

pub fn object() -> impl Strategy<Value = Value> {
    prop_oneof![class(), volume()]
}

/// Drivers of disks, by the pages of their vendors.
const DISKS: [&str; 4] =
    ["ebs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com", "rbd.csi.ceph.com"];

/// Returns true if every place that a fix touches is one that the webhook patches.
fn is_patchable(subject: &Subject<'_>, edits: &[Edit]) -> bool {
    edits.iter().all(|edit| {
        let carrier = match edit {
            Edit::Replace { site, .. } | Edit::Remove { site } => site.carrier,
            Edit::Split { carrier, .. } | Edit::Append { carrier, .. } => *carrier,
            Edit::Rename(renaming) => return renaming.from.is_patchable(),
        };
        subject.carriers[carrier].place.is_patchable()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn after_the_patch_nothing_is_left_that_the_webhook_would_fix(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, _| {
            let patched = match mutate(&policy, subject) {
                Decision::Patch(elements) => elements,
                _ => unchanged(subject),
            };
            let patched = subject.with_elements(&patched);
            let evaluation = evaluate(&policy, &patched, TODAY);
            let left: Vec<_> = evaluation
                .findings
                .iter()
                .filter(|judged| {
                    judged.finding.fix.as_ref().is_some_and(|fix| {
                        fix.applicability == Applicability::Apply && is_patchable(&patched, &fix.edits)
                    })
                })
                .collect();
            assert!(left.is_empty(), "{object}: {left:?}");
            let again = mutate(&policy, &patched);
            assert_eq!(again, Decision::Allow, "patched twice: {object}");
        });
    }

    #[test]
    fn after_the_patch_nothing_is_bg_to_any_layer_where_the_webhook_writes(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, _| {
            if subject.nfs == Nfs::No || subject.overlong.is_some() {
                return;
            }
            let patched = match mutate(&policy, subject) {
                Decision::Patch(elements) => elements,
                _ => unchanged(subject),
            };
            let folds = subject.may_fold();
            for (carrier, elements) in subject.carriers.iter().zip(&patched) {
                if !carrier.place.is_patchable() {
                    continue;
                }
                for piece in elements.iter().flat_map(|element| element.split(',')) {
                    let word = piece.split('=').next().unwrap_or_default().replace(['"', '\'', '\\'], "");
                    let is_bg = word == "bg" || folds && word.trim().eq_ignore_ascii_case("bg");
                    assert!(!is_bg, "{object}: {piece}");
                }
                let joined = elements.join(",");
                for reader in Reader::MOUNTS {
                    let given = reader.hands_on(&joined, true);
                    let has_bg = Reader::MountNfs.options(&given).iter().any(|option| MountOption::new(*option).keyword() == "bg");
                    assert!(!has_bg, "{object}: {reader:?} makes {given:?} of {joined:?}");
                }
            }
        });
    }

    #[test]
    fn no_layer_finds_an_option_that_begins_between_two_commas(text in element(), other in element()) {
        let joined = format!("{text},{other}");
        let starts: Vec<usize> = every_piece(&joined).map(|piece| piece.range.start).collect();
        for reader in Reader::MOUNTS.into_iter().chain([Reader::MountNfs, Reader::Kernel]) {
            for option in reader.options(&joined) {
                let start = option.as_ptr() as usize - joined.as_ptr() as usize;
                prop_assert!(starts.contains(&start), "{:?} of {:?}", option, joined);
            }
        }
        if may_go_to_background(&joined) {
            let latitude = Latitude { folds: false, trims: false };
            prop_assert!(every_piece(&joined).any(|piece| background_word(piece.text, latitude).is_some()));
        }
    }

    #[test]
    fn fixing_twice_is_fixing_once_and_leaves_no_fix(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, _| {
            let once = fix_all(&policy, subject, TODAY, Scope::FILE);
            let fixed = subject.with_elements(&once);
            let twice = fix_all(&policy, &fixed, TODAY, Scope::FILE);
            assert_eq!(once, twice, "{object}");
            let evaluation = evaluate(&policy, &fixed, TODAY);
            assert_eq!(fix_once(&fixed, &evaluation, Scope::FILE), once, "{object}");
        });
    }

    #[test]
    fn options_of_a_disk_are_never_touched(object in object(), disk in prop::sample::select(&DISKS[..])) {
        let mut object = object;
        if object["kind"] == "StorageClass" {
            object["provisioner"] = json!(disk);
        } else {
            let attributes = object["spec"]["csi"]["volumeAttributes"].take();
            let spec = object["spec"].as_object_mut().expect("a spec");
            spec.retain(|key, _| !["nfs", "csi", "flexVolume"].contains(&&**key));
            spec.insert("csi".to_owned(), json!({"driver": disk, "volumeHandle": "a", "volumeAttributes": attributes}));
        }
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, evaluation| {
            assert_eq!(evaluation.findings.len(), 0, "{object}");
            assert_eq!(mutate(&policy, subject), Decision::Allow, "{object}");
            assert_eq!(validate(&policy, subject), Decision::Allow, "{object}");
            assert_eq!(fix_all(&policy, subject, TODAY, Scope::FILE), unchanged(subject), "{object}");
        });
    }

    #[test]
    fn elements_not_concerned_keep_their_bytes(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, evaluation| {
            let fixed = fix_once(subject, evaluation, Scope::WEBHOOK);
            for (index, carrier) in subject.carriers.iter().enumerate() {
                for (element_index, element) in carrier.elements.iter().enumerate() {
                    let is_concerned = evaluation.findings.iter().any(|judged| {
                        judged.finding.site.as_ref().is_some_and(|site| {
                            (site.carrier, site.element) == (index, element_index)
                        })
                    });
                    let is_list = fixed[index].len() >= carrier.elements.len();
                    if !is_concerned && is_list && carrier.place.pointer(Some(0)).ends_with("/0") {
                        assert!(fixed[index].iter().any(|kept| kept == element), "{object}: {element}");
                    }
                }
            }
        });
    }

    #[test]
    fn splitting_and_joining_gives_the_same_text(text in element()) {
        let pieces: Vec<&str> = split(&text).map(|piece| piece.text).collect();
        prop_assert_eq!(pieces.join(","), text.as_str());
        for piece in split(&text) {
            prop_assert_eq!(&text[piece.range.clone()], piece.text);
        }
    }

    #[test]
    fn an_option_is_its_keyword_and_value(text in any::<String>()) {
        let option = MountOption::new(text.as_str());
        let joined = option.value().map_or(option.keyword().to_owned(), |value| format!("{}={value}", option.keyword()));
        prop_assert_eq!(joined, text.as_str());
    }

    #[test]
    fn the_layout_of_what_was_laid_out_is_the_same(object in object()) {
        judge(&object.to_string(), &Policy::default(), |subject, _| {
            let again = unchanged(subject);
            assert_eq!(subject.with_elements(&again).effective(), subject.effective());
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// Every option that reaches the mount before the webhook's patch reaches it
    /// after, but for what a finding names, and where `/validate` refuses the
    /// result all the same (a quoted `fg="` displaces the `fg` of a driver that
    /// keeps one option a key).
    #[test]
    fn patching_never_takes_an_option_out_of_force(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, evaluation| {
            let Decision::Patch(elements) = mutate(&policy, subject) else { return };
            let patched = subject.with_elements(&elements);
            if validate(&policy, &patched) == Decision::Deny {
                return;
            }
            let after: Vec<&str> = patched.options.effective().map(|token| token.option.text()).collect();
            for token in subject.options.effective() {
                let text = token.option.text();
                assert!(is_named(evaluation, token.site.as_ref()) || after.contains(&text), "{text:?} is lost: {object}: {after:?}");
            }
        });
    }
}
