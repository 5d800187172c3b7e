//! `fix` does what `check` promises, and advice is true of what it is given for.

use std::path::{Path, PathBuf};
use std::{fs, iter};

use nfs_mount_guard::check::Checker;
use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::fix::Scope;
use nfs_mount_guard::engine::judge::Endpoint;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::{FileReport, FindingReport, Reported};

use crate::fixture::{TODAY, path};

fn checked(text: &str) -> FileReport {
    let policy = Policy::default();
    let check = Checker {
        policy: &policy,
        judged_as: Endpoint::Validate,
        today: TODAY,
        with_fixes: false,
        marks_unfixed: true,
        joins_inputs: false,
    };
    check.bytes(Path::new("a.yaml"), "a.yaml", text.as_bytes().to_vec(), true)
}

fn fixed(text: &str, scope: Scope) -> String {
    let repaired = repair(&Policy::default(), TODAY, scope, text, &|_| true);
    repaired.text.unwrap_or_else(|| text.to_owned())
}

/// The findings that are shown.
fn shown(report: &FileReport) -> impl Iterator<Item = &FindingReport> {
    let findings = report.subjects.iter().flat_map(|subject| &subject.findings);
    findings.filter(|finding| finding.action > Reported::Audit)
}

fn messages(text: &str) -> Vec<String> {
    shown(&checked(text)).map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
}

fn yaml_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let all = entries.flat_map(|path| if path.is_dir() { yaml_in(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// Some findings go away with the fix of another one, and some fixes bring what only a readable list shows.
#[test]
fn as_many_findings_are_repaired_as_check_says() {
    let (mut texts, mut repaired) = (0, 0);
    let files = ["rules", "cases", "check"].into_iter().flat_map(|name| yaml_in(&path(name)));
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let before = checked(&text);
        let promised = shown(&before).filter(|finding| finding.is_left == Some(false)).count();
        if !shown(&before).any(FindingReport::is_fixable) {
            continue;
        }
        let after = checked(&fixed(&text, Scope::FILE));
        let mut known: Vec<_> = shown(&before).map(|finding| finding.code).collect();
        let left = shown(&after).filter(|finding| {
            let at = known.iter().position(|code| *code == finding.code);
            at.map(|at| known.swap_remove(at)).is_some()
        });
        assert_eq!(shown(&before).count() - promised, left.count(), "{}", file.display());
        (texts, repaired) = (texts + 1, repaired + promised);
    }
    assert!(texts > 40 && repaired > 300, "{texts} {repaired}");
}

#[test]
fn a_finding_that_goes_with_another_is_counted() {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec:\n  capacity: {storage: 1Gi}\n  \
                accessModes: [ReadWriteMany]\n  nfs: {server: 192.0.2.1, path: /e}\n  \
                mountOptions: [\"bg,nocto\", cto]\n";
    let marks: Vec<_> = shown(&checked(text)).map(|finding| finding.is_left).collect();
    assert_eq!(marks, iter::repeat_n(Some(false), marks.len()).collect::<Vec<_>>());
    assert_eq!(messages(&fixed(text, Scope::FILE)), [""; 0]);
}

fn volume(source: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  capacity: {{storage: 1Gi}}\n  \
         accessModes: [ReadWriteMany]\n  {source}\n{rest}"
    )
}

#[test]
fn what_has_no_effect_is_dropped_and_not_moved() {
    let list = "  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]\n";
    for (lost, rest, remedy, written) in [
        (
            "intr, nofail, hard",
            "",
            "add hard to spec.mountOptions; intr, nofail have no effect",
            "[hard, fg, ",
        ),
        ("intr, hard", "", "add hard to spec.mountOptions; intr has no effect", "[hard, fg, "),
        ("intr, _netdev", "", "delete it: none of its options has an effect", "[fg, timeo=600, "),
        ("intr, nolock", list, "delete it: none of its options has an effect", "[nfsvers=4.1, hard, fg, "),
        (
            "nolock, vers=4.2",
            "",
            "add vers=4.2 to spec.mountOptions; nolock has no effect",
            "[vers=4.2, fg, ",
        ),
    ] {
        let text = volume(&format!("nfs: {{server: 192.0.2.1, path: /e, mountOptions: [{lost}]}}"), rest);
        let said = messages(&text);
        assert!(said.iter().any(|message| message.ends_with(remedy)), "{lost}: {said:?}");
        let new = fixed(&text, Scope::FILE);
        assert!(
            new.contains(&format!("mountOptions: {written}")) && new.contains("path: /e}"),
            "{lost}: {new}"
        );
    }
    // It may count in another way: a person decides.
    let text = volume("nfs: {server: 192.0.2.1, path: /e, mountOptions: [intr, ro]}", "");
    let said = messages(&text);
    let reason = "add ro to spec.mountOptions; intr has no effect; fix does not do so unasked: \"ro\" may change what \
                  the mount does";
    assert!(said.iter().any(|message| message.ends_with(reason)), "{said:?}");
}

#[test]
fn a_directive_of_a_patch_is_no_option() {
    for options in
        ["mountOptions: [$patch: replace, bg]", "mountOptions:\n- hard\n- $setElementOrder/x: [a]\n"]
    {
        let text = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\n\
             {options}\n"
        );
        let report = checked(&text);
        let message = &report.errors.first().expect("an error").message;
        assert!(message.contains("is a directive of a strategic merge patch, not an option"), "{message}");
        assert_eq!(fixed(&text, Scope::FILE_UNSAFE), text);
    }
}

/// The key is read for NFS alone: in a class, too, whose volumes may be something else.
#[test]
fn unsafe_fixes_write_into_the_key_that_a_warning_names() {
    let text = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\n\
                provisioner: driver.longhorn.io\nparameters: {nfsOptions: \"vers=4.1,hard,timeo=60s\"}\n";
    let said = messages(text);
    assert!(said.iter().any(|message| message.ends_with("write it into parameters.nfsOptions")), "{said:?}");
    assert_eq!(fixed(text, Scope::FILE), text);
    let new = fixed(text, Scope::FILE_UNSAFE);
    assert!(new.contains("nfsOptions: \"vers=4.1,hard,timeo=600,fg,retrans=2\""), "{new}");
    assert_eq!(messages(&new), [""; 0]);
}

#[test]
fn a_source_with_a_placeholder_for_its_name_is_not_rendered() {
    for key in ["${SOURCE}", "\"${SOURCE}\"", "\"${SOURCE}:\"", "$(SOURCE)"] {
        let text = volume(&format!("{key}: {{server: 192.0.2.1, path: /e}}"), "  mountOptions: [hard, bg]\n");
        let report = checked(&text);
        let subject = report.subjects.first().unwrap_or_else(|| panic!("{key}: {report:?}"));
        assert!(subject.not_rendered[0].contains("SOURCE"), "{key}: {:?}", subject.not_rendered);
        let codes: Vec<_> = shown(&report).map(|finding| finding.code.to_string()).collect();
        assert_eq!(codes, ["NMG001"], "{key}");
    }
    // Another source is there: the key is something else.
    let text = volume("nfs: {server: 192.0.2.1, path: /e}\n  ${MORE}: x", "  mountOptions: [hard, bg]\n");
    assert_eq!(checked(&text).subjects[0].not_rendered, [""; 0]);
}

#[test]
fn minutes_in_their_unit_get_the_number_to_write() {
    for (option, remedy) in [
        ("retry=5m", "use at most retry=2"),
        ("\"retry=5 minutes\"", "use retry=5"),
        ("\"timeo=60 seconds\"", "use timeo=600"),
        ("sec=unix", "use sec=sys"),
        ("proto=tcp4", "use proto=tcp"),
        ("retrans=3x", "use retrans=3"),
    ] {
        let rest = format!("  mountOptions: [{option}, nfsvers=4.1]\n");
        let said = messages(&volume("nfs: {server: 192.0.2.1, path: /e}", &rest));
        assert!(said.iter().any(|message| message.ends_with(remedy)), "{option}: {said:?}");
    }
}
