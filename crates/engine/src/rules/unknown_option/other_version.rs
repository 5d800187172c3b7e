//! Finds a second version option, of which mount.nfs takes one.

use super::{closest, in_small_letters};
use crate::nfs::acceptance;
use crate::nfs::intended::{intended, version_word};
use crate::nfs::option::MountOption;
use crate::subject::Subject;
use crate::subject::effective::{Malformation, Token};

/// Another option of the list that names a version, of which mount.nfs takes one.
pub(in crate::rules) struct OtherVersion {
    /// The option, as it should be written.
    text: String,
    /// True if it is written so, and every layer takes it.
    is_clean: bool,
    /// True if the driver adds it.
    is_drivers: bool,
}

impl OtherVersion {
    /// Returns the one that the list, or the driver, has next to `token`, which is meant to be the version
    /// option `text`; `None` without another one.
    pub(in crate::rules) fn of(subject: &Subject<'_>, token: &Token<'_>, text: &str) -> Option<Self> {
        if !names_version(text) {
            return None;
        }
        let is_other = |other: &&Token<'_>| {
            other.malformation != Some(Malformation::Continued) && !is_same_place(other, token)
        };
        let others = || subject.options.effective().filter(is_other);
        let found = |other: &Token<'_>| {
            let is_clean = other.malformation.is_none() && other.acceptance.refusal.is_none();
            Some(Self { text: version_meant(other)?, is_clean, is_drivers: other.site.is_none() })
        };
        let driver = others().filter(|other| other.site.is_none()).find_map(found);
        let clean = || others().filter_map(found).find(|other| other.is_clean);
        driver.or_else(clean).or_else(|| others().find_map(found))
    }

    /// Returns true if an option that is meant to be `text` says nothing that the list does not say.
    pub(in crate::rules) fn makes_needless(&self, text: &str) -> bool {
        self.is_clean && (self.is_drivers || requests_same(text, &self.text))
    }

    /// Returns true if the author has to choose between `text` and the other version.
    pub(in crate::rules) fn leaves_a_choice(&self, text: &str) -> bool {
        !self.is_drivers && !requests_same(text, &self.text)
    }

    /// Returns what to do with a version that does not exist; `None` where the other one is none either.
    pub(in crate::rules) fn in_place_of_none(self) -> Option<String> {
        self.is_clean.then(|| format!("remove it: {} is there already", self.text))
    }

    /// Returns what to do with an option that is meant to be `text`, so that one version is left.
    pub(in crate::rules) fn remedy(&self, text: &str) -> String {
        let other = &self.text;
        if self.is_drivers {
            format!("remove it: the driver requests {other}")
        } else if self.leaves_a_choice(text) {
            format!("keep one of {text} and {other}: only one version option is allowed")
        } else if self.is_clean {
            format!("remove it: {other} is there already")
        } else {
            format!("write {text} once: only one version option is allowed")
        }
    }
}

fn is_same_place(one: &Token<'_>, other: &Token<'_>) -> bool {
    one.site.is_some() && one.site == other.site || std::ptr::eq(one, other)
}

pub(in crate::rules) fn names_version(text: &str) -> bool {
    MountOption::new(text).entry().is_some_and(acceptance::names_version)
}

fn requests_same(one: &str, other: &str) -> bool {
    let request = |text: &str| acceptance::version_request(&MountOption::new(text)).map(|it| it.versions);
    request(one).is_some() && request(one) == request(other)
}

/// Returns the version option that a text is, or is meant to be.
fn version_meant(token: &Token<'_>) -> Option<String> {
    let text = token.option.text();
    let meant = token.meant.as_deref().map(|meant| meant.options.as_slice()).unwrap_or_default();
    if let Some(meant) = meant.iter().find(|text| names_version(text)) {
        return Some(meant.clone());
    }
    let bare = match text.split_once('=') {
        Some((keyword, value)) => {
            let keyword = keyword.trim();
            let lower = keyword.to_lowercase();
            let known = version_keyword(&lower).or_else(|| misspelt(&lower)).unwrap_or(keyword);
            format!("{known}={}", value.trim())
        }
        None if text.trim_start().starts_with(|first: char| first.is_ascii_digit()) => {
            format!("v{}", text.trim())
        }
        None => text.trim().to_owned(),
    };
    if names_version(&bare) {
        return Some(intended(&MountOption::new(&bare)).unwrap_or(bare));
    }
    version_word(&bare)
}

/// Returns the keyword of a version that a misspelt one is meant to be, as NMG011 suggests it.
fn misspelt(written: &str) -> Option<&'static str> {
    // To look through the catalog takes longer, and most words are far from both.
    let is_near = |keyword: &str| {
        keyword.len().abs_diff(written.len()) <= 2 && strsim::osa_distance(written, keyword) <= 2
    };
    let is_version = ["vers", "nfsvers"].into_iter().any(is_near);
    is_version.then(|| in_small_letters(written).or_else(|| closest(written))).flatten()
}

/// Returns the keyword of a version that another word is meant to be.
pub(super) fn version_keyword(written: &str) -> Option<&'static str> {
    match written {
        "version" => Some("vers"),
        "nfsversion" | "nfs_version" | "nfsver" | "nfs_vers" => Some("nfsvers"),
        _ => None,
    }
}
