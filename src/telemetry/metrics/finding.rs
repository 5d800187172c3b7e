//! The labels of `nfs_mount_guard_findings_total`.

use prometheus_client::encoding::EncodeLabelSet;

use crate::engine::judge::Treatment;
use crate::finding::Code;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FindingLabels {
    pub(super) rule: Code,
    pub(super) done: Done,
}

/// The treatment of a finding, as the label `action` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Done {
    Deny,
    Patch,
    Warn,
    Audit,
}

impl Done {
    pub(super) const COUNT: usize = 4;

    pub(super) const fn of(treatment: Treatment) -> Self {
        match treatment {
            Treatment::Denied => Self::Deny,
            Treatment::Repaired => Self::Patch,
            Treatment::AlreadyPresent | Treatment::Warned => Self::Warn,
            Treatment::Audited => Self::Audit,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Patch => "patch",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

impl EncodeLabelSet for FindingLabels {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        use prometheus_client::encoding::EncodeLabel as _;
        ("rule", self.rule.to_string()).encode(encoder.encode_label())?;
        ("action", self.done.as_str()).encode(encoder.encode_label())
    }
}
