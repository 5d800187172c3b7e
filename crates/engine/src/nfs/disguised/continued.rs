//! Recognizes an option whose value a comma cuts off.

use super::super::acceptance::{judge, names_version};
use super::super::catalog::{self, Entry, OptionId};
use super::super::option::MountOption;
use super::super::value::Grammar;
use super::{Meant, taken};

/// Joins an option whose value continues after its comma.
pub(super) fn joined(head: &MountOption<'_>, entry: &Entry, tail: &[&str]) -> Option<Meant> {
    let value = head.value().unwrap_or_default();
    if entry.id == OptionId::Context {
        // A label in quotes is whole already.
        let goes_on =
            !value.contains(['"', '\'']) && value.rsplit([':', '-']).next().is_some_and(is_category);
        let rest: Vec<&str> =
            tail.iter().map(|piece| piece.trim()).take_while(|piece| is_category_range(piece)).collect();
        return (goes_on && !rest.is_empty()).then(|| Meant {
            pieces: rest.len() + 1,
            options: vec![format!("{}=\"{value},{}\"", head.keyword(), rest.join(","))],
        });
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if entry.id == OptionId::Sec {
        return flavors(head, tail);
    }
    let (pieces, text) = if names_version(entry) {
        // `vers=4,1` in a country that writes decimals with a comma.
        let minor = tail.first().filter(|minor| minor.len() == 1 && is_digits(minor))?;
        (2, format!("{}.{minor}", head.text()))
    } else if matches!(entry.grammar, Grammar::Number { .. }) {
        // `1,048,576`: groups of three, and no leading zero, which would be octal.
        let is_start = is_digits(value) && value.len() <= 3 && !value.starts_with('0');
        let rest: Vec<&str> = tail
            .iter()
            .map(|piece| piece.trim())
            .take_while(|piece| piece.len() == 3 && is_digits(piece))
            .collect();
        // A group that is none, as `57` or `576K`, makes all of them uncertain.
        let is_broken = tail.get(rest.len()).is_some_and(|next| is_rest_of_value(next));
        if !is_start || rest.is_empty() || is_broken {
            return None;
        }
        (rest.len() + 1, format!("{}{}", head.text(), rest.concat()))
    } else {
        return None;
    };
    Some(Meant { pieces, options: vec![taken(text)?] })
}

/// Returns a version alone, written with the comma of a country: `4,1`.
pub(super) fn bare_version(head: &str, tail: &[&str]) -> Option<Meant> {
    let minor = tail.first().filter(|_| head == "4")?.trim();
    let text = matches!(minor, "0" | "1" | "2").then(|| format!("nfsvers=4.{minor}"))?;
    Some(Meant { pieces: 2, options: vec![text] })
}

/// Characters that may close what is around an option.
const CLOSERS: [char; 6] = ['\'', '"', ']', '\u{2019}', '\u{201d}', ' '];

/// Returns the same as [`joined`] for an option in a dress: `-o rsize=1,048,576`,
/// `context='a:b:c:s0:c1,c2'`.
pub(super) fn continued_in_a_dress(head: &str, tail: &[&str]) -> Option<Meant> {
    // Most options have no such neighbor: nothing else is looked at.
    tail.first().filter(|next| is_rest_of_value(next))?;
    let is_opener = |letter: char| matches!(letter, '\'' | '"' | '[' | '\u{2018}' | '\u{201c}');
    let mut text = head.trim();
    for switch in ["--options=", "--options ", "-o=", "-o", "- "] {
        text = text.strip_prefix(switch).unwrap_or(text).trim_start();
    }
    let is_sign = |letter: char| matches!(letter, '=' | ':') || letter.is_whitespace();
    let bare = text.trim_start_matches(is_opener);
    let (keyword, rest) = bare.split_at_checked(bare.find(is_sign)?)?;
    let inner = rest.trim_start_matches(is_sign);
    // Double quotes are how a label with a comma is written.
    if inner.starts_with('"') {
        return None;
    }
    let value = inner.trim_start_matches(is_opener);
    let plain = format!("{keyword}={value}");
    let pieces: Vec<&str> = tail.iter().map(|piece| piece.trim().trim_end_matches(CLOSERS)).collect();
    let is_dressed = plain != head || pieces.iter().zip(tail).any(|(piece, written)| piece != written);
    let option = MountOption::new(plain.as_str());
    let meant = joined(&option, option.entry().filter(|_| is_dressed)?, &pieces)?;
    // An opened quote or bracket is closed with the last piece, and what is not opened is not closed.
    let needs_closer = bare.len() < text.len() || value.len() < inner.len();
    let last = tail.get(meant.pieces.checked_sub(2)?)?.trim();
    (last.ends_with(CLOSERS) == needs_closer).then_some(meant)
}

/// Returns true if a text can only be the rest of a value that a comma cut off: a number, or a
/// category of an `SELinux` label.
pub(crate) fn is_rest_of_value(text: &str) -> bool {
    let text = text.trim().trim_end_matches(CLOSERS);
    text.starts_with(|first: char| first.is_ascii_digit()) || is_category_range(text)
}

/// Returns true if an element of a list may be the rest of a value in the element before it.
pub(crate) fn may_continue(text: &str) -> bool {
    is_rest_of_value(text) || is_flavor("sec", text)
}

fn is_flavor(keyword: &str, text: &str) -> bool {
    // No flavor has a longer name, or begins otherwise.
    let may_be = text.len() <= 8 && text.starts_with(['k', 'n', 's']);
    let option = may_be.then(|| format!("{keyword}={text}"));
    option.is_some_and(|option| judge(&MountOption::new(option.as_str())).refusal.is_none())
        && catalog::find(text).is_none()
}

/// Returns how many of the texts after the first are the rest of its value, if that is a remark that
/// mount(8) keeps to itself: `x-systemd.requires=a,b`. No layer looks into it, so what a comma cuts
/// off is unknown to all.
pub(crate) fn rest_of_remark(texts: &[&str]) -> usize {
    // Most words begin otherwise, and are not looked up.
    let Some((head, tail)) = texts.split_first().filter(|(head, _)| head.starts_with(['x', 'X', 'c'])) else {
        return 0;
    };
    let option = MountOption::new(*head);
    let is_remark = option.value().is_some_and(|value| !value.is_empty())
        && option
            .entry()
            .is_some_and(|entry| entry.grammar == Grammar::Anything && entry.consumers.is_mount_only());
    // `c=d` is rather a misspelt option than the rest of a remark.
    let is_rest = |text: &&&str| {
        !text.is_empty() && !text.contains(['=', '"', '\\']) && MountOption::new(**text).entry().is_none()
    };
    if is_remark { tail.iter().take_while(is_rest).count() } else { 0 }
}

/// Joins several flavors to one value with colons (nfs(5), `sec=`).
fn flavors(head: &MountOption<'_>, tail: &[&str]) -> Option<Meant> {
    let is_flavor = |text: &str| is_flavor(head.keyword(), text);
    let rest: Vec<&str> =
        tail.iter().map(|piece| piece.trim()).take_while(|piece| is_flavor(piece)).collect();
    let is_list = !rest.is_empty() && is_flavor(head.value()?);
    let text = format!("{}:{}", head.text(), rest.join(":"));
    // `sec=krb5p,krb5i`: the kernel separates flavors by colons.
    is_list.then_some(())?;
    Some(Meant { pieces: rest.len() + 1, options: vec![taken(text)?] })
}

/// Returns true for a category of an `SELinux` label, or several in a row: `c12`, `c1.c3`.
fn is_category(text: &str) -> bool {
    text.split('.').all(|text| {
        text.strip_prefix('c').is_some_and(|number| {
            !number.is_empty() && number.len() <= 4 && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// Returns true for a category, and what may follow the last one of a range's lower level:
/// `c34-s15:c0.c1023`.
pub(crate) fn is_category_range(text: &str) -> bool {
    let (low, high) = text.split_once('-').unwrap_or((text, "s0"));
    let (level, categories) = high.split_once(':').unwrap_or((high, "c0"));
    is_category(low) && level.starts_with('s') && is_category(categories)
}
