//! NMG020: options at a place that nothing reads, or that the driver refuses.

use super::{About, Actions, Check, Example, Rule};
use crate::finding::{Action, Code, Finding, Grade};
use crate::kind::Holds;
use crate::nfs::option::MountOption;
use crate::nfs::reading;
use crate::site::Place;
use crate::subject::driver::{self, ListUse, On, Role, UnknownParameters};

pub(super) static RULE: Rule = Rule {
    code: Code(20),
    name: "unread-options",
    summary: "options at a place that nothing reads, or that the driver refuses",
    why: "Kubernetes and most drivers drop a key that they do not know without a word, and the volume is mounted \
without its options. Some drivers refuse a StorageClass with such a parameter: csi-driver-nfs takes no \
`parameters.mountOptions` and no `parameters.nfsVersion`, so no volume is ever made.",
    remedy: "Write the options in `mountOptions` of the class, or in `spec.mountOptions` of the volume. A class with a \
refused parameter has to be deleted and made again, because parameters cannot be changed.",
    actions: Actions::all(Action::Deny),
    lesser: Some((Actions::all(Action::Warn), "the options are only lost")),
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /export, mountOptions: nfsvers=4.1}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /export}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
    },
    references: &[
        "csi-driver-nfs pkg/nfs/controllerserver.go, CreateVolume",
        "https://github.com/kubernetes/kubernetes/issues/96284",
    ],
    since: 2,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut Check<'_, '_>) {
    let subject = check.subject;
    let holds = subject.kind.row().holds;
    for misplaced in subject.misplaced {
        let place = Place::Field(misplaced.path.clone());
        let field = place.field(None);
        let bg = bg(&misplaced.texts);
        let kind = subject.kind;
        let use_instead = match Place::MountOptions(kind).field(None) {
            list if list.is_empty() => String::new(),
            list => format!("; use {list}"),
        };
        let message = format!("{field} is no field of a {kind}, so its options are lost{bg}{use_instead}");
        report(check, 0, place, Grade::Lesser, message);
    }
    if let Some(text) = subject.unread_annotation {
        let bg = bg(&[text]);
        let what = if holds == Holds::Volume { "a CSI volume" } else { "a class" };
        let message = format!("the annotation is not read on {what}, so its options are lost{bg}");
        report(check, 0, Place::Annotation, Grade::Lesser, message);
    }
    // Of a driver whose source was not read, another key may be one it reads.
    if subject.provisioned_by.is_some() || !subject.driver.known.is_read() {
        return;
    }
    for (index, carrier) in subject.carriers.iter().enumerate() {
        let Some(key) = carrier.place.key() else { continue };
        // One fault, one finding: NMG012 speaks of what the driver refuses.
        let is_unread = carrier.role == Some(Role::NotTaken) && carrier.refused.is_none();
        let names_options = driver::names_mount_options(key) || is_refused(check);
        if is_unread && !carrier.is_empty() && names_options {
            report_key(check, index, &carrier.place, &carrier.elements);
        }
    }
    for (key, value) in subject.keys() {
        let may_be_meant =
            driver::resembles_mount_options(key) || driver::names_version(key) && is_refused(check);
        let is_carrier = || subject.carriers.iter().any(|carrier| carrier.place.key() == Some(key));
        if may_be_meant && !value.is_empty() && !is_carrier() {
            let place = subject.place_of_key(key);
            report_key(check, 0, &place, &[value]);
        }
    }
}

/// Whether the driver refuses the object for a parameter that it does not know.
fn is_refused(check: &Check<'_, '_>) -> bool {
    let subject = check.subject;
    match subject.kind.row().holds {
        Holds::Class => subject.driver.unknown_parameters == UnknownParameters::Refused,
        // csi-driver-nfs pkg/nfs/controllerserver.go, newNFSSnapshot.
        Holds::Snapshots => std::ptr::eq(subject.driver, driver::csi_driver_nfs()),
        Holds::Volume | Holds::InlineVolumes(_) => false,
    }
}

/// Says what becomes of a parameter or an attribute that the driver does not read.
fn report_key(check: &mut Check<'_, '_>, carrier: usize, place: &Place, texts: &[&str]) {
    let (name, bg) = (place.short(), bg(texts));
    let made = if check.subject.kind.row().holds == Holds::Class { "volume" } else { "snapshot" };
    let (grade, message) = if is_refused(check) {
        (Grade::Proper, format!("the driver refuses {name}{bg}, so no {made} is made"))
    } else {
        (Grade::Lesser, format!("the driver does not read {name}, so its options are lost{bg}"))
    };
    let message = match remedy(check) {
        Some(remedy) => format!("{message}; use {remedy}"),
        None => message,
    };
    report(check, carrier, place.clone(), grade, message);
}

/// The place from which the driver takes options.
fn remedy(check: &Check<'_, '_>) -> Option<String> {
    let subject = check.subject;
    let holds = subject.kind.row().holds;
    if holds == Holds::Snapshots {
        return std::ptr::eq(subject.driver, driver::csi_driver_nfs())
            .then(|| "parameters.mountOptions".to_owned());
    }
    if subject.driver.list == ListUse::Used && !subject.kind.row().list.is_empty() {
        return Some("mountOptions".to_owned());
    }
    let is_on = |on: On| match on {
        On::Both => true,
        On::Class => holds == Holds::Class,
        On::Volume => holds != Holds::Class,
    };
    let mut keys = subject.driver.carriers.iter().filter(|key| is_on(key.on) && key.role != Role::Version);
    keys.next().map(|key| subject.place_of_key(key.key).short().into_owned())
}

/// Whether `bg` is among the options, as the end of a clause.
fn bg<T: AsRef<str>>(texts: &[T]) -> &'static str {
    let keyword = |piece: &str| MountOption::new(piece.trim()).keyword().trim().to_ascii_lowercase();
    let is_bg = |text: &T| reading::every_piece(text.as_ref()).any(|piece| keyword(piece.text) == "bg");
    if texts.iter().any(is_bg) { " (bg among them)" } else { "" }
}

fn report(check: &mut Check<'_, '_>, carrier: usize, place: Place, grade: Grade, message: String) {
    check.findings.push(Finding {
        code: check.rule.code,
        grade,
        carrier,
        place: Some(place),
        site: None,
        keyword: "".into(),
        message: message.into(),
        fix: None,
    });
}
