//! Finds faults that only several objects of one input show: a volume made by hand whose class has
//! mount options. A provisioner copies these into the volumes that it makes; nothing copies them
//! into another one (`Provision` of external-provisioner,
//! <https://github.com/kubernetes-csi/external-provisioner/blob/v6.3.0/pkg/controller/controller.go>).

pub(super) mod pairs;
pub mod quiet;

use std::collections::BTreeMap;
use std::path::Path;

use time::Date;

use crate::engine::{self, Judged};
use crate::finding::{Finding, Sentence, Severity};
use crate::kind::{Holds, Kind};
use crate::nfs::option::{self, MountOption};
use crate::nfs::reading;
use crate::policy::Policy;
use crate::report::Report;
use crate::report::shared::{SharedText, SharedTexts};
use crate::report::tie::{OptionTexts, Tie};
use crate::rules::UNREAD_OPTIONS;
use crate::site::Place;
use crate::subject::Subject;
use crate::subject::driver::ListUse;

/// Most options that a finding names.
const MOST_NAMED: usize = 4;

/// Returns the finding for a volume made by hand whose class is in the input and has options that
/// the volume has not.
pub(super) fn unreached(policy: &Policy, subject: &Subject<'_>, today: Date) -> Option<Judged> {
    let class = class_unread(subject)?;
    let finding = Finding {
        code: UNREAD_OPTIONS.code,
        severity: Severity::Lesser,
        carrier: 0,
        place: None,
        site: None,
        keyword: "".into(),
        message: Sentence::with_remedy(
            format!("options of StorageClass/{class} do not reach a volume made by hand"),
            "write those that it needs, without bg, in spec.mountOptions",
        ),
        fix: None,
    };
    engine::judge_one(policy, subject, UNREAD_OPTIONS, finding, today)
}

/// Returns the class of a volume made by hand, whose options would count if a provisioner had
/// made it.
fn class_unread<'s>(subject: &Subject<'s>) -> Option<&'s str> {
    let is_expected = is_handmade(subject) && subject.driver.list == ListUse::Used;
    subject.storage_class.filter(|class| is_expected && !class.is_empty())
}

/// The subjects of one file, as far as a class of it has options that a volume does not get.
#[derive(Debug, Default)]
pub struct UnreadClasses {
    classes: BTreeMap<String, OptionTexts>,
    volumes: Vec<(usize, String, OptionTexts)>,
}

impl UnreadClasses {
    /// Notes a subject, which is known by `index` afterwards.
    pub fn note(&mut self, index: usize, name: &str, subject: &Subject<'_>) {
        let Tie { options, is_class, .. } = tie(subject, &SharedTexts::default());
        if is_class {
            self.classes.insert(name.to_owned(), options);
        } else if let Some(class) = class_unread(subject) {
            self.volumes.push((index, class.to_owned(), options));
        }
    }

    /// Returns the volumes made by hand by their index, with the name of the class and those of its
    /// options that they have not themselves.
    pub fn volumes(&self) -> impl Iterator<Item = (usize, &str, Vec<String>)> {
        self.volumes.iter().filter_map(|(index, class, own)| {
            let missing = missing(self.classes.get(class)?, own);
            let missing: Vec<String> = missing.into_iter().map(ToOwned::to_owned).collect();
            (!missing.is_empty()).then_some((*index, class.as_str(), missing))
        })
    }
}

fn is_handmade(subject: &Subject<'_>) -> bool {
    subject.kind.row().holds == Holds::Volume && subject.provisioned_by.is_none()
}

/// Returns the relations of an object to others.
pub(super) fn tie(subject: &Subject<'_>, shared: &SharedTexts) -> Tie {
    let is_class = subject.kind == Kind::StorageClass;
    // `kubernetes.io/no-provisioner` makes no volume, and a driver may take no list; a reader of
    // the class still expects its list in a volume made by hand.
    let is_list = |place: &Place| matches!(place, Place::MountOptions(_));
    let carriers =
        subject.carriers.iter().filter(|carrier| is_class && (carrier.in_force || is_list(&carrier.place)));
    let of_class = carriers.flat_map(|carrier| &carrier.elements);
    let pieces = of_class.flat_map(|element| option::split(element)).map(|piece| piece.text.trim());
    let own = subject.options.effective().filter(|_| is_handmade(subject) && subject.storage_class.is_some());
    let options = pieces.filter(|text| !text.is_empty()).chain(own.map(|token| token.option.text()));
    Tie {
        class: subject.storage_class.map(|class| shared.share(class)),
        options: OptionTexts::new(options, shared),
        is_class,
        is_flex_volume: subject.is_flex_volume(),
        ..Tie::default()
    }
}

/// A class of the input, and the options that it gives.
struct Class {
    file: SharedText,
    options: OptionTexts,
}

/// Adds what several objects show together, once all of them are there.
pub fn judge(report: &mut Report) {
    judge_classes(report);
    pairs::judge(report);
}

/// Adds what classes and the volumes made by hand show together.
fn judge_classes(report: &mut Report) {
    let mut classes: BTreeMap<String, Vec<Class>> = BTreeMap::new();
    for class in report.subjects.iter().filter(|subject| subject.tie.is_class) {
        let options = class.tie.options.clone();
        classes.entry(class.name.clone()).or_default().push(Class { file: class.file.clone(), options });
    }
    for subject in &mut report.subjects {
        let class = subject.tie.class.as_ref().filter(|_| subject.tie.unreached.is_some());
        let Some(classes) = class.and_then(|class| classes.get(&**class)) else { continue };
        let each = nearest(classes, &subject.file);
        let each = each.into_iter().map(|class| missing(&class.options, &subject.tie.options));
        // Any of several classes of one name may be its own.
        let Some(mut missing) = each.min_by_key(Vec::len) else { continue };
        let Some(mut finding) = subject.tie.unreached.take().filter(|_| !missing.is_empty()) else {
            continue;
        };
        let is_bg = |text: &&str| reading::mentions_background(text);
        // A volume with options of its own does not lack the one that its class is to be rid of.
        if !subject.tie.options.is_empty() && missing.iter().all(is_bg) {
            continue;
        }
        let note = match (subject.tie.options.is_empty(), missing.iter().any(is_bg)) {
            (true, false) => None,
            (true, true) => Some("bg among them".to_owned()),
            (false, _) => {
                missing.sort_by_key(|text| !is_bg(text));
                Some(named(&missing))
            }
        };
        if let Some(note) = note {
            finding.message =
                finding.message.replacen(" do not reach", &format!(" ({note}) do not reach"), 1);
        }
        subject.findings.push(*finding);
        subject.findings.sort_by_key(|finding| (finding.line, finding.column, finding.code));
    }
}

/// Returns, of classes with one name, those of the same file, else those of the same directory,
/// else all: overlays of several clusters repeat a name.
fn nearest<'c>(classes: &'c [Class], file: &str) -> Vec<&'c Class> {
    let folder = |file: &str| Path::new(file).parent().map(Path::to_path_buf);
    let in_file: Vec<&Class> = classes.iter().filter(|class| *class.file == *file).collect();
    if classes.len() == 1 || !in_file.is_empty() {
        return if in_file.is_empty() { classes.iter().collect() } else { in_file };
    }
    let in_folder: Vec<&Class> = classes.iter().filter(|class| folder(&class.file) == folder(file)).collect();
    if in_folder.is_empty() { classes.iter().collect() } else { in_folder }
}

/// Returns the options of a class that are not among a volume's own, each once.
fn missing<'c>(of_class: &'c OptionTexts, own: &OptionTexts) -> Vec<&'c str> {
    let own: Vec<MountOption<'_>> = own.iter().map(|text| MountOption::new(text.trim())).collect();
    let mut missing: Vec<&str> = Vec::new();
    for text in of_class.iter() {
        let option = MountOption::new(text);
        if !own.iter().any(|own| is_same(own, &option)) && !missing.contains(&text) {
            missing.push(text);
        }
    }
    missing
}

/// Returns true if two options say the same: `vers=4.1` and `nfsvers=4.1` do.
fn is_same(one: &MountOption<'_>, other: &MountOption<'_>) -> bool {
    let word = |option: &MountOption<'_>| option.entry().map(|entry| (entry.id, entry.negated));
    one.text() == other.text()
        || word(one).is_some() && word(one) == word(other) && one.value() == other.value()
}

fn named(options: &[&str]) -> String {
    let first: Vec<&str> = options.iter().take(MOST_NAMED).copied().collect();
    match options.len().checked_sub(MOST_NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", first.join(", ")),
        _ => first.join(", "),
    }
}
