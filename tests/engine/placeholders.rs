//! Placeholders that a program fills in later: what has one is not judged and
//! not touched in a file, all else is; at admission it is an option like any.

use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::engine::fix::{Scope, fix_all, unchanged};
use nfs_mount_guard::finding::Action;
use nfs_mount_guard::kind::Kind;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::Nfs;
use nfs_mount_guard::subject::manifest::Manifest;
use serde_json::{Value, json};

use crate::fixture::{TODAY, judge};

fn class(options: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
    })
}

/// Returns the findings in an object of a file, without those that are only counted.
fn in_file<T>(object: &Value, look: impl FnOnce(&Subject<'_>, Vec<(u16, Action)>) -> T) -> T {
    let text = object.to_string();
    let manifest: Manifest<'_> = serde_json::from_str(&text).expect("a manifest");
    let kind = Kind::parse(object["kind"].as_str().expect("a kind")).expect("a kind");
    let subject = Subject::in_file(kind, None, &manifest, &[]);
    let evaluation = evaluate(&Policy::default(), &subject, TODAY);
    let found = evaluation.findings.iter().map(|judged| (judged.finding.code.0, judged.action)).collect();
    look(&subject, found)
}

#[test]
fn nothing_is_demanded_of_a_list_with_a_placeholder_and_the_piece_is_not_judged() {
    for options in [
        &["nfsvers=${V:=4.1}"][..],
        &["${OPTIONS}"],
        &["$(OPTIONS)"],
        &["{{ x }}"],
        &["${X:-fg}"],
        &["fsc=${X:-bg}", "timeo=${T:-bg}"],
        &["{{ if .x }}fg{{ else }}hard{{ end }}"],
        &["{{ if eq .x \"bg\" }}"],
        &["{{- include \"a.b\" . | join \",\" }}"],
        &["timeo=${T}s"],
        &["${A}${B}=${C}"],
        &["hard=${X}"],
        &["proto=$(X)", "hard"],
        &["soft${X}", "timeo={{ .Values.timeo }}0"],
        &["${X:-a,b \"c\\}", "hard"],
        &["soft", "timeo=${T}"],
        &["nfsvers=${V}", "vers=4.1", "fg"],
    ] {
        in_file(&class(options), |subject, found| {
            let told: Vec<_> = found.iter().filter(|(code, _)| *code != 5 && *code != 15).collect();
            assert!(told.is_empty(), "{options:?}: {told:?}");
            assert!(!subject.placeholders().is_empty(), "{options:?}");
            let fixed = fix_all(&Policy::default(), subject, TODAY, Scope::FILE_UNSAFE);
            assert_eq!(fixed, unchanged(subject), "{options:?}");
        });
    }
}

#[test]
fn every_other_piece_is_judged_and_bg_always() {
    for (options, code) in [
        (&["nfsvers=${V}", "bg"][..], 1),
        (&["${X}", "hard,bg"], 1),
        (&["hard,${X},bg"], 1),
        (&["bg=${X}"], 1),
        (&["${X:-hard,bg,fg}"], 1),
        (&["${X:=bg}", "fg"], 1),
        (&["${X:+bg}"], 1),
        (&["{{ .Values.mode | default \"bg\" }}"], 1),
        (&["{{ \"bg\" }}"], 1),
        (&["{{ list \"hard\" \"bg\" | join \",\" }}"], 1),
        (&["{{ if .Values.bg }}bg{{ else }}fg{{ end }}"], 1),
        (&["{{- if .x -}}hard,bg{{- else -}}fg{{- end }}"], 1),
        (&["${A:-${B:-bg}}"], 1),
        (&["fsc=${A:-a,bg}"], 1),
        (&["${X}", "nonsense"], 11),
        (&["${X}", "timeo=60s"], 12),
        (&["${X},nonsense"], 11),
        (&["${X}", "udp"], 13),
        (&["${X}", "sloppy"], 14),
        (&["${X}", "mounthost=a", "nfsvers=3"], 19),
        (&["nfsvers=${V}", "soft", "timeo=10", "retrans=2"], 6),
        (&["${X}", "soft", "timeo=10", "retrans=2"], 6),
        (&["timeo=${T}", "soft", "timeo=10", "retrans=2"], 6),
        (&["soft", "timeo=10", "retrans=2", "x-${X}"], 6),
        (&["soft", "timeo=10", "retrans=2", "no${X}"], 6),
        (&["soft", "timeo=10", "retrans=2", "a${X}b=c"], 6),
        (&["soft", "retrans=0", "timeo=${T}"], 6),
    ] {
        in_file(&class(options), |_, found| {
            assert!(found.contains(&(code, Action::Deny)), "{options:?}: {found:?}");
        });
    }
}

/// A driver that sorts its list, or keeps one of each word, gives a placeholder a place by what it becomes.
#[test]
fn a_placeholder_before_a_soft_mount_counts_only_where_the_driver_moves_it() {
    let options = ["${X}", "soft", "timeo=10", "retrans=2"];
    let tells = |object: &Value| in_file(object, |_, found| found.iter().any(|(code, _)| *code == 6));
    let in_tree = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {"nfs": {"server": "a", "path": "/a"}, "mountOptions": options, "accessModes": ["ReadWriteMany"]},
    });
    assert!(tells(&class(&options)));
    assert!(!tells(&in_tree), "kubelet sorts the list");
}

#[test]
fn a_soft_mount_is_not_judged_while_a_later_placeholder_may_change_it() {
    for options in [
        &["soft", "timeo=10", "retrans=2", "${X}"][..],
        &["soft", "timeo=10", "h${X}", "retrans=2"],
        &["soft", "timeo=10", "${X}"],
        &["soft", "timeo=10", "retrans=2", "timeo=${T}"],
        &["${X}", "timeo=10", "soft"],
    ] {
        let codes =
            in_file(&class(options), |_, found| found.iter().map(|(code, _)| *code).collect::<Vec<_>>());
        assert!(codes.contains(&5) && !codes.contains(&6), "{options:?}: {codes:?}");
    }
}

/// Over UDP each retry doubles the wait: 40 s over TCP are a minute over UDP.
#[test]
fn a_soft_mount_is_judged_by_the_longer_timeout_while_the_transport_may_come() {
    let tells = |options: &[&str]| in_file(&class(options), |_, found| found.contains(&(6, Action::Deny)));
    assert!(tells(&["soft", "timeo=100", "retrans=3"]));
    assert!(!tells(&["${X}", "soft", "timeo=100", "retrans=3"]));
    assert!(tells(&["${X}", "soft", "timeo=100", "retrans=3", "proto=tcp"]));
}

#[test]
fn a_fix_changes_other_pieces_and_never_one_with_a_placeholder() {
    for (options, wanted) in [
        (&["hard,${X},bg,timeo={{ t }}"][..], &["hard,${X},fg,timeo={{ t }}"][..]),
        (&["bg=${X}", "hrad"], &["bg=${X}", "hard"]),
        (&["${X:-soft,bg,hard}"], &["${X:-soft,bg,hard}"]),
        (&["${X:=bg}"], &["${X:=bg}"]),
        (&["intr,${X}", "timeo=60s"], &["${X}", "timeo=600"]),
        (&[" timeo=${X} ", " hard"], &[" timeo=${X} ", "hard"]),
    ] {
        in_file(&class(options), |subject, _| {
            let fixed = fix_all(&Policy::default(), subject, TODAY, Scope::FILE_UNSAFE);
            assert_eq!(fixed[0], wanted, "{options:?}");
        });
    }
}

#[test]
fn a_placeholder_may_be_in_any_place() {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "a", "annotations": {"volume.beta.kubernetes.io/mount-options": "vers=${V:-4,1},hard"}},
        "spec": {"nfs": {"server": "${NAS}", "path": "/a"}},
    });
    let attribute = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {"csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": "a", "volumeAttributes": {"mountOptions": "hard,$(X)"}}},
    });
    let version = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nasplugin.csi.alibabacloud.com", "mountOptions": ["vers=${V}", "hard"],
    });
    for object in [volume, attribute, version] {
        in_file(&object, |subject, found| {
            assert!(!subject.placeholders().is_empty(), "{object}");
            let told: Vec<_> = found.iter().filter(|(code, _)| *code < 10 || *code == 12).collect();
            assert!(told.is_empty(), "{object}: {told:?}");
        });
    }
}

#[test]
fn what_decides_whether_it_is_nfs_may_be_a_placeholder() {
    let object = |protocol: &str| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "file.csi.azure.com", "parameters": {"protocol": protocol}, "mountOptions": ["bg"],
        })
    };
    in_file(&object("smb"), |subject, _| assert_eq!(subject.nfs, Nfs::No));
    for protocol in ["${P}", "{{ .Values.protocol }}", "n$(P)"] {
        in_file(&object(protocol), |subject, found| {
            assert_eq!(subject.nfs, Nfs::Depends, "{protocol}");
            assert!(found.contains(&(1, Action::Deny)), "{found:?}");
        });
    }
    let mut driver = class(&["bg"]);
    driver["provisioner"] = json!("${DRIVER}");
    in_file(&driver, |subject, found| {
        assert_eq!(subject.placeholders(), ["${DRIVER}"]);
        assert!(found.contains(&(1, Action::Deny)), "{found:?}");
    });
}

#[test]
fn a_deletion_is_not_judged_before_its_parameter_is_known() {
    let object = |on_delete: &str| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "nfs.csi.k8s.io", "parameters": {"onDelete": on_delete},
            "mountOptions": ["port=12049", "nfsvers=4.1", "fg", "timeo=600", "retrans=2"],
        })
    };
    let speaks = |on_delete| in_file(&object(on_delete), |_, found| found.contains(&(21, Action::Warn)));
    assert!(speaks("delete") && !speaks("retain") && !speaks("${ON_DELETE}"));
}

#[test]
fn at_admission_a_placeholder_is_an_unknown_option() {
    let object = class(&["${X}", "nfsvers=${V}"]).to_string();
    judge(&object, &Policy::default(), |subject, evaluation| {
        let codes: Vec<_> = evaluation.with(Action::Deny).map(|judged| judged.finding.code.0).collect();
        for code in [2, 3, 4, 11, 12] {
            assert!(codes.contains(&code), "{codes:?}");
        }
        assert!(subject.placeholders().is_empty());
    });
}

#[test]
fn what_only_looks_like_a_placeholder_is_judged() {
    for option in ["nfsvers=%V%", "$X", "timeo=${X", "timeo=$(X", "{x}", "timeo={{ x"] {
        in_file(&class(&[option]), |_, found| {
            assert!(found.iter().any(|(code, _)| [9, 11, 12].contains(code)), "{option}: {found:?}");
        });
    }
}

/// A placeholder may become the version with which an option counts.
#[test]
fn an_option_is_not_without_effect_as_long_as_the_version_may_come() {
    for options in [&["minorversion=1", "${V}"][..], &["fg", "minorversion=2", "vers=${V}"]] {
        let codes =
            in_file(&class(options), |_, found| found.iter().map(|(code, _)| *code).collect::<Vec<_>>());
        assert!(!codes.contains(&15), "{options:?}: {codes:?}");
    }
    let codes = in_file(&class(&["minorversion=1"]), |_, found| {
        found.iter().map(|(code, _)| *code).collect::<Vec<_>>()
    });
    assert!(codes.contains(&15), "{codes:?}");
}

/// A driver that makes letters small does so with what the placeholder becomes.
#[test]
fn a_placeholder_keeps_its_letters_where_the_driver_folds() {
    let mut object = class(&["${X},HARD", "nfsvers={{ .Values.Version }},FG"]);
    object["provisioner"] = "efs.csi.aws.com".into();
    in_file(&object, |subject, _| {
        assert_eq!(subject.placeholders(), ["${X}", "nfsvers={{ .Values.Version }}"]);
        let effective = subject.options.joined();
        assert!(effective.starts_with("${X},hard,nfsvers={{ .Values.Version }},fg"), "{effective}");
    });
}

/// The API server has stored an object with a uid: nothing renders it any more, and its options are the
/// text that stands there.
#[test]
fn an_object_with_a_uid_has_no_placeholders() {
    for option in ["${X}", "$(X)", "{{ x }}", "timeo=${T}", "${X:=bg}"] {
        let mut object = class(&["nfsvers=4.1", option, "fg", "timeo=600", "retrans=2"]);
        in_file(&object, |subject, _| assert_eq!(subject.placeholders(), [option]));
        object["metadata"]["uid"] = json!("0f9d1f2e-6a3b-4a51-9d0e-0c1f3a7b5c11");
        in_file(&object, |subject, found| {
            assert!(subject.placeholders().is_empty() && !subject.options.has_unrendered(), "{option}");
            let denied = found.iter().filter(|(code, action)| *action == Action::Deny && *code != 1);
            assert!(denied.count() > 0, "{option}: {found:?}");
        });
    }
}
