//! Finds the right place for options at a place that no layer reads, and the text to write there.

use std::borrow::Cow;

use super::hindrance::{Doubt, Hindrance, UNASKED, invalid, special, uncertain};
use super::idle::{idle, pieces};
use crate::finding::{Applicability, Edit, Fix, Renaming};
use crate::kind::Holds;
use crate::nfs::acceptance;
use crate::nfs::option::{self, MountOption};
use crate::nfs::placeholder::has_placeholder;
use crate::nfs::reading::{self, Latitude};
use crate::nfs::saying;
use crate::rules::is_refused_alone;
use crate::site::Place;
use crate::subject::driver::assembly::Empty;
use crate::subject::driver::{self, ListUse, On, Role};
use crate::subject::effective::Token;
use crate::subject::filling::{Filling, Obstacle};
use crate::subject::{LONGEST_OPTIONS, Subject};

/// Most options that a remedy writes out.
const MOST_WRITTEN: usize = 16;

/// Returns the remedy for options that are lost; `None` if no place is certain. For a file it names the
/// text to write; a warning of the webhook has no room for it. With `is_sole` false, other places lost
/// options that contradict these; `is_of_claim` is true in a claim and in a template of one.
pub(super) fn remedy<T: AsRef<str>>(
    subject: &Subject<'_>,
    lost: &[T],
    is_sole: bool,
    is_of_claim: bool,
) -> Option<Cow<'static, str>> {
    if subject.mounts_nothing() {
        return Some(if is_of_claim {
            "use mountOptions of its StorageClass, or spec.mountOptions of its volume".into()
        } else {
            "use spec.mountOptions of a PersistentVolume".into()
        });
    }
    if let Filling::Nowhere(obstacle @ (Obstacle::Hidden | Obstacle::Replaces(_) | Obstacle::MayReplace(_))) =
        subject.filling()
    {
        return Some(obstacle.remedy(&subject.carriers).into());
    }
    let Some(place) = place(subject) else {
        // Neither has a list of its own.
        let is_part = matches!(subject.kind.row().holds, Holds::InlineVolumes(_) | Holds::Snapshots);
        let is_known = subject.driver.known.is_read();
        let remedy = if is_known {
            "drop it: no field here is read by this driver"
        } else {
            "use the key that the driver's documentation names"
        };
        return is_part.then(|| remedy.into());
    };
    let field = match (&place, subject.kind.row().holds) {
        (Place::MountOptions(_), Holds::Volume) => place.field(None).into(),
        (Place::Annotation, _) => "the annotation".into(),
        _ => place.short(),
    };
    let text = if is_in_file(subject) && is_sole { written(subject, &place, lost) } else { None };
    let dropped = idle(subject, lost);
    let remedy = match text {
        Some(Written::Whole(text)) => format!("use {field}: {text}"),
        Some(Written::Further(options)) => format!("add {options} to {field}"),
        Some(Written::Nothing) if dropped.len() == pieces(lost).count() && !dropped.is_empty() => {
            return Some("delete it: none of its options has an effect".into());
        }
        Some(Written::Nothing) => format!("delete it: {field} lacks none of its options"),
        None => match there_already(subject, &place, lost) {
            // After them both would stand there twice.
            Some(options) => return Some(format!("use {field}, which has {options} already").into()),
            None => return Some(format!("use {field}").into()),
        },
    };
    if dropped.is_empty() || dropped.len() > MOST_WRITTEN {
        return Some(remedy.into());
    }
    let has = if dropped.len() == 1 { "has" } else { "have" };
    let dropped: Vec<String> = dropped.iter().map(|option| quoted(option)).collect();
    Some(format!("{remedy}; {} {has} no effect", dropped.join(", ")).into())
}

/// Returns those of the lost options that the list of a file has, as they are written; `None` for none of
/// them, or for too many.
fn there_already<T: AsRef<str>>(subject: &Subject<'_>, place: &Place, lost: &[T]) -> Option<String> {
    let carrier = subject.carriers.first().filter(|carrier| carrier.is_in_file && carrier.place == *place)?;
    let pieces = lost.iter().flat_map(|text| option::split(text.as_ref())).map(|piece| piece.text.trim());
    let is_there = |text: &&str| !text.is_empty() && carrier.elements.contains(text);
    let there: Vec<&str> = pieces.filter(is_there).take(MOST_WRITTEN + 1).collect();
    (1..=MOST_WRITTEN).contains(&there.len()).then(|| there.join(", "))
}

/// Returns true for an object of a file, in which a remedy names the text to write and `fix` moves options.
pub(super) fn is_in_file(subject: &Subject<'_>) -> bool {
    subject.carriers.first().is_some_and(|carrier| carrier.is_in_file)
}

/// Moves options that are lost to the list, where nothing else is meant by them and
/// nothing is taken away. The place itself is emptied where it stands in a file.
pub(super) fn fix<T: AsRef<str>>(
    subject: &Subject<'_>,
    lost: &[T],
    applicability: Applicability,
) -> Option<Fix> {
    let place = place(subject).filter(|place| matches!(place, Place::MountOptions(_)))?;
    let carrier = subject.carriers.first().filter(|carrier| carrier.is_in_file && carrier.in_force)?;
    if subject.filling() != Filling::At(0) || subject.overlong.is_some() {
        return None;
    }
    let elements = elements(subject, &place, lost).filter(|_| special(lost).is_none())?;
    let new = elements.into_iter().skip(if carrier.is_empty() { 0 } else { carrier.elements.len() });
    let edits = new.map(|option| Edit::Append { carrier: 0, option: option.into() }).collect();
    Some(Fix { applicability, edits })
}

/// Gives the key at `from`, which the driver does not read, the name of the one that it does read,
/// where that key is missing and every option comes into force as it is; `bg` as `fg`. A field
/// that is none of the object's becomes such a key.
pub(super) fn rename(subject: &Subject<'_>, from: &Place, old: &str) -> Option<Fix> {
    renaming(subject, from, old).ok()
}

fn renaming(subject: &Subject<'_>, from: &Place, old: &str) -> Result<Fix, Hindrance> {
    let to = place(subject).filter(|to| to.key().is_some()).ok_or(Hindrance::NoPlace)?;
    // Drivers fold keys: of two that differ in case alone no order is certain.
    let is_same =
        |place: &Place| place.key().zip(to.key()).is_some_and(|(one, other)| driver::is_same_key(one, other));
    let is_there = subject
        .carriers
        .iter()
        .any(|carrier| carrier.present && carrier.place != *from && is_same(&carrier.place));
    let is_beside = from.key().is_some_and(|key| subject.place_of_key(key) == *from);
    let is_stray = matches!(from, Place::Field(_));
    if is_there {
        return Err(Hindrance::IsThere(to));
    }
    // A value of one's own takes the place of the driver's defaults.
    if !matches!(subject.driver.empty, Empty::KernelDefaults) {
        return Err(Hindrance::Defaults);
    }
    if !is_in_file(subject) || !(is_beside || is_stray) {
        return Err(Hindrance::NoPlace);
    }
    if idle(subject, &[old]).len() == pieces(&[old]).count() {
        return Err(Hindrance::NoPlace);
    }
    let options = elements(subject, &to, &[old])
        .filter(|options| !options.is_empty())
        .ok_or(Hindrance::Contradiction)?;
    if let Some(hindrance) = options.iter().find_map(|option| uncertain(option)) {
        return Err(hindrance);
    }
    let renaming = Renaming { from: from.clone(), to, old: old.to_owned(), new: options.join(",") };
    // An object that exists has to be deleted and created again.
    Ok(Fix { applicability: Applicability::Unsafe, edits: vec![Edit::Rename(renaming)] })
}

/// Returns the end of a remedy for a file: the reason why `fix` leaves the options at `from`, which is the
/// only such place of the object, or one of several. `None` where no place is certain at all, which the
/// remedy says.
pub(super) fn left<T: AsRef<str>>(
    subject: &Subject<'_>,
    from: &Place,
    lost: &[T],
    is_only: bool,
) -> Option<String> {
    let to = place(subject)?;
    if !is_in_file(subject) {
        return None;
    }
    let old: Vec<&str> = lost.iter().map(AsRef::as_ref).collect();
    let hindrance = match (&to, renaming(subject, from, &old.join(","))) {
        _ if !is_only => return Some("fix does not move it: several places hold options".to_owned()),
        _ if lost.iter().any(|text| has_placeholder(text.as_ref())) => Hindrance::Unrendered,
        // The obstacle of the list is the remedy.
        (Place::MountOptions(_), _) if subject.filling() != Filling::At(0) => return None,
        (Place::Annotation, _) => Hindrance::Annotation,
        // Another finding says what to correct first, and fix may do so.
        (Place::MountOptions(_), _) if is_faulty_at(subject, &to) => return None,
        (Place::MountOptions(_), _)
            if lost.iter().map(|text| text.as_ref().len()).sum::<usize>() > LONGEST_OPTIONS =>
        {
            Hindrance::TooLong
        }
        (Place::MountOptions(_), _) => match special(lost).filter(|_| elements(subject, &to, lost).is_some())
        {
            Some(option) => Hindrance::Special(option.to_owned()),
            None => invalid(subject, lost).unwrap_or(Hindrance::Contradiction),
        },
        (_, Err(hindrance)) => hindrance,
        (_, Ok(_)) => return None,
    };
    hindrance.reason().map(|reason| format!("fix does not move it: {reason}"))
}

/// Returns the end of a remedy for a file: the reason why `fix` makes this fix only with `--unsafe`.
pub(super) fn when_asked(subject: &Subject<'_>, fix: &Fix, doubt: Option<Doubt>) -> Option<String> {
    let is_asked = is_in_file(subject) && fix.applicability == Applicability::Unsafe;
    let is_renamed = fix.edits.iter().any(|edit| matches!(edit, Edit::Rename(_)));
    let doubt = if is_renamed { Some(Doubt::Immutable) } else { doubt };
    let reason = doubt.filter(|_| is_asked)?.reason();
    Some(format!("{UNASKED}{reason}"))
}

/// Returns true if what several places lost can come into force together: no two contradict
/// each other.
pub(super) fn agree<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> bool {
    place(subject).is_some_and(|place| elements(subject, &place, lost).is_some())
}

/// Returns the place from which options are taken: a key in the case in which it is written.
fn place(subject: &Subject<'_>) -> Option<Place> {
    let place = place_of(subject)?;
    let written = place.key().and_then(|key| {
        let is_same = |place: &Place| place.key().is_some_and(|other| driver::is_same_key(key, other));
        subject.carriers.iter().find(|carrier| carrier.present && carrier.in_force && is_same(&carrier.place))
    });
    Some(written.map_or(place, |carrier| carrier.place.clone()))
}

fn place_of(subject: &Subject<'_>) -> Option<Place> {
    if subject.mounts_nothing() {
        return None;
    }
    let holds = subject.kind.row().holds;
    if holds == Holds::Snapshots {
        let is_read = std::ptr::eq(subject.driver, driver::csi_driver_nfs());
        return is_read.then(|| subject.place_of_key("mountOptions"));
    }
    if subject.carriers.iter().any(|carrier| carrier.place == Place::Annotation && carrier.in_force) {
        return Some(Place::Annotation);
    }
    if subject.driver.list == ListUse::Used
        && !subject.kind.row().list.is_empty()
        && !subject.is_flex_volume()
    {
        return Some(Place::MountOptions(subject.kind));
    }
    let is_on = |on: On| match on {
        On::Both => true,
        On::Class => holds == Holds::Class,
        On::Volume => holds != Holds::Class,
        On::Inline => matches!(holds, Holds::InlineVolumes(_)),
    };
    let is_read = |role: Role| role.takes_part() && role.holds_options();
    let key = subject.driver.carriers.iter().find(|key| is_on(key.on) && is_read(key.role))?;
    Some(subject.place_of_key(key.key))
}

/// The text to write at the place from which options are taken.
enum Written {
    /// The whole value.
    Whole(String),
    /// The options that the list does not contain yet.
    Further(String),
    /// The list contains the lost options already.
    Nothing,
}

/// Returns the text at the place with the lost options appended, as YAML.
fn written<T: AsRef<str>>(subject: &Subject<'_>, place: &Place, lost: &[T]) -> Option<Written> {
    if pieces(lost).next().is_none() {
        return Some(Written::Nothing);
    }
    let elements = elements(subject, place, lost)?;
    if idle(subject, lost).len() == pieces(lost).count() {
        return Some(Written::Nothing);
    }
    if elements.is_empty() || elements.len() > MOST_WRITTEN {
        return None;
    }
    let there = subject.carriers.iter().find(|carrier| carrier.present && carrier.place == *place);
    let count = there.filter(|carrier| !carrier.is_empty()).map_or(0, |carrier| carrier.elements.len());
    let quoted = |elements: &[String]| {
        let quoted: Vec<String> = elements.iter().map(|element| quoted(element)).collect();
        quoted.join(", ")
    };
    let new = elements.get(count..).unwrap_or_default();
    Some(match place {
        _ if new.is_empty() => Written::Nothing,
        // The whole list is said once, beside what else it lacks.
        Place::MountOptions(_) | Place::Annotation => Written::Further(quoted(new)),
        _ => Written::Whole(format!("{:?}", in_foreground(&elements))),
    })
}

/// Joins elements with `fg` for each `bg`, once.
fn in_foreground(elements: &[String]) -> String {
    let mut options: Vec<&str> = Vec::new();
    for piece in elements.iter().flat_map(|element| option::split(element)) {
        let is_bg = reading::background_word(piece.text, Latitude::WIDE).is_some();
        let text = if is_bg { "fg" } else { piece.text };
        if text != "fg" || !options.contains(&"fg") {
            options.push(text);
        }
    }
    options.join(",")
}

/// Returns the elements of the place with the lost options after them; `bg` as `fg`, and without
/// a version where the driver adds its own. `None` where that is not certain: what is lost
/// and what is in force anywhere contradict each other, or no kernel would take it.
fn elements<T: AsRef<str>>(subject: &Subject<'_>, place: &Place, lost: &[T]) -> Option<Vec<String>> {
    if is_faulty_at(subject, place) {
        return None;
    }
    let carrier = subject.carriers.iter().find(|carrier| carrier.present && carrier.place == *place);
    let mut elements: Vec<String> = carrier
        .filter(|carrier| !carrier.is_empty())
        .map(|carrier| carrier.elements.iter().map(|element| (*element).to_owned()).collect())
        .unwrap_or_default();
    let elsewhere = || {
        let is_elsewhere = |token: &&Token<'_>| {
            let carrier = token.site.as_ref().and_then(|site| subject.carriers.get(site.carrier));
            carrier.is_none_or(|carrier| carrier.place != *place)
        };
        subject.options.effective().filter(is_elsewhere)
    };
    let dropped = idle(subject, lost);
    for piece in pieces(lost).filter(|text| !dropped.contains(text)) {
        let is_bg = reading::background_word(piece, Latitude::WIDE).is_some();
        if !is_bg && reading::mentions_background(piece) {
            return None;
        }
        let text = if is_bg { "fg" } else { piece };
        let option = MountOption::new(text);
        let is_own = subject.driver.own_words.contains(&option.keyword());
        let is_refused = !is_own && acceptance::judge(&option).refusal.is_some();
        if is_refused || is_refused_alone(subject, &option) {
            return None;
        }
        let names_version = option.entry().is_some_and(acceptance::names_version);
        let mut is_new = true;
        for there in elsewhere() {
            // Beside the driver's own version any other one fails, even the same.
            let is_second = names_version && there.entry().is_some_and(acceptance::names_version);
            let is_drivers = is_second && there.site.is_none();
            if !is_drivers && saying::contradict(&there.option, &option) {
                return None;
            }
            is_new &= !is_second && there.option.text() != text;
        }
        for there in elements.iter().flat_map(|element| option::split(element)) {
            let there = MountOption::new(there.text);
            if saying::contradict(&there, &option) {
                return None;
            }
            let rivals = there.entry().zip(option.entry());
            is_new &=
                there.text() != text && rivals.is_none_or(|(there, new)| !acceptance::are_rivals(there, new));
        }
        if is_new {
            elements.push(text.to_owned());
        }
    }
    Some(elements)
}

/// Returns true if the options at a place cannot be repeated in a remedy.
fn is_faulty_at(subject: &Subject<'_>, place: &Place) -> bool {
    let carrier = subject.carriers.iter().position(|carrier| carrier.present && carrier.place == *place);
    carrier.is_some_and(|carrier| is_faulty(subject, carrier))
}

/// Returns true if something in a carrier has to be written otherwise, so that it cannot be
/// repeated in a remedy.
fn is_faulty(subject: &Subject<'_>, carrier: usize) -> bool {
    let of_carrier = |token: &&Token<'_>| token.site.as_ref().is_some_and(|site| site.carrier == carrier);
    subject.options.tokens().iter().filter(of_carrier).any(|token| {
        token.malformation.is_some() || token.acceptance.refusal.is_some() || token.is_unrendered
    })
}

/// Returns an element of a list in brackets, in quotes where YAML needs them.
fn quoted(element: &str) -> String {
    let is_plain = element.starts_with(|first: char| first.is_ascii_alphabetic())
        && element.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=./".contains(&byte));
    if is_plain { element.to_owned() } else { format!("{element:?}") }
}
