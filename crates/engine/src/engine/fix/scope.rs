//! Defines which fixes are carried out, and where.

use super::super::{Evaluation, Judged};
use crate::finding::{Action, Applicability, Edit, Finding, Fix};
use crate::site::Place;
use crate::subject::Subject;

/// The fixes that are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The boldest fix that is.
    pub applicability: Applicability,
    /// The places that are touched.
    pub reach: Reach,
    /// The mildest finding that is fixed.
    pub least: Action,
    /// True if that is compared with what the policy demands, before caps.
    pub as_demanded: bool,
}

/// The places that fixes touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Everywhere,
    /// Those that an update may change, and elsewhere only what needs no second
    /// look.
    PatchableFirst,
    /// Those that an update may change.
    Patchable,
    /// Those in the object's metadata: a request on `/status` changes nothing
    /// else.
    Metadata,
}

impl Reach {
    const fn includes(self, place: &Place, applicability: Applicability) -> bool {
        match self {
            Self::Everywhere => true,
            Self::PatchableFirst => place.is_patchable() || matches!(applicability, Applicability::Apply),
            Self::Patchable => place.is_patchable(),
            Self::Metadata => matches!(place, Place::Annotation),
        }
    }
}

impl Scope {
    /// Returns the fixes of an evaluation that are carried out.
    pub(super) fn fixes<'e>(
        self,
        subject: &Subject<'_>,
        evaluation: &'e Evaluation,
    ) -> Vec<(&'e Finding, &'e Fix)> {
        let action = |judged: &Judged| if self.as_demanded { judged.demanded } else { judged.action };
        evaluation
            .findings
            .iter()
            .filter(|judged| action(judged) >= self.least)
            .filter_map(|judged| Some((&judged.finding, judged.finding.fix.as_ref()?)))
            .filter(|(_, fix)| self.includes(subject, fix))
            .collect()
    }

    /// Returns true if a fix is bold enough and touches nothing else.
    pub fn includes(self, subject: &Subject<'_>, fix: &Fix) -> bool {
        fix.applicability <= self.applicability
            && fix.edits.iter().all(|edit| {
                place_of(subject, edit).is_some_and(|place| self.reach.includes(place, fix.applicability))
            })
    }

    /// The scope of the mutating webhook.
    pub const WEBHOOK: Self = Self {
        applicability: Applicability::Apply,
        reach: Reach::Patchable,
        least: Action::Deny,
        as_demanded: true,
    };

    /// The scope of the mutating webhook on `/status`.
    pub const STATUS: Self = Self { reach: Reach::Metadata, ..Self::WEBHOOK };

    /// The scope of `fix` in a file.
    pub const FILE: Self = Self {
        applicability: Applicability::Offer,
        reach: Reach::PatchableFirst,
        least: Action::Audit,
        as_demanded: false,
    };

    /// The scope of `fix --unsafe-fixes` in a file: parameters and attributes, too, which are
    /// immutable: an existing object has to be deleted and created again.
    pub const FILE_UNSAFE: Self =
        Self { applicability: Applicability::Unsafe, reach: Reach::Everywhere, ..Self::FILE };

    /// The scope of the list that a denial proposes: no more than it takes to pass.
    pub const PROPOSAL: Self = Self {
        applicability: Applicability::Offer,
        reach: Reach::Everywhere,
        least: Action::Deny,
        as_demanded: false,
    };

    /// The scope of that list where no fix of what is denied suffices.
    pub const WIDER_PROPOSAL: Self = Self { least: Action::Warn, ..Self::PROPOSAL };

    /// Returns true for the scope of a list that is proposed.
    pub fn is_proposal(self) -> bool {
        self == Self::PROPOSAL || self == Self::WIDER_PROPOSAL
    }
}

fn place_of<'s>(subject: &'s Subject<'_>, edit: &'s Edit) -> Option<&'s Place> {
    let carrier = match edit {
        Edit::Replace { site, .. } | Edit::Remove { site } => site.carrier,
        Edit::Split { carrier, .. } | Edit::Append { carrier, .. } => *carrier,
        Edit::Rename(renaming) => return Some(&renaming.from),
    };
    subject.carriers.get(carrier).map(|carrier| &carrier.place)
}
