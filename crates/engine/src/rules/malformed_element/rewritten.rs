//! Writes an element as it was meant, where it can stand like that.

use std::borrow::Cow;

use crate::finding::{Edit, Fix};
use crate::nfs::catalog::{self, OptionId};
use crate::nfs::disguised::{Meant, is_rest_of_value, rest_of_remark};
use crate::nfs::intended::intended;
use crate::nfs::option::{MountOption, Piece};
use crate::rules::is_refused_alone;
use crate::rules::unknown_option::{OtherVersion, names_version};
use crate::rules::{offer, offer_instead, remove, replace};
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::carrier::{Carrier, Form};
use crate::subject::effective::{Malformation, Token};

/// Returns true if the pieces of an element can be elements of their own: what the driver takes in
/// a longer one it may refuse alone, or drop; what is one option to its author is never cut, and
/// what a program still fills in is not touched.
pub(super) fn can_be_split(
    subject: &Subject<'_>,
    carrier: &Carrier<'_>,
    site: &Site,
    pieces: &[Piece<'_>],
) -> bool {
    let is_refused = pieces.iter().any(|piece| {
        let site = Site { range: piece.range.clone(), ..*site };
        let meant = subject.options.at(&site).and_then(|token| token.meant.as_deref());
        is_refused_alone(subject, &MountOption::new(piece.text))
            || may_be_dropped(subject, piece.text)
            || meant.is_some_and(|meant| !can_stand(subject, meant))
    });
    let element = carrier.elements.get(site.element).copied().unwrap_or_default();
    // Apart, the rest of a value is a word of its own, and the value is another one.
    let is_rest = |piece: &&Piece<'_>| {
        let site = Site { range: piece.range.clone(), ..*site };
        let token = subject.options.at(&site);
        let is_continued = token.is_some_and(|token| token.malformation == Some(Malformation::Continued));
        is_rest_of_value(piece.text) && !is_continued
    };
    // A map of YAML or a line of exports(5): apart, half a bracket is no option either.
    let is_of_brackets = |piece: &Piece<'_>| {
        let site = Site { range: piece.range.clone(), ..*site };
        let is_meant = subject.options.at(&site).is_some_and(|token| token.meant.is_some());
        let text = piece.text.trim();
        !is_meant && (text.contains(['{', '(']) || text.ends_with(['}', ')']) || text.starts_with('*'))
    };
    if pieces.iter().skip(1).any(|piece| is_rest(&piece)) || rests_of_remarks(pieces) > 0 {
        return false;
    }
    if pieces.iter().any(is_of_brackets) && !carrier.is_unrendered(element, 0..element.len()) {
        return false;
    }
    !is_refused && !carrier.is_unrendered(element, 0..element.len())
}

/// Returns how many of the pieces are the rest of a remark: apart, each is a word of its own.
pub(super) fn rests_of_remarks(pieces: &[Piece<'_>]) -> usize {
    let texts: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
    let (mut rest, mut rests) = (texts.as_slice(), 0);
    while let Some((_, tail)) = rest.split_first() {
        let count = rest_of_remark(rest);
        rests += count;
        rest = tail.get(count..).unwrap_or_default();
    }
    rests
}

/// Returns true if the driver would drop a text as an element of its own, because it is there
/// already, although another value is there, too, and may then win.
fn may_be_dropped(subject: &Subject<'_>, text: &str) -> bool {
    if !subject.driver.keeps_first_of_equal() {
        return false;
    }
    let keyword = MountOption::new(text);
    let alike = || {
        let is_alike = |token: &&Token<'_>| token.in_force && token.option.keyword() == keyword.keyword();
        subject.options.tokens().iter().filter(is_alike)
    };
    let is_repeated = alike().filter(|token| token.option.text() == text).nth(1).is_some();
    is_repeated && alike().any(|token| token.option.text() != text)
}

/// Returns true if the driver takes what is meant as elements of their own.
fn can_stand(subject: &Subject<'_>, meant: &Meant) -> bool {
    let is_taken = |option: &String| {
        !is_refused_alone(subject, &MountOption::new(option)) && !may_be_dropped(subject, option)
    };
    meant.options.iter().all(is_taken)
}

/// Returns the remedy for a text that only an element of the list can hold.
pub(super) fn move_to_list(text: &str) -> String {
    format!("move all options to spec.mountOptions, with {text} as one element")
}

/// The remedy for a label whose quotes do not reach mount.nfs.
pub(in crate::rules) const UNQUOTED: &str =
    "drop the categories after its comma: the driver's shell removes the quotes that they need";

/// Returns the remedy for an option whose intended text is not known, if it has one of its own.
pub(super) fn remedy_of(malformation: Malformation) -> Option<Cow<'static, str>> {
    match malformation {
        Malformation::Control => Some("delete the control character".into()),
        Malformation::Unquoted => Some(UNQUOTED.into()),
        _ => None,
    }
}

/// Returns what to write for an option and those after it, and the fix where that can stand
/// there: a list that is split at every comma cuts it.
pub(super) fn written_as_meant(
    subject: &Subject<'_>,
    token: &Token<'_>,
    meant: &Meant,
) -> Option<(String, Option<Fix>)> {
    let site = token.site.clone()?;
    let carrier = subject.carriers.get(site.carrier)?;
    let pieces = carrier.pieces(carrier.elements.get(site.element).copied().unwrap_or_default());
    let of_it = pieces.iter().filter(|piece| piece.range.start >= site.range.start && !piece.text.is_empty());
    let end = of_it.take(meant.pieces).last().map_or(site.range.end, |piece| piece.range.end);
    // A list that is split at every comma is split at a quoted one, too.
    let is_cut = carrier.form == Form::SplitEverywhere && meant.options.iter().any(|text| text.contains(','));
    if is_cut {
        return Some((move_to_list(&meant.options.join(", ")), None));
    }
    if subject.runs_a_shell() && meant.options.iter().any(|text| text.contains('"')) {
        return Some((UNQUOTED.to_owned(), None));
    }
    let (carrier, element) = (site.carrier, site.element);
    let whole = Site { range: site.range.start..end, ..site };
    // An option that turns out to be `bg` becomes `fg`: put right, it would be the very danger.
    let is_background = |text: &str| MountOption::new(text).keyword() == "bg";
    let options: Vec<&str> =
        meant.options.iter().map(|text| if is_background(text) { "fg" } else { text.as_str() }).collect();
    let mut edits = vec![Edit::Replace { site: whole.clone(), with: options.join(",").into() }];
    // A comma without anything after it goes with the split, too.
    let has_others = pieces.len() > meant.pieces;
    let of_list = subject.carriers.get(carrier).filter(|carrier| carrier.form == Form::List);
    let can_split = of_list.is_some_and(|carrier| can_be_split(subject, carrier, &whole, &pieces));
    if options.len() > 1 && !subject.driver.one_element
        || has_others && can_split && !subject.driver.one_element
    {
        edits.push(Edit::Split { carrier, element });
    }
    let second = options.iter().find_map(|text| Some((*text, OtherVersion::of(subject, token, text)?)));
    if let Some((version, other)) = second {
        let others: Vec<&str> = options.iter().copied().filter(|text| !names_version(text)).collect();
        let remedy = other.remedy(version);
        if !others.is_empty() {
            return Some((format!("use {}; {remedy}", others.join(", ")), None));
        }
        let gone = remove(token).filter(|_| other.makes_needless(version));
        return Some((remedy, gone.map(|_| offer(vec![Edit::Remove { site: whole }]))));
    }
    let fix = can_stand(subject, meant).then(|| offer_instead(subject, token, edits));
    Some((format!("use {}", options.join(", ")), fix))
}

/// Returns the option without the white space around it and its `=`, where that is one every
/// kernel knows, and how it comes there; empty where nothing is left of it. An option that turns
/// out to be `bg` becomes `fg`: a trimmed `bg` is the very danger.
pub(super) fn trimmed(token: &Token<'_>) -> Option<(String, Edit)> {
    let text = token.option.text();
    let clean = match text.split_once('=') {
        Some((keyword, value)) => format!("{}={}", keyword.trim(), value.trim()),
        None => text.trim().to_owned(),
    };
    if clean.is_empty() {
        return remove(token).map(|edit| (clean, edit));
    }
    let keyword = clean.split('=').next().unwrap_or_default();
    let entry = catalog::find(keyword)?;
    if clean == text || clean.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
        return None;
    }
    let clean = intended(&MountOption::new(clean.as_str())).unwrap_or(clean);
    let clean = if entry.id == OptionId::Bg { "fg".to_owned() } else { clean };
    replace(token, clean.clone()).map(|edit| (clean, edit))
}
