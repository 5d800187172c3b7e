//! Where options belong that stand at a place that nothing reads, and what to
//! write there.

use crate::finding::{Applicability, Edit, Fix};
use crate::kind::Holds;
use crate::nfs::catalog::{Entry, Word};
use crate::nfs::mount::names_version;
use crate::nfs::option::{self, MountOption};
use crate::site::Place;
use crate::subject::Subject;
use crate::subject::driver::{self, ListUse, On, Role};
use crate::subject::filling::Filling;

/// Most options that a remedy writes out.
const MOST_WRITTEN: usize = 16;

/// The remedy for options that are lost: the end of a sentence, empty if no place
/// is certain. For a file it names the text to write; a warning of the webhook has
/// no room for it.
pub(super) fn remedy<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> String {
    if subject.kind.row().holds == Holds::Claim {
        return "; use mountOptions of its StorageClass, or spec.mountOptions of its volume".to_owned();
    }
    let Some(place) = place(subject) else { return String::new() };
    let field = match (&place, subject.kind.row().holds) {
        (Place::MountOptions(_), Holds::Volume) => place.field(None),
        _ => place.short().into_owned(),
    };
    let is_in_file = subject.carriers.first().is_some_and(|carrier| carrier.is_in_file);
    match written(subject, &place, lost).filter(|_| is_in_file) {
        Some(Written::Text(text)) => format!("; use {field}: {text}"),
        Some(Written::Nothing) => format!("; delete it: {field} needs nothing of it"),
        None => format!("; use {field}"),
    }
}

/// Whether options can be added to the list without changing what those do that are in
/// force: it has none but these, and those that the guard itself asks for.
pub(super) fn is_certain<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> bool {
    const ASKED_FOR: [Word; 3] = [Word::Fg, Word::Timeo, Word::Retrans];
    let lost: Vec<&str> =
        lost.iter().flat_map(|text| option::split(text.as_ref())).map(|piece| piece.text.trim()).collect();
    subject.options.effective().filter(|token| token.site.is_some()).all(|token| {
        token.word().is_some_and(|word| ASKED_FOR.contains(&word)) || lost.contains(&token.option.text())
    })
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
    let is_plain = |text: &T| option::split(text.as_ref()).all(|piece| option::is_plain(piece.text.trim()));
    let elements = elements(subject, &place, lost).filter(|_| lost.iter().all(is_plain))?;
    let new = elements.into_iter().skip(if carrier.is_empty() { 0 } else { carrier.elements.len() });
    let edits = new.map(|option| Edit::Append { carrier: 0, option: option.into() }).collect();
    Some(Fix { applicability, edits })
}

/// The place from which options are taken.
fn place(subject: &Subject<'_>) -> Option<Place> {
    let holds = subject.kind.row().holds;
    if holds == Holds::Snapshots {
        let is_read = std::ptr::eq(subject.driver, driver::csi_driver_nfs());
        return is_read.then(|| subject.place_of_key("mountOptions"));
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
    };
    let is_read = |role: Role| role.takes_part() && role != Role::Version;
    let key = subject.driver.carriers.iter().find(|key| is_on(key.on) && is_read(key.role))?;
    Some(subject.place_of_key(key.key))
}

/// What to write at the place from which options are taken.
enum Written {
    /// The whole value.
    Text(String),
    /// What was lost is there already.
    Nothing,
}

/// What stands at the place with the lost options behind it, as YAML.
fn written<T: AsRef<str>>(subject: &Subject<'_>, place: &Place, lost: &[T]) -> Option<Written> {
    let elements = elements(subject, place, lost)?;
    if elements.is_empty() || elements.len() > MOST_WRITTEN {
        return None;
    }
    let there = subject.carriers.iter().find(|carrier| carrier.place == *place);
    let count = there.filter(|carrier| !carrier.is_empty()).map_or(0, |carrier| carrier.elements.len());
    if elements.len() == count {
        return Some(Written::Nothing);
    }
    Some(Written::Text(match place {
        Place::MountOptions(_) => {
            let quoted: Vec<String> = elements.iter().map(|element| quoted(element)).collect();
            format!("[{}]", quoted.join(", "))
        }
        _ => format!("{:?}", elements.join(",")),
    }))
}

/// The elements of the place with the lost options behind them; `bg` as `fg`. `None`
/// where that is not certain: what is lost and what is in force contradict each other.
fn elements<T: AsRef<str>>(subject: &Subject<'_>, place: &Place, lost: &[T]) -> Option<Vec<String>> {
    let carrier = subject.carriers.iter().find(|carrier| carrier.place == *place);
    let mut elements: Vec<String> = carrier
        .filter(|carrier| !carrier.is_empty())
        .map(|carrier| carrier.elements.iter().map(|element| (*element).to_owned()).collect())
        .unwrap_or_default();
    let pieces = lost.iter().flat_map(|text| option::split(text.as_ref()));
    for piece in pieces.map(|piece| piece.text.trim()).filter(|text| !text.is_empty()) {
        let text = if MountOption::new(piece).keyword() == "bg" { "fg" } else { piece };
        let option = MountOption::new(text);
        let is_there = |there: &MountOption<'_>| {
            let says = |option: &MountOption<'_>| {
                option.entry().map(|entry| (entry.word, entry.negated, option.value().map(ToOwned::to_owned)))
            };
            there.text() == text || says(there).is_some() && says(there) == says(&option)
        };
        let mut is_new = true;
        for there in elements.iter().flat_map(|element| option::split(element)) {
            let there = MountOption::new(there.text);
            if is_there(&there) {
                is_new = false;
            } else if are_rivals(&there, &option) {
                return None;
            }
        }
        if is_new {
            elements.push(text.to_owned());
        }
    }
    Some(elements)
}

/// Whether two options set the same thing, so that one of them loses.
fn are_rivals(one: &MountOption<'_>, other: &MountOption<'_>) -> bool {
    let Some((one, other)) = one.entry().zip(other.entry()) else { return false };
    let group = |entry: &Entry| entry.group().filter(|_| !names_version(entry));
    one.word == other.word
        || names_version(one) && names_version(other)
        || group(one).is_some() && group(one) == group(other)
}

/// An element of a list in brackets, in quotes where YAML needs them.
fn quoted(element: &str) -> String {
    let is_plain = element.starts_with(|first: char| first.is_ascii_alphabetic())
        && element.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=./".contains(&byte));
    if is_plain { element.to_owned() } else { format!("{element:?}") }
}
