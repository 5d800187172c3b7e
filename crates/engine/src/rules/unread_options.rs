//! NMG020: options at a place that nothing reads, or that the driver refuses.

mod hindrance;
mod idle;
mod remedy;

use std::borrow::Cow;

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Applicability, Code, Finding, Fix, Sentence, Severity};
use crate::kind::Holds;
use crate::nfs::{disguised, option, reading};
use crate::site::Place;
use crate::subject::driver::{self, Nfs, Role};
use crate::subject::{LONGEST_OPTIONS, Subject, UnreadKey};
use hindrance::Doubt;
pub use hindrance::UNASKED;
use hindrance::doubt;
use remedy::{fix, is_in_file, remedy};

pub(super) static RULE: Rule = Rule {
    code: Code(20),
    name: "unread-options",
    title: "Options that nothing reads",
    summary: "options at a place that nothing reads, or that the driver refuses",
    why: "Kubernetes and most drivers drop a key that they do not know without a word, and the volume is mounted \
without its options. Some drivers refuse a StorageClass with such a parameter: csi-driver-nfs takes no \
`parameters.mountOptions` and no `parameters.nfsVersion`, so no volume is ever made. A PersistentVolumeClaim, a \
template of claims, a Pod and its `nfs` volumes have no place for options. The kubelet reads one annotation, and \
none of another name. The API server rejects a CSI volume with `volume.beta.kubernetes.io/mount-options`. \
Options of a class do not reach a volume that is made by hand.",
    remedy: "Write the options in `mountOptions` of the class, or in `spec.mountOptions` of the volume. The parameters of a \
class are immutable: delete and recreate a class with a refused one.",
    actions: Actions::all(Action::Deny),
    lesser: Some((Actions::all(Action::Warn), "the options are only lost")),
    fix: Some(Applicability::Offer),
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
        "CreateVolume: https://github.com/kubernetes-csi/csi-driver-nfs/blob/v4.13.0/pkg/nfs/controllerserver.go",
        "checkMountOption: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/validation/pv_validation.go",
        "https://github.com/kubernetes/kubernetes/issues/96284",
    ],
    since: 2,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    check_unknown(check);
    let subject = check.subject;
    let keys = keys(subject);
    let is_single = subject.misplaced.len() == 1;
    let can_move = is_movable(subject, &keys);
    for misplaced in subject.misplaced {
        let place = Place::Field(misplaced.path.clone());
        let (field, bg) = (place.field(None), bg(&misplaced.texts));
        let is_of_claim = subject.kind.row().holds == Holds::Claim
            || misplaced.path.iter().any(|step| step.starts_with("volumeClaimTemplate"));
        let (kind, remedy) = (subject.kind, remedy(subject, &misplaced.texts, can_move, is_of_claim));
        let is_annotation = place.is_stray_annotation();
        let reader = if is_annotation { reader(&misplaced.path) } else { None };
        let what = match reader {
            Some(driver) => format!("{field} may be read by {driver}{bg}"),
            None if is_annotation => format!("{field} is read by nothing, so its options are lost{bg}"),
            None => format!("{field} is not a field of a {kind}, so its options are lost{bg}"),
        };
        // The author of a claim has no right to the class that admits it.
        let severity = if reader.is_some() && !bg.is_empty() { Severity::Proper } else { Severity::Lesser };
        report(check, 0, place, severity, Sentence { what: what.into(), remedy });
        let doubt = match (is_annotation, is_single) {
            (true, _) => Some(Doubt::Annotation),
            (false, false) => Some(Doubt::Several),
            (false, true) if can_move => doubt(subject, &misplaced.texts),
            (false, true) => None,
        };
        let applicability = if doubt.is_some() { Applicability::Unsafe } else { Applicability::Offer };
        let fix = if can_move { fix(subject, &misplaced.texts, applicability) } else { None };
        // Without a list of its own the object has a key for them.
        let is_only = is_single && keys.is_empty();
        let keyed =
            || remedy::rename(subject, &Place::Field(misplaced.path.clone()), &misplaced.texts.join(","));
        let fix = fix.or_else(|| keyed().filter(|_| is_only));
        let place = Place::Field(misplaced.path.clone());
        let left = match &fix {
            None => remedy::left(subject, &place, &misplaced.texts, is_only),
            Some(fix) => remedy::when_asked(subject, fix, doubt),
        };
        conclude(check, fix, left);
    }
    if let Some(text) = subject.unread_annotation {
        let (bg, remedy) = (bg(&[text]), remedy(subject, &[text], can_move, true));
        let what = match subject.kind.row().holds {
            // Only an update of the status can set it.
            Holds::Volume => "the API server rejects the annotation on a CSI volume",
            Holds::Claim => "the annotation is not read on a claim",
            Holds::Class | Holds::Snapshots | Holds::InlineVolumes(_) => {
                "the annotation is not read on a class"
            }
        };
        let what = format!("{what}, so its options are lost{bg}");
        report(check, 0, Place::Annotation, Severity::Lesser, Sentence { what: what.into(), remedy });
        let fix = if can_move { fix(subject, &[text], Applicability::Unsafe) } else { None };
        let is_only = keys.is_empty() && subject.misplaced.is_empty();
        let left = match &fix {
            None => remedy::left(subject, &Place::Annotation, &[text], is_only),
            Some(fix) => remedy::when_asked(subject, fix, Some(Doubt::Annotation)),
        };
        conclude(check, fix, left);
    }
    let is_single = keys.len() == 1 && subject.misplaced.is_empty();
    for (carrier, place, texts) in keys {
        let renamed = match texts.as_slice() {
            [value] if is_single => remedy::rename(subject, &place, value),
            _ => None,
        };
        report_key(check, carrier, place.clone(), &texts, can_move);
        let fix = check.findings.last_mut().and_then(|finding| finding.fix.take()).or(renamed);
        let left = match &fix {
            None => remedy::left(subject, &place, &texts, is_single),
            Some(fix) => remedy::when_asked(subject, fix, Some(Doubt::Immutable)),
        };
        conclude(check, fix, left);
    }
}

/// Returns the driver whose name is the prefix of an annotation: it may read the annotation, as
/// csi.hpe.com does if its class names the key in `allowOverrides` (`getClaimOverrideOptions`,
/// <https://github.com/hpe-storage/csi-driver/blob/94c8cd10ee6082f99c0fb9c7b80273517150452b/pkg/flavor/kubernetes/flavor.go>).
fn reader(path: &[String]) -> Option<&str> {
    let (prefix, _) = path.last()?.split_once('/')?;
    driver::find(prefix).filter(|row| row.nfs != Nfs::No).map(|_| prefix)
}

/// Gives the last finding its fix, and says in its remedy why it has none, or none that is made unasked.
fn conclude(check: &mut RuleContext<'_, '_>, fix: Option<Fix>, left: Option<String>) {
    let Some(finding) = check.findings.last_mut() else { return };
    finding.fix = fix;
    if let Some(left) = left {
        finding.message.remedy = Some(match &finding.message.remedy {
            Some(remedy) => format!("{remedy}; {left}").into(),
            None => left.into(),
        });
    }
}

/// Most places of an object whose options are moved.
const MOST_MOVED: usize = 16;

/// The index of a carrier, a place and its options.
type Key<'s> = (usize, Place, Vec<Cow<'s, str>>);

/// Reports options under a key that no driver of the table reads, where the driver is not known.
fn check_unknown(check: &mut RuleContext<'_, '_>) {
    if check.subject.driver.known.is_read() {
        return;
    }
    for UnreadKey { place, value, options, .. } in check.subject.unread_keys() {
        let (name, bg) = (place.short(), bg(&[&options]));
        let what = if value == options || reading::further_options(value).next().is_none() {
            format!("no known driver reads {name}, so its options may be lost{bg}")
        } else {
            // Its source was not read: it may hand its command to a shell.
            format!("{name} adds options to a command line that a driver may build of it{bg}")
        };
        let remedy = Some("write them where the driver's documentation says".into());
        report(check, 0, place, Severity::Lesser, Sentence { what: what.into(), remedy });
    }
}

/// Returns the parameters or attributes with options that the driver does not read. Of a driver whose
/// source was not read, another key may be one it reads.
fn keys<'s>(subject: &'s Subject<'_>) -> Vec<Key<'s>> {
    if subject.provisioned_by.is_some() || !subject.driver.known.is_read() {
        return Vec::new();
    }
    let mut keys: Vec<Key<'s>> = Vec::new();
    let mut is_said_beyond = false;
    for (index, carrier) in subject.carriers.iter().enumerate() {
        let Some(key) = carrier.place.key() else { continue };
        // One fault, one finding: NMG012 speaks of what the driver refuses.
        let is_unread = carrier.role == Some(Role::NotTaken) && carrier.refused.is_none();
        let names_options = driver::names_mount_options(key)
            || subject.refuses_unknown_keys()
            || carrier.elements.iter().all(|element| option::are_options(element));
        // A driver that refuses a key refuses it without a value, too. Of those after too many one is
        // enough.
        let is_more = carrier.is_beyond && is_said_beyond;
        let is_said = (!carrier.is_empty() || subject.refuses_unknown_keys()) && !is_more;
        if is_unread && is_said && names_options {
            let texts = carrier.elements.iter().map(|element| Cow::Borrowed(*element)).collect();
            keys.push((index, carrier.place.clone(), texts));
            is_said_beyond |= carrier.is_beyond;
        }
    }
    let others = subject.unread_keys().into_iter();
    keys.extend(others.map(|UnreadKey { place, options, .. }| (0, place, vec![options.into()])));
    keys
}

/// Returns true if what all places lost can come into force together. More than a few, or more than a mount
/// takes, are no slip of the pen, and each fix looks at the whole list. Nothing moves at admission.
fn is_movable(subject: &Subject<'_>, keys: &[Key<'_>]) -> bool {
    let misplaced = subject.misplaced.iter().flat_map(|misplaced| &misplaced.texts).map(String::as_str);
    let of_keys = keys.iter().flat_map(|(.., texts)| texts).map(|text| &**text);
    let annotation = subject.unread_annotation;
    let length = || misplaced.clone().chain(of_keys.clone()).chain(annotation).map(str::len).sum::<usize>();
    // Most subjects have none: the whole list is looked at for several only.
    match subject.misplaced.len() + keys.len() + usize::from(annotation.is_some()) {
        0 => true,
        _ if !is_in_file(subject) => false,
        count if count > MOST_MOVED || length() > LONGEST_OPTIONS => false,
        1 => true,
        _ => {
            let several: Vec<&str> = misplaced.chain(of_keys).chain(annotation).collect();
            remedy::agree(subject, &several)
        }
    }
}

/// Says what becomes of a parameter or an attribute that the driver does not read.
fn report_key(
    check: &mut RuleContext<'_, '_>,
    carrier: usize,
    place: Place,
    texts: &[Cow<'_, str>],
    is_movable: bool,
) {
    let subject = check.subject;
    let (name, bg, remedy) = (place.short(), bg(texts), remedy(subject, texts, is_movable, true));
    let made = if subject.kind.row().holds == Holds::Class { "volume" } else { "snapshot" };
    let (severity, what) = if subject.refuses_unknown_keys() {
        (Severity::Proper, format!("the driver refuses {name}{bg}, so no {made} is created"))
    } else {
        (Severity::Lesser, format!("the driver does not read {name}, so its options are lost{bg}"))
    };
    report(check, carrier, place, severity, Sentence { what: what.into(), remedy });
    // Parameters cannot be changed: a class that exists has to be deleted and recreated.
    let fix = if is_movable { fix(subject, texts, Applicability::Unsafe) } else { None };
    if let Some(finding) = check.findings.last_mut() {
        finding.fix = fix;
    }
}

/// Returns the end of a clause if `bg` is among the options.
fn bg<T: AsRef<str>>(texts: &[T]) -> &'static str {
    let is_bg = |(_, word): (usize, &str)| reading::mentions_background(word);
    let has_bg = |text: &str| reading::mentions_background(text) || disguised::words(text).any(is_bg);
    if texts.iter().any(|text| has_bg(text.as_ref())) { " (bg among them)" } else { "" }
}

fn report(
    check: &mut RuleContext<'_, '_>,
    carrier: usize,
    place: Place,
    severity: Severity,
    message: Sentence,
) {
    check.findings.push(Finding {
        code: check.rule.code,
        severity,
        carrier,
        place: Some(place),
        site: None,
        keyword: "".into(),
        message,
        fix: None,
    });
}
