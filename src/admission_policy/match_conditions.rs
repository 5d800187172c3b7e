//! `matchConditions`: the requests that the API server does not send,
//! so that a guard that is down holds up nothing but NFS.
//!
//! A request that the engine would refuse or patch must meet all of them. The webhook is called if
//! an expression cannot decide.

use super::cel::{hanging, list, not, string};
use super::drivers::{Names, Table, attributes_of, entry_of, facts_of};
use crate::policy::Policy;
use crate::site::MOUNT_OPTIONS_ANNOTATION;
use crate::subject::manifest::{EXEMPT_ANNOTATION, PROVISIONED_BY_ANNOTATION};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchCondition {
    /// Its name, which errors and metrics of the API server show.
    pub name: &'static str,
    /// The subject of the condition, for people.
    pub comment: &'static str,
    /// The expression, over several lines.
    pub expression: String,
}

/// The purpose for which a field of an object is read; each implies all that come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The options in it, and their readers.
    Options,
    /// Write access, and whether it is NFS at all: conditions of a patch.
    Access,
    /// The users who can act on a denial, and the exemptions.
    Denial,
}

/// Every field that an update can change and a decision can hang on. Not among
/// them: the label that opts out of patching, for an update that changes
/// nothing else is not patched in either case.
pub const INSPECTED: &[(&[&str], Concern)] = &[
    (&["provisioner"], Concern::Options),
    (&["parameters"], Concern::Options),
    (&["driver"], Concern::Options),
    (&["mountOptions"], Concern::Options),
    (&["spec", "nfs"], Concern::Options),
    (&["spec", "csi"], Concern::Options),
    (&["spec", "flexVolume"], Concern::Options),
    (&["spec", "mountOptions"], Concern::Options),
    (&["metadata", "annotations", MOUNT_OPTIONS_ANNOTATION], Concern::Options),
    (&["spec", "accessModes"], Concern::Access),
    (&["spec", "volumeMode"], Concern::Access),
    (&["spec", "storageClassName"], Concern::Denial),
    (&["metadata", "annotations", PROVISIONED_BY_ANNOTATION], Concern::Denial),
    (&["metadata", "annotations", EXEMPT_ANNOTATION], Concern::Denial),
];

/// Returns the conditions of a webhook or an admission policy that is there for `concern`.
///
/// `policy` counts for what it says of drivers: conditions generated without it
/// never call the webhook for a driver that the table calls not NFS, whatever the policy
/// of a running guard says.
pub fn match_conditions(policy: &Policy, concern: Concern) -> Vec<MatchCondition> {
    let table = Table::new(policy.drivers());
    vec![
        MatchCondition {
            name: "changes-what-counts",
            comment: "An update of a label, a finalizer or a claimRef changes no mount option.",
            expression: format!("request.operation != 'UPDATE' ||\n{}", changes(concern)),
        },
        MatchCondition {
            name: "source-may-be-nfs",
            comment: "Volumes of the kubelet's own plugins other than NFS.",
            expression: sources(&table),
        },
        MatchCondition {
            name: "driver-may-be-nfs",
            comment: "Provisioners and CSI drivers.",
            expression: format!(
                "[{}].all(driver,\n\n{}\n)",
                hanging(&entry_of("object"), 1),
                table.driver_may_be_nfs("driver")
            ),
        },
        MatchCondition {
            name: "clues-may-be-nfs",
            comment: "Drivers of NFS and other volumes: what parameters, attributes and access modes tell.",
            expression: clues(&table),
        },
    ]
}

fn changes(concern: Concern) -> String {
    let inspected = INSPECTED.iter().filter(|(_, needed)| *needed <= concern);
    let changes = inspected.map(|(path, _)| {
        let select = |root: &str| {
            path.iter().fold(root.to_owned(), |text, step| {
                if step.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    format!("{text}.?{step}")
                } else {
                    format!("{text}[?{}]", string(step))
                }
            })
        };
        let differs = format!("{} != {}", select("object"), select("oldObject"));
        if path.ends_with(&[MOUNT_OPTIONS_ANNOTATION]) {
            // The kubelet reads it on in-tree volumes only; on a class it is not read.
            return format!("object.?spec.hasValue() && !object.?spec.?csi.hasValue() &&\n  {differs}");
        }
        differs
    });
    changes.collect::<Vec<_>>().join(" ||\n")
}

fn sources(table: &Table<'_>) -> String {
    let sources = table.sources_that_are_not_nfs();
    format!("!{}\n  .exists(source, source in object.?spec.orValue({{}}))", list(&sources))
}

fn clues(table: &Table<'_>) -> String {
    let names = Names { object: "object", driver: "driver", facts: "facts" };
    let has_none = table.has_clues("driver").map_or_else(|| "true".to_owned(), |has| not(&has));
    format!(
        "[{}].all(driver,\n{has_none} ||\n[{}].all(attributes,\n[{}].all(facts,\n\n{}\n)))",
        hanging(&entry_of("object"), 1),
        hanging(&attributes_of("object"), 1),
        hanging(&facts_of("object", "attributes"), 1),
        table.clues_may_be_nfs(names)
    )
}
