//! NMG001 for the inline CSI volumes of Pods and of what makes Pods, in CEL: a
//! ValidatingAdmissionPolicy of its own, and the condition of a webhook.
//!
//! Each volume is looked at as a PersistentVolume with the same source, by the
//! expressions of the other policy. Fields are reached as optional values, so
//! that no expression can fail: under `failurePolicy: Fail` a failure would keep
//! every Pod out.

use super::background_mount::{LONGEST, Validation, Variable, around_in, is_short, may_hold_bg, spelled};
use super::cel::{any, hanging, list};
use super::drivers::{KEEPS_CASE, KEY, Names, Table, facts_of, is_option_key};
use super::match_conditions::MatchCondition;
use crate::kind::Kind;
use crate::rules::{BACKGROUND_MOUNT, MALFORMED_ELEMENT};

/// Most attributes of a volume that are looked through: each costs the API server
/// time, and drivers read about a dozen.
const MOST_ATTRIBUTES: usize = 200;

/// The names that the expressions give to one volume and its parts.
const VOLUME: Names = Names { object: "volume", driver: "driver", facts: "facts" };

/// Returns the volumes of the Pods of any kind of `object`. A CronJob has the longest way to them;
/// of a Pod the first ways lead nowhere.
fn volumes_of(object: &str) -> String {
    format!(
        "{object}.?spec.?jobTemplate.?spec.?template.?spec\n  .or({object}.?spec.?template.?spec)\n  \
         .or({object}.?template.?spec)\n  .or({object}.?spec)\n  .?volumes.orValue([])"
    )
}

/// Returns CEL that is true if the volume `v` is an inline one of a driver that may mount NFS.
fn is_listed(table: &Table<'_>) -> String {
    format!(
        "[v.?csi.?driver.orValue('')].exists(driver,\n  {})",
        hanging(&table.is_known_to_mount_nfs("driver"), 2)
    )
}

/// Returns the one condition: nothing else is looked at, and no webhook is called for it.
pub(super) fn condition(table: &Table<'_>) -> MatchCondition {
    MatchCondition {
        name: "has-inline-nfs-volume",
        comment: "An inline volume of a CSI driver that mounts NFS, or may.",
        expression: format!("{}.exists(v,\n  {})", volumes_of("object"), hanging(&is_listed(table), 2)),
    }
}

pub(super) fn variables(table: &Table<'_>) -> Vec<Variable> {
    vec![Variable {
        name: "volumes",
        comment: "Those volumes, each as the PersistentVolume that it would be.",
        expression: format!(
            "{}.filter(v,\n  {})\n  .map(v, {{'spec': {{'csi': v.csi}}}})",
            volumes_of("dyn(object)"),
            hanging(&is_listed(table), 2)
        ),
    }]
}

/// Speaks of one volume after another: of its `driver`, its `attributes`, and
/// the `candidate`, the text of those that may hold options.
fn of_each(table: &Table<'_>, what: &str) -> String {
    let keys = table.version_keys();
    let versions = list(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let candidate = format!(
        "attributes.filter(k,\n  {} ||\n  k.lowerAscii() in {versions})\n  .map(k, attributes[k]).join(',')",
        hanging(&is_option_key("k"), 2)
    );
    format!(
        "variables.volumes.all(volume,\n\
         [volume.spec.csi.?driver.orValue('')].all(driver,\n\
         [{}].all(attributes,\n\
         attributes.size() > {MOST_ATTRIBUTES} ||\n\
         [{}].all(candidate,\n\n{what}\n))))",
        hanging("volume.spec.csi.?volumeAttributes.orValue({})", 1),
        hanging(&candidate, 1),
    )
}

/// Returns CEL that is true if the driver takes no `bg` from the candidate. The driver's reading is
/// evaluated only if the letters are there at all: facts of many attributes are expensive.
fn takes_no_bg(table: &Table<'_>) -> String {
    let text = format!(
        "attributes.filter(k,\n  {} ||\n  '{KEY}' + k.lowerAscii() in reading)\n  \
         .map(k, attributes[k])",
        hanging(&is_option_key("k"), 2)
    );
    let clues = table.clues_may_be_nfs(VOLUME);
    let is_never = (!clues.is_empty()).then(|| format!("!(\n{clues}\n)"));
    let keeps_case = format!("'{KEEPS_CASE}' in reading");
    let around = around_in("text", &keeps_case);
    let keyword = format!(r"({keeps_case} ? r'b[\x22\x27\\]*g' : r'(?i:b[\x22\x27\\]*g)')");
    let is_spelled = spelled("text", &around, &keyword);
    let terms: Vec<String> = [Some(format!("!({is_spelled})")), is_never].into_iter().flatten().collect();
    format!(
        "!({}) ||\n\
         [{}].all(facts,\n\
         [{}].all(reading,\n\
         {}.all(text,\n\n{}\n)))",
        may_hold_bg("candidate"),
        hanging(&facts_of("volume", "attributes"), 1),
        hanging(&table.reading(VOLUME), 1),
        text,
        any(&terms).unwrap_or_default(),
    )
}

/// Returns CEL that is true if the candidate is no longer than is evaluated, or of a volume that is
/// not NFS.
fn is_candidate_short(table: &Table<'_>) -> String {
    let clues = table.clues_may_be_nfs(VOLUME);
    let is_short = is_short("candidate");
    if clues.is_empty() {
        return is_short;
    }
    let facts = facts_of("volume", "attributes");
    format!("{is_short} ||\n[{}].all(facts,\n!(\n{clues}\n))", hanging(&facts, 1))
}

/// Returns the conditions that must be true of every volume.
pub(super) fn validations(table: &Table<'_>) -> Vec<Validation> {
    vec![
        Validation {
            expression: format!(
                "variables.volumes.all(volume,\n  volume.spec.csi.?volumeAttributes.orValue({{}}).size() <= {MOST_ATTRIBUTES})"
            ),
            message: format!(
                "{} {} (nfs-mount-guard): an inline volume has more than {MOST_ATTRIBUTES} volumeAttributes,\nso they are not looked through for bg; write fewer",
                MALFORMED_ELEMENT.code, MALFORMED_ELEMENT.name
            ),
        },
        // A longer text would cost more than the API server allows.
        Validation {
            expression: of_each(table, &is_candidate_short(table)),
            message: format!(
                "{} {} (nfs-mount-guard): a mount takes {LONGEST} bytes of options, and an inline volume has more,\nso they are not looked through for bg; write fewer",
                MALFORMED_ELEMENT.code, MALFORMED_ELEMENT.name
            ),
        },
        Validation {
            expression: of_each(table, &takes_no_bg(table)),
            message: format!(
                "{} {} (nfs-mount-guard): bg in the volumeAttributes of an inline volume makes a failed mount look successful:\nthe Pod writes to the node's local disk; use fg",
                BACKGROUND_MOUNT.code, BACKGROUND_MOUNT.name
            ),
        },
    ]
}

/// Returns the requests in question, of Pods alone or of templates alone. The volumes of a Pod
/// never change.
pub(super) fn resource_rules(pods: bool) -> String {
    let kinds = Kind::ALL.iter().copied().filter(|kind| kind.pod_spec().is_some());
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for kind in kinds.filter(|kind| (*kind == Kind::Pod) == pods) {
        match groups.iter_mut().find(|(group, _)| *group == kind.group()) {
            Some((_, plurals)) => plurals.push(kind.plural()),
            None => groups.push((kind.group(), vec![kind.plural()])),
        }
    }
    let operations = if pods { "[CREATE]" } else { "[CREATE, UPDATE]" };
    groups.iter().fold(String::new(), |text, (group, plurals)| {
        let plurals = plurals.join(", ");
        text + &format!(
            "- apiGroups: [{group:?}]\n  apiVersions: [v1]\n  operations: {operations}\n  resources: [{plurals}]\n  scope: Namespaced\n"
        )
    })
}
