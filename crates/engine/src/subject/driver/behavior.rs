//! Evaluates a row for rules and repairs.

use super::Driver;
use super::assembly::{Addition, Step, Unless, When};
use super::refusal::What;
use crate::nfs::acceptance::names_version;
use crate::nfs::option::MountOption;

impl Driver {
    /// Returns the spelling of a version that the driver looks for in the list, and then appends
    /// none of its own.
    pub fn spelling_of_version(&self) -> Option<&'static str> {
        let looks_for_vers = self.takes_out.contains(&"vers") || !self.takes_versions.is_empty();
        self.steps.iter().find_map(|step| match step {
            Step::Version(_) if looks_for_vers => Some("vers="),
            Step::Add(addition) if addition.options.contains("vers=") => match addition.unless {
                Unless::Keyword(keywords) if keywords.contains(&"vers") => Some("vers="),
                Unless::Key("vers") | Unless::Prefix("vers" | "vers=") => Some("vers="),
                Unless::Prefix("nfsvers=") => Some("nfsvers="),
                _ => None,
            },
            _ => None,
        })
    }

    /// Returns the version that the driver finds in the text of a list, and what it makes
    /// of it.
    pub fn version_in(&self, elements: &[&str]) -> Option<(&'static str, Option<&'static str>)> {
        let is_there = |text: &str| elements.iter().any(|element| element.contains(text));
        self.takes_versions.iter().copied().find(|(text, _)| is_there(text))
    }

    /// Returns true if the driver takes a version in that spelling out of the list.
    pub fn takes_version(&self, version: &str) -> bool {
        let is_it = |(text, becomes): &(&str, Option<&str>)| {
            becomes.is_some() && text.strip_prefix("vers=") == Some(version)
        };
        self.takes_versions.is_empty() || self.takes_versions.iter().any(is_it)
    }

    /// Returns the version that the driver requests as soon as an option of the list is gone.
    pub(crate) fn version_without(&self, option: &MountOption<'_>) -> Option<&'static str> {
        self.steps.iter().find_map(|step| match step {
            Step::Add(addition) if addition.unless.is_met_by(option) => addition
                .options
                .split(',')
                .find(|added| MountOption::new(*added).entry().is_some_and(names_version)),
            _ => None,
        })
    }

    /// Returns true if options reach the mount in the order of their bytes.
    pub fn sorts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Sort))
    }

    /// Returns true if the driver takes the last of the options with one keyword, and no other.
    pub fn takes_last_of_keyword(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::OnePerKeyword))
    }

    /// Returns true if the driver drops an element that equals an earlier one.
    pub fn keeps_first_of_equal(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::KeepFirstOfEqual))
    }

    /// Returns true if the driver looks at whole elements before it adds its own options, so that a joined
    /// option counts only once its element is split.
    pub fn adds_by_element(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Add(Addition { unless, when, .. }) => {
                !matches!(unless, Unless::Never | Unless::Keyword(_)) || matches!(when, When::Holds(_))
            }
            _ => false,
        })
    }

    /// Returns true if the driver would add something, or add it in another place, if the option
    /// were not there; `others` are those that stay.
    pub fn depends_on<'o>(
        &self,
        option: &MountOption<'_>,
        mut others: impl Iterator<Item = &'o MountOption<'o>> + Clone,
    ) -> bool {
        let keeps_first = self.keeps_first_of_equal();
        self.steps.iter().any(|step| match step {
            // It is added in any case, and the second of two equal ones is dropped.
            Step::Add(addition) if matches!(addition.unless, Unless::Never) => {
                keeps_first && addition.options.split(',').any(|added| added == option.text())
            }
            Step::Add(addition) => {
                addition.unless.is_met_by(option) && !others.any(|other| addition.unless.is_met_by(other))
            }
            _ => false,
        })
    }

    /// Returns true if an option may become another one on its way through the driver.
    pub fn rewrites_options(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Trim | Step::StripPrefix(_) | Step::Shell))
    }

    /// Returns true if the driver refuses an element without text.
    pub fn refuses_empty_elements(&self) -> bool {
        self.refuses.iter().any(|refused| matches!(refused.what, What::EmptyElement))
    }
}
