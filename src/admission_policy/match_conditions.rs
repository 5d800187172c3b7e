//! `matchConditions`: which requests the API server need not ask anyone about,
//! so that a guard that is down holds up nothing but NFS.
//!
//! A request that the engine would refuse or patch must meet all of them. What
//! an expression cannot tell is asked about.

use super::cel::{hanging, list, string};
use super::drivers::{Names, Table, attributes_of, driver_of, facts_of};
use crate::policy::Policy;
use crate::subject::manifest::{EXEMPT_ANNOTATION, PROVISIONED_BY_ANNOTATION};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchCondition {
    /// Its name, which errors and metrics of the API server show.
    pub name: &'static str,
    /// What it is about, for people.
    pub comment: &'static str,
    /// The expression, over several lines.
    pub expression: String,
}

/// Every field that an update can change and a decision can depend on, one path
/// each. Not among them: the label that opts out of patching, for an update that
/// changes nothing else is not patched in either case.
pub const INSPECTED: &[&[&str]] = &[
    &["provisioner"],
    &["parameters"],
    &["mountOptions"],
    &["spec", "nfs"],
    &["spec", "csi"],
    &["spec", "flexVolume"],
    &["spec", "mountOptions"],
    &["spec", "accessModes"],
    &["spec", "volumeMode"],
    &["spec", "storageClassName"],
    &["metadata", "annotations", "volume.beta.kubernetes.io/mount-options"],
    &["metadata", "annotations", PROVISIONED_BY_ANNOTATION],
    &["metadata", "annotations", EXEMPT_ANNOTATION],
];

/// The conditions of both webhooks and of the admission policies.
///
/// `policy` counts for what it says of drivers: conditions generated without it
/// never ask about a driver that the table calls not NFS, whatever the policy
/// of a running guard says.
pub fn match_conditions(policy: &Policy) -> Vec<MatchCondition> {
    let table = Table::new(policy.drivers());
    vec![
        MatchCondition {
            name: "changes-what-counts",
            comment: "An update of a label, a finalizer or a claimRef concerns nobody here.",
            expression: format!("request.operation != 'UPDATE' ||\n{}", changes()),
        },
        MatchCondition {
            name: "source-may-be-nfs",
            comment: "What kubelet mounts itself, and is not NFS.",
            expression: sources(&table),
        },
        MatchCondition {
            name: "driver-may-be-nfs",
            comment: "What the driver table says of provisioners and CSI drivers.",
            expression: drivers(&table),
        },
    ]
}

fn changes() -> String {
    let changes = INSPECTED.iter().map(|path| {
        let select = |root: &str| {
            path.iter().fold(root.to_owned(), |text, step| {
                if step.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    format!("{text}.?{step}")
                } else {
                    format!("{text}[?{}]", string(step))
                }
            })
        };
        format!("{} != {}", select("object"), select("oldObject"))
    });
    changes.collect::<Vec<_>>().join(" ||\n")
}

fn sources(table: &Table<'_>) -> String {
    let sources = table.sources_that_are_not_nfs();
    format!("!{}\n  .exists(source, source in object.?spec.orValue({{}}))", list(&sources))
}

fn drivers(table: &Table<'_>) -> String {
    let names = Names { object: "object", driver: "driver", facts: "facts" };
    format!(
        "[{}].all(driver,\n[{}].all(attributes,\n[{}].all(facts,\n\n{}\n)))",
        hanging(&driver_of("object"), 1),
        hanging(&attributes_of("object"), 1),
        hanging(&facts_of("object", "attributes"), 1),
        table.may_be_nfs(names)
    )
}
