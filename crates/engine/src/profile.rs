//! Profiles: sets of defaults for all rules, in versions that stay as they were
//! released.

mod released;

use std::fmt;

use crate::finding::{Action, Code};
use released::Row;

/// Names a set of defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Set {
    /// The recommended profile for a cluster.
    #[default]
    Standard,
    /// For the first weeks: what is missing is warned about, not refused.
    Relaxed,
    /// Soft mounts and unpinned versions are refused as well, and volumes made
    /// by a provisioner are evaluated as any other.
    Strict,
}

impl Set {
    /// Every set.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Relaxed, Self::Strict];

    /// Returns the word in a policy file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }
}

/// A version of the profiles: which rules run, with which actions and settings.
/// The rules' data (catalog, drivers, readings) are always the newest.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Its number, as in `standard@1`.
    pub number: u32,
    /// The release of this program that brought it.
    pub release: &'static str,
    /// Its profiles' names, in the order of [`Set::ALL`].
    names: [&'static str; 3],
    /// The defaults of every rule it has; `None` while it is open: then they are
    /// those that the rules themselves state.
    rows: Option<&'static [Row]>,
}

/// Every version, oldest first. Once the last one is released its defaults go to
/// `released`, and the next change opens another one.
pub const VERSIONS: [Version; 2] = [
    Version {
        number: 1,
        release: "0.1.0",
        names: ["standard@1", "relaxed@1", "strict@1"],
        rows: Some(released::VERSION_1),
    },
    Version { number: 2, release: "0.2.0", names: ["standard@2", "relaxed@2", "strict@2"], rows: None },
];

const NEWEST: Version = {
    let [.., newest] = VERSIONS;
    newest
};

impl Version {
    /// Finds a version by its number.
    pub fn find(number: u32) -> Option<Self> {
        VERSIONS.into_iter().find(|version| version.number == number)
    }

    /// Returns true if its defaults do not change any more.
    pub const fn is_released(self) -> bool {
        self.rows.is_some()
    }
}

/// A set of defaults for all rules, in one version.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    set: Set,
    version: Version,
}

/// The reason why a text names no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownProfile {
    /// There is no set of that name.
    Set,
    /// The set has no version of that number.
    Version(Set),
}

impl Profile {
    /// The newest version of every set.
    pub const ALL: [Self; 3] = [
        Self { set: Set::Standard, version: NEWEST },
        Self { set: Set::Relaxed, version: NEWEST },
        Self { set: Set::Strict, version: NEWEST },
    ];

    /// Returns the newest version of a set.
    pub const fn newest(set: Set) -> Self {
        Self { set, version: NEWEST }
    }

    /// Returns every profile in every version, the oldest first.
    pub fn every() -> impl Iterator<Item = Self> {
        VERSIONS.into_iter().flat_map(|version| Set::ALL.map(|set| Self { set, version }))
    }

    /// Returns the spellings that [`Self::parse`] takes.
    pub fn spellings() -> impl Iterator<Item = &'static str> {
        Set::ALL.into_iter().map(Set::as_str).chain(VERSIONS.into_iter().flat_map(|version| version.names))
    }

    /// Returns the set.
    pub const fn set(self) -> Set {
        self.set
    }

    /// Returns its version.
    pub const fn version(self) -> Version {
        self.version
    }

    /// Reads `standard`, which is the newest version, or `standard@1`.
    ///
    /// # Errors
    ///
    /// When there is no such set, or no such version of it.
    pub fn parse(text: &str) -> Result<Self, UnknownProfile> {
        let (name, number) = match text.split_once('@') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let set = Set::ALL.into_iter().find(|set| set.as_str() == name).ok_or(UnknownProfile::Set)?;
        // A name alone follows the releases.
        let Some(number) = number else { return Ok(Self::newest(set)) };
        // `1` has one spelling: not `01`, not `+1`.
        VERSIONS
            .into_iter()
            .find(|version| version.number.to_string() == number)
            .map(|version| Self { set, version })
            .ok_or(UnknownProfile::Version(set))
    }

    /// Returns the actions that the version fixes for a rule.
    pub(crate) fn fixed(self, code: Code) -> Fixed {
        let Some(rows) = self.version.rows else { return Fixed::Open };
        // A rule that is newer than the version must not change its decisions.
        rows.iter().find(|row| row.code == code).map_or(Fixed::Without, Fixed::Row)
    }
}

/// The actions that a version of a profile fixes for one rule.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fixed {
    /// Nothing yet: the rule's own defaults hold.
    Open,
    /// The version does not have the rule.
    Without,
    /// These defaults.
    Row(&'static Row),
}

impl Default for Profile {
    fn default() -> Self {
        Self::newest(Set::default())
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        (self.set, self.version.number) == (other.set, other.version.number)
    }
}

impl Eq for Profile {}

impl std::hash::Hash for Profile {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        // The number stands for the rows, which never change once released.
        (self.set, self.version.number).hash(hasher);
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.set.as_str(), self.version.number)
    }
}

/// Writes the spelling that was found and those that were expected.
impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("allowed: standard, relaxed, strict"),
            Self::Version(set) => {
                let name = set.as_str();
                f.write_str("allowed: ")?;
                for (index, version) in VERSIONS.iter().enumerate() {
                    write!(f, "{}{name}@{}", if index == 0 { "" } else { ", " }, version.number)?;
                }
                Ok(())
            }
        }
    }
}

/// The action for a rule's findings, for each profile.
#[derive(Debug, Clone, Copy)]
pub struct Actions {
    standard: Action,
    relaxed: Action,
    strict: Action,
}

impl Actions {
    /// Returns the same in every set.
    pub(crate) const fn all(action: Action) -> Self {
        Self { standard: action, relaxed: action, strict: action }
    }

    /// Sets another action in the relaxed set.
    pub(crate) const fn relaxed(mut self, action: Action) -> Self {
        self.relaxed = action;
        self
    }

    /// Sets another action in the strict set.
    pub(crate) const fn strict(mut self, action: Action) -> Self {
        self.strict = action;
        self
    }

    /// Returns the action in `set`.
    pub const fn of(&self, set: Set) -> Action {
        match set {
            Set::Standard => self.standard,
            Set::Relaxed => self.relaxed,
            Set::Strict => self.strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_profile_with_or_without_its_version() {
        let parsed = |text| Profile::parse(text).map(|profile| profile.to_string());
        assert_eq!(parsed("strict@1").as_deref(), Ok("strict@1"));
        assert_eq!(parsed("relaxed@2").as_deref(), Ok("relaxed@2"));
        assert_eq!(parsed("relaxed"), Ok(format!("relaxed@{}", NEWEST.number)));
        assert_eq!(Profile::parse("Standard"), Err(UnknownProfile::Set));
        for text in ["standard@", "standard@0", "standard@01", "standard@+1", "standard@1@1", "standard@99"] {
            assert_eq!(Profile::parse(text), Err(UnknownProfile::Version(Set::Standard)), "{text}");
        }
        let names: Vec<String> = Profile::every().map(|profile| profile.to_string()).collect();
        assert_eq!(Profile::spellings().skip(Set::ALL.len()).collect::<Vec<_>>(), names);
        assert!(Profile::spellings().all(|text| Profile::parse(text).is_ok()));
    }

    #[test]
    fn versions_are_numbered_from_one_and_only_the_last_is_open() {
        let numbers: Vec<u32> = VERSIONS.iter().map(|version| version.number).collect();
        assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<_>>());
        let open = VERSIONS.iter().filter(|version| !version.is_released());
        assert!(open.clone().count() <= 1 && open.clone().all(|version| version.number == NEWEST.number));
        assert_eq!(Version::find(1).map(|version| version.release), Some("0.1.0"));
    }
}
