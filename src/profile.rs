//! Profiles: sets of defaults for all rules.

use std::fmt;

use crate::finding::Action;

/// A set of defaults for all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// What a cluster should run with.
    #[default]
    Standard,
    /// For the first weeks: what is missing is warned about, not refused.
    Relaxed,
    /// Soft mounts and unpinned versions are refused as well, and volumes made
    /// by a provisioner are judged as any other.
    Strict,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Relaxed, Self::Strict];

    /// The version of the profiles' contents; a new rule arrives in the next.
    pub const VERSION: u32 = 1;

    /// As the policy file writes it, without a version.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }

    /// Reads `standard` or `standard@1`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let name = match text.split_once('@') {
            Some((name, version)) if version.parse() == Ok(Self::VERSION) => name,
            Some(_) => return None,
            None => text,
        };
        Self::ALL.into_iter().find(|profile| profile.as_str() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.as_str(), Self::VERSION)
    }
}

/// What is done about a rule's findings, profile by profile.
#[derive(Debug, Clone, Copy)]
pub struct Actions {
    standard: Action,
    relaxed: Action,
    strict: Action,
}

impl Actions {
    /// The same in every profile.
    pub(crate) const fn all(action: Action) -> Self {
        Self { standard: action, relaxed: action, strict: action }
    }

    /// Another action in the relaxed profile.
    pub(crate) const fn relaxed(mut self, action: Action) -> Self {
        self.relaxed = action;
        self
    }

    /// Another action in the strict profile.
    pub(crate) const fn strict(mut self, action: Action) -> Self {
        self.strict = action;
        self
    }

    /// The action in `profile`.
    pub const fn of(&self, profile: Profile) -> Action {
        match profile {
            Profile::Standard => self.standard,
            Profile::Relaxed => self.relaxed,
            Profile::Strict => self.strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_profile_with_or_without_its_version() {
        assert_eq!(Profile::parse("strict@1"), Some(Profile::Strict));
        assert_eq!(Profile::parse("relaxed"), Some(Profile::Relaxed));
        assert_eq!(Profile::parse("standard@2"), None);
        assert_eq!(Profile::parse("Standard"), None);
    }
}
