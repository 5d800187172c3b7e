//! The reason why nothing can be written through a mount.

use super::Subject;
use super::driver::assembly::Step;
use super::driver::evidence::Evidence;
use crate::nfs::catalog::OptionId;
use crate::site::Place;

/// The reason why every mount is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnlyBy<'s> {
    /// A `ro` that is written at this place.
    Option(&'s Place),
    /// The driver's `ro` for a volume whose first access mode is this one.
    FirstAccessMode(&'static str),
    /// A `ro` of the driver's for another reason.
    Driver,
}

impl Subject<'_> {
    /// Returns the reason why every mount of the volume is read-only; `None` where one may be written
    /// through, or where that depends on what is not rendered.
    pub fn read_only_by(&self) -> Option<ReadOnlyBy<'_>> {
        if !self.options.settings().read_only || self.options.has_unrendered() {
            return None;
        }
        let token = self.options.effective().rfind(|token| token.id() == Some(OptionId::Ro))?;
        let carrier = token.site.as_ref().and_then(|site| self.carriers.get(site.carrier));
        if let Some(carrier) = carrier {
            return Some(ReadOnlyBy::Option(&carrier.place));
        }
        let shown = self.driver.steps.iter().find_map(|step| match step {
            Step::ReadOnly(evidence) => self.first_mode_of(evidence),
            _ => None,
        });
        Some(shown.map_or(ReadOnlyBy::Driver, ReadOnlyBy::FirstAccessMode))
    }

    /// Returns the access mode that is the evidence, if the object shows it.
    fn first_mode_of(&self, evidence: &Evidence) -> Option<&'static str> {
        match evidence {
            Evidence::FirstAccessMode(mode) if self.shows(evidence) => Some(mode),
            Evidence::Any(several) => several.iter().find_map(|one| self.first_mode_of(one)),
            _ => None,
        }
    }
}
