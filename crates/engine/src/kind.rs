//! The kinds of object that are evaluated, as data: one file a kind, one word in
//! the list below.
//!
//! A file says what the API calls the kind, what it holds that is mounted, and
//! how far its findings go. Nothing else in the program compares a kind by name
//! where this row can answer.

mod misnamed;
mod persistent_volume;
mod persistent_volume_claim;
mod storage_class;
mod volume_snapshot_class;
mod workload;

use std::fmt;

pub use misnamed::misnamed;

/// The properties of a kind.
#[derive(Debug)]
pub struct Row {
    /// The `kind` of a manifest.
    pub name: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The name in a rule of a webhook configuration.
    pub plural: &'static str,
    /// The mounted parts of it.
    pub holds: Holds,
    /// The path to its `mountOptions`; empty for a kind without such a list.
    pub list: &'static [&'static str],
    /// The sub-resources that are evaluated beside the object itself.
    pub sub_resources: &'static [&'static str],
    /// True if an object without any option is complete as it is.
    pub may_be_silent: bool,
    /// The findings that may refuse it.
    pub refuses: Refuses,
    /// The effect of a denial at admission.
    pub reach: Reach,
}

/// The mounted parts of an object: the subjects that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Whatever a driver makes with these parameters: one subject.
    Class,
    /// A mount that a driver makes for snapshots: one subject.
    Snapshots,
    /// The volume that it is: one subject.
    Volume,
    /// Nothing: a volume that another object describes. One subject, where it holds
    /// options that nothing reads.
    Claim,
    /// The inline CSI volumes of its Pods: a subject each.
    InlineVolumes(PodSpec),
}

/// The place of the specification of an object's Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSpec {
    /// `spec`
    Spec,
    /// `template.spec`
    Template,
    /// `spec.template.spec`
    SpecTemplate,
    /// `spec.jobTemplate.spec.template.spec`
    JobTemplate,
}

impl PodSpec {
    /// Returns the path to it, one name a step.
    pub const fn path(self) -> &'static [&'static str] {
        match self {
            Self::Spec => &["spec"],
            Self::Template => &["template", "spec"],
            Self::SpecTemplate => &["spec", "template", "spec"],
            Self::JobTemplate => &["spec", "jobTemplate", "spec", "template", "spec"],
        }
    }
}

/// The findings that may refuse an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuses {
    /// All that the policy denies.
    All,
    /// A background mount, and options that the layers read differently.
    Background,
}

/// The effect of a denial at admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It refuses the request.
    Decides,
    /// It warns: what the object makes is refused instead, and refusing
    /// what a controller makes only has it try again.
    Warns,
}

macro_rules! kinds {
    ($($kind:ident => $row:path),* $(,)?) => {
        /// The kinds of object that are evaluated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the variants are the API's own kinds")]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Returns the properties of the kind.
            pub const fn row(self) -> &'static Row {
                match self { $(Self::$kind => &$row),* }
            }
        }
    };
}

kinds! {
    StorageClass => storage_class::ROW,
    PersistentVolume => persistent_volume::ROW,
    VolumeSnapshotClass => volume_snapshot_class::ROW,
    PersistentVolumeClaim => persistent_volume_claim::ROW,
    Pod => workload::POD,
    PodTemplate => workload::POD_TEMPLATE,
    ReplicationController => workload::REPLICATION_CONTROLLER,
    Deployment => workload::DEPLOYMENT,
    StatefulSet => workload::STATEFUL_SET,
    DaemonSet => workload::DAEMON_SET,
    ReplicaSet => workload::REPLICA_SET,
    Job => workload::JOB,
    CronJob => workload::CRON_JOB,
}

impl Kind {
    /// Returns the `kind` of a manifest.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Returns the API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        self.row().group
    }

    /// Returns the name in a rule of a webhook configuration.
    pub const fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Returns the kind that `kind` names, if it is one of these.
    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|found| found.as_str() == kind)
    }

    /// Returns true if a request on `sub_resource` of such an object is evaluated, empty for the
    /// object itself.
    pub fn is_judged_on(self, sub_resource: &str) -> bool {
        sub_resource.is_empty() || self.row().sub_resources.contains(&sub_resource)
    }

    /// Returns the place where a workload specifies its Pods; `None` for a kind that is itself a
    /// subject.
    pub const fn pod_spec(self) -> Option<PodSpec> {
        match self.row().holds {
            Holds::InlineVolumes(at) => Some(at),
            Holds::Class | Holds::Snapshots | Holds::Volume | Holds::Claim => None,
        }
    }

    /// Returns true if its objects are in namespaces.
    pub const fn is_namespaced(self) -> bool {
        matches!(self.row().holds, Holds::InlineVolumes(_) | Holds::Claim)
    }

    /// Returns an object of this kind, as baselines and reports name it:
    /// `StorageClass/shared`, `Deployment/shop/web` with the namespace that is
    /// written.
    pub fn name_object(self, namespace: Option<&str>, name: &str) -> String {
        match namespace {
            // A class or a volume has none, whatever its manifest says.
            Some(namespace) if self.is_namespaced() => format!("{self}/{namespace}/{name}"),
            _ => format!("{self}/{name}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_found_by_its_own_name_and_no_two_share_one() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        let plurals: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        assert_eq!((names.len(), plurals.len()), (Kind::ALL.len(), Kind::ALL.len()));
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
    }
}
