//! The reasons why options stay at a place that nothing reads.

use super::idle::{idle, pieces};
use crate::nfs::acceptance::{self, Transport};
use crate::nfs::catalog::{Effect, Entry, OptionId};
use crate::nfs::option::{self, MountOption};
use crate::rules::unknown_option::is_denied_word;
use crate::rules::{is_refused_alone, shortened};
use crate::site::Place;
use crate::subject::Subject;

/// The beginning of the end of a remedy that says why `fix` makes a fix only with `--unsafe-fixes`.
pub const UNASKED: &str = "fix does not do so unasked: ";

/// Returns the reason why an option cannot come into force as it is, for certain.
pub(super) fn uncertain(text: &str) -> Option<Hindrance> {
    let option = MountOption::new(text);
    let is_certain =
        |entry: &Entry| matches!(entry.effect, Effect::Active) && entry.id != OptionId::Minorversion;
    if is_denied_word(&option) {
        Some(Hindrance::Denied(text.to_owned()))
    } else if !option.entry().is_some_and(is_certain) {
        Some(Hindrance::NoEffect(text.to_owned()))
    } else if !acceptance::judge(&option).kernels.is_all() {
        Some(Hindrance::Kernels(text.to_owned()))
    } else {
        None
    }
}

/// Returns the reason why the first option that cannot come into force at all is not moved.
pub(super) fn invalid<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> Option<Hindrance> {
    pieces(lost).find_map(|text| {
        let option = MountOption::new(text);
        let is_own = subject.driver.own_words.contains(&option.keyword());
        if is_refused_alone(subject, &option) {
            return Some(Hindrance::Rejected(text.to_owned()));
        }
        let is_invalid = !is_own && acceptance::judge(&option).refusal.is_some();
        is_invalid.then(|| Hindrance::Invalid(text.to_owned()))
    })
}

/// Returns the first option that has quotes or other special characters: it is not moved.
pub(super) fn special<T: AsRef<str>>(lost: &[T]) -> Option<&str> {
    pieces(lost).find(|text| !option::is_plain(text))
}

/// Returns the reason why options are not moved to the list unasked: it has others than these and those that
/// the guard itself requests, or one of them is not harmless.
pub(super) fn doubt<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> Option<Doubt> {
    // Options without effect are dropped, and no other one comes into force.
    if idle(subject, lost).len() == pieces(lost).count() {
        return None;
    }
    if !is_certain(subject, lost) {
        return Some(Doubt::Others);
    }
    harmful(subject, lost).map(|option| Doubt::Harmful(option.to_owned()))
}

/// Returns true if options can be added to the list without changing what those do that are in
/// force: it has none but these, and those that the guard itself requests.
fn is_certain<T: AsRef<str>>(subject: &Subject<'_>, lost: &[T]) -> bool {
    const ASKED_FOR: [OptionId; 3] = [OptionId::Fg, OptionId::Timeo, OptionId::Retrans];
    let lost: Vec<&str> = pieces(lost).collect();
    subject.options.effective().filter(|token| token.site.is_some()).all(|token| {
        token.id().is_some_and(|word| ASKED_FOR.contains(&word)) || lost.contains(&token.option.text())
    })
}

/// Returns the first option that may not come into force without a second look: a call fails for it, or the
/// server, the protocol or who may write changes.
fn harmful<'l, T: AsRef<str>>(subject: &Subject<'_>, lost: &'l [T]) -> Option<&'l str> {
    const HARMLESS: [OptionId; 22] = [
        OptionId::Fg,
        OptionId::Bg,
        OptionId::Hard,
        OptionId::Timeo,
        OptionId::Retrans,
        OptionId::Retry,
        OptionId::Vers,
        OptionId::VersFlag,
        OptionId::Minorversion,
        OptionId::Tcp,
        OptionId::Nconnect,
        OptionId::Rsize,
        OptionId::Wsize,
        OptionId::Actimeo,
        OptionId::Acregmin,
        OptionId::Acregmax,
        OptionId::Acdirmin,
        OptionId::Acdirmax,
        OptionId::Atime,
        OptionId::Diratime,
        OptionId::Relatime,
        OptionId::Resvport,
    ];
    let has_version =
        subject.options.effective().any(|token| token.entry().is_some_and(acceptance::names_version));
    let is_harmless = |text: &str| {
        let option = MountOption::new(text);
        option.entry().is_some_and(|entry| {
            // A second version makes mount.nfs refuse the mount.
            HARMLESS.contains(&entry.id) && !(has_version && acceptance::names_version(entry))
                || acceptance::transport(&option) == Some(Transport::Tcp)
        })
    };
    let dropped = idle(subject, lost);
    pieces(lost).find(|text| !dropped.contains(text) && !is_harmless(text))
}

/// The reason why options stay at a place that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// No key takes them.
    NoPlace,
    /// The key that takes them is there already.
    IsThere(Place),
    /// They would replace the driver's own.
    Defaults,
    /// The annotation replaces the list.
    Annotation,
    /// They contradict each other or what is in force.
    Contradiction,
    /// This one has quotes or other characters that a layer reads in its own way.
    Special(String),
    /// No kernel takes this one as it is written.
    Invalid(String),
    /// The driver refuses this one.
    Rejected(String),
    /// They have a placeholder.
    Unrendered,
    /// They are more than a mount takes.
    TooLong,
    /// A rule denies this one.
    Denied(String),
    /// This one has no effect as it is.
    NoEffect(String),
    /// Not every kernel takes this one.
    Kernels(String),
}

impl Hindrance {
    /// Returns the reason in words; `None` where the remedy says it already.
    pub(super) fn reason(self) -> Option<String> {
        Some(match self {
            Self::NoPlace => return None,
            Self::IsThere(place) => format!("{} is there already", place.short()),
            Self::Defaults => "it would replace the driver's own options".to_owned(),
            Self::Annotation => "the annotation replaces the list".to_owned(),
            Self::Contradiction => "its options contradict each other or those in effect".to_owned(),
            Self::Invalid(option) => format!("{:?} is invalid", shortened(&option)),
            Self::Rejected(option) => format!("{:?} is rejected by the driver", shortened(&option)),
            Self::Special(option) => {
                format!("{:?} has quotes or other special characters", shortened(&option))
            }
            Self::Unrendered => "a placeholder is not rendered yet".to_owned(),
            Self::TooLong => "they are more than mount accepts".to_owned(),
            Self::Denied(option) => format!("{:?} is denied", shortened(&option)),
            Self::NoEffect(option) => format!("{:?} has no effect, or is unknown", shortened(&option)),
            Self::Kernels(option) => format!("not every kernel takes {:?}", shortened(&option)),
        })
    }
}

/// The reason why options move only where that is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Another controller may read an annotation.
    Annotation,
    /// With several places the intent is not certain.
    Several,
    /// The list has options of its own.
    Others,
    /// This one changes more than the moment of a failure.
    Harmful(String),
    /// The object cannot be changed.
    Immutable,
}

impl Doubt {
    /// Returns the reason in words.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Annotation => "another controller may read the annotation".to_owned(),
            Self::Several => "several places hold options".to_owned(),
            Self::Others => "the list has other options".to_owned(),
            Self::Harmful(option) => format!("{:?} may change what the mount does", shortened(&option)),
            Self::Immutable => "an existing object has to be deleted and recreated".to_owned(),
        }
    }
}
