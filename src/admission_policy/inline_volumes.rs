//! NMG001 for the inline CSI volumes of Pods and of what makes Pods, in CEL: a
//! ValidatingAdmissionPolicy of its own, and the condition of a webhook.
//!
//! Each volume is looked at as a PersistentVolume with the same source, by the
//! expressions of the other policy. Fields that a volume may lack are reached as
//! optional values, and volumes without `csi` cost one unit each, so that no
//! expression can fail for a Pod without such a volume: under `failurePolicy: Fail`
//! a failure keeps a Pod out.

use super::background_mount::{LONGEST, Validation, Variable, around_in, is_short, may_hold_bg, spelled};
use super::cel::{any, hanging, list, string};
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
    // The deepest place first: every workload has a spec.
    format!(
        "{object}.?spec.?jobTemplate.?spec.?template.?spec\n  .or({object}.?spec.?template.?spec)\n  \
         .or({object}.?template.?spec)\n  .or({object}.?spec)\n  .?volumes.orValue([])"
    )
}

/// Returns CEL for those of the volumes that are inline ones of a driver that may mount NFS. `filter` and
/// `has` cost the least of each volume that is none: a Pod may have as many as an object has room for.
fn listed(table: &Table<'_>, object: &str) -> String {
    let is_listed = table.is_known_to_mount_nfs("v.csi.driver");
    format!("{}.filter(v,\n  has(v.csi) && {})", volumes_of(object), hanging(&parenthesized(&is_listed), 2))
}

/// Returns an expression that can stand beside `&&`.
fn parenthesized(expression: &str) -> String {
    if expression.starts_with('(') { expression.to_owned() } else { format!("({expression})") }
}

/// Returns the one condition: nothing else is looked at, and no webhook is called for it.
pub(super) fn condition(table: &Table<'_>) -> MatchCondition {
    MatchCondition {
        name: "has-inline-nfs-volume",
        comment: "An inline volume of a CSI driver that mounts NFS, or may.",
        expression: format!("{}.size() > 0", listed(table, "object")),
    }
}

pub(super) fn variables(table: &Table<'_>) -> Vec<Variable> {
    let takes_no_bg = of_one(table, &takes_no_bg(table));
    vec![
        Variable {
            name: "volumes",
            comment: "Those volumes, each as the PersistentVolume that it would be.",
            expression: format!(
                "{}\n  .map(v, {{'name': v.name, 'spec': dyn({{'csi': v.csi}})}})",
                listed(table, "dyn(object)")
            ),
        },
        Variable {
            name: "background",
            comment: "The names of those from which the driver takes bg.",
            expression: format!(
                "variables.volumes.filter(volume, !(\n{takes_no_bg}\n)).map(volume, volume.name)"
            ),
        },
    ]
}

/// Speaks of one volume after another; see [`of_one`].
fn of_each(table: &Table<'_>, what: &str) -> String {
    format!("variables.volumes.all(volume,\n{})", of_one(table, what))
}

/// Speaks of one `volume`: of its `driver`, its `attributes`, and
/// the `candidate`, the text of those that may hold options.
fn of_one(table: &Table<'_>, what: &str) -> String {
    let keys = table.version_keys();
    let versions = list(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let candidate = format!(
        "attributes.filter(k,\n  {} ||\n  k.lowerAscii() in {versions})\n  .map(k, attributes[k]).join(',')",
        hanging(&is_option_key("k"), 2)
    );
    format!(
        "[volume.spec.csi.?driver.orValue('')].all(driver,\n\
         [{}].all(attributes,\n\
         attributes.size() > {MOST_ATTRIBUTES} ||\n\
         [{}].all(candidate,\n\n{what}\n)))",
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
    let (code, name) = (BACKGROUND_MOUNT.code, BACKGROUND_MOUNT.name);
    let bg = format!("{code} {name} (nfs-mount-guard): bg in the volumeAttributes of");
    let what = "inline volume";
    let consequence = "makes a failed mount look successful: the Pod writes to the node's local disk; use fg";
    vec![
        Validation::new(
            format!(
                "variables.volumes.all(volume,\n  volume.spec.csi.?volumeAttributes.orValue({{}}).size() <= {MOST_ATTRIBUTES})"
            ),
            format!(
                "{} {} (nfs-mount-guard): an inline volume has more than {MOST_ATTRIBUTES} volumeAttributes,\nso they are not looked through for bg; write fewer",
                MALFORMED_ELEMENT.code, MALFORMED_ELEMENT.name
            ),
        ),
        // A longer text would cost more than the API server allows.
        Validation::new(
            of_each(table, &is_candidate_short(table)),
            format!(
                "{} {} (nfs-mount-guard): a mount takes {LONGEST} bytes of options, and an inline volume has more,\nso they are not looked through for bg; write fewer",
                MALFORMED_ELEMENT.code, MALFORMED_ELEMENT.name
            ),
        ),
        Validation {
            message_expression: Some(format!(
                "{} + variables.background[0] + {}",
                string(&format!("{bg} the {what} ")),
                string(&format!(" {consequence}"))
            )),
            ..Validation::new(
                "variables.background.size() == 0".to_owned(),
                format!("{bg} an {what} {consequence}"),
            )
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
    // A template can be changed, and then makes other Pods.
    let operations = if pods { "[CREATE]" } else { "[CREATE, UPDATE]" };
    groups.iter().fold(String::new(), |text, (group, plurals)| {
        let plurals = plurals.join(", ");
        text + &format!(
            "- apiGroups: [{group:?}]\n  apiVersions: [v1]\n  operations: {operations}\n  resources: [{plurals}]\n  scope: Namespaced\n"
        )
    })
}
