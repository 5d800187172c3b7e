//! Makes the edits of fixes.

use std::borrow::Cow;

use crate::finding::{Applicability, Edit, Fix};
use crate::nfs::acceptance::are_rivals;
use crate::nfs::option::{self, MountOption};
use crate::nfs::saying::contradict;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// Offers edits.
pub(super) fn offer(edits: Vec<Edit>) -> Fix {
    Fix { applicability: Applicability::Offer, edits }
}

/// Returns the edit that writes another text in the place of an option that the user wrote.
pub(super) fn replace(token: &Token<'_>, with: impl Into<Cow<'static, str>>) -> Option<Edit> {
    let site = token.site.clone()?;
    Some(Edit::Replace { site, with: with.into() })
}

/// Returns true if what is written makes a soft mount of one that fails: calls then fail, which a
/// person decides.
fn makes_soft(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| {
        let Edit::Replace { with, .. } = edit else { return false };
        option::split(with).any(|piece| matches!(piece.text.trim(), "soft" | "softerr"))
    })
}

/// Offers edits of an option that is refused as it is written.
pub(super) fn offer_instead(subject: &Subject<'_>, token: &Token<'_>, edits: Vec<Edit>) -> Fix {
    // A misspelt `soft` may be a mistake as a whole: to make it work would lose data.
    let is_certain = !would_contradict(subject, token, &edits) && !makes_soft(&edits);
    let applicability = if is_certain { Applicability::Offer } else { Applicability::Unsafe };
    Fix { applicability, edits }
}

/// Returns the edit that takes an option out; `None` where its backslash would then be before another
/// one.
pub(super) fn remove(token: &Token<'_>) -> Option<Edit> {
    // The backslash would then escape what comes after it.
    if token.option.text().ends_with('\\') {
        return None;
    }
    Some(Edit::Remove { site: token.site.clone()? })
}

/// Returns true if what is written in the place of `token`, which has no effect as it is, would
/// contradict another option: which of them is meant is then not certain.
fn would_contradict(subject: &Subject<'_>, token: &Token<'_>, edits: &[Edit]) -> bool {
    let is_other = |other: &&Token<'_>| !std::ptr::eq(*other, token) && other.acceptance.refusal.is_none();
    let others = || subject.options.effective().filter(is_other);
    edits.iter().any(|edit| {
        let Edit::Replace { with, .. } = edit else { return false };
        let new = option::split(with).map(|piece| MountOption::new(piece.text));
        let mut known = new.filter_map(|new| new.entry().map(|entry| (new, entry)));
        known.any(|(new, entry)| {
            // The token was looked up already, and most are about another setting.
            let is_rival = |other: &&Token<'_>| other.entry().is_some_and(|it| are_rivals(entry, it));
            others().filter(is_rival).any(|other| contradict(&new, &other.option))
        })
    })
}
