//! The clues and evidence of the driver table in CEL.

use super::cel::{hanging, is_one_of, not, string};
use super::drivers::Names;
use crate::subject::driver::evidence::Evidence;
use crate::subject::driver::{Driver, Nfs};
use crate::subject::facts::FS_TYPE_KEYS;

/// Returns CEL that is true if an object of the row may be NFS by its clues; `None` if that is
/// always so.
///
/// The first clue that speaks decides. Where an object says a thing twice, with
/// a key in different case or in two places for the file system's type, it may
/// be NFS as soon as one of them says so.
pub(super) fn may_be_nfs(row: &Driver, names: Names) -> Option<String> {
    let mut rest = if row.nfs == Nfs::No { Some("false".to_owned()) } else { None };
    // From the last one up, because each clue encloses what decides if it says nothing.
    for clue in row.clues.iter().rev() {
        rest = match (clue.verdict == Nfs::No, rest) {
            (true, None) => Some(not(&shows_surely(&clue.evidence, names))),
            (true, Some(rest)) if rest == "false" => Some(rest),
            (true, Some(rest)) => {
                // In CEL `&&` binds closer than `||`.
                let rest = if rest.contains(" ||\n") { format!("({})", hanging(&rest, 1)) } else { rest };
                Some(format!("{} &&\n{rest}", not(&shows_surely(&clue.evidence, names))))
            }
            (false, None) => None,
            (false, Some(rest)) if rest == "false" => Some(shows(&clue.evidence, names)),
            (false, Some(rest)) => Some(format!("{} ||\n{rest}", shows(&clue.evidence, names))),
        };
    }
    rest
}

/// Returns true if an update can change what the evidence says.
pub(super) fn hangs_on_access(evidence: &Evidence) -> bool {
    match evidence {
        Evidence::AccessMode(_) | Evidence::NoAccessMode(_) | Evidence::FirstAccessMode(_) => true,
        Evidence::All(several) | Evidence::Any(several) => several.iter().any(hangs_on_access),
        Evidence::Not(evidence) => hangs_on_access(evidence),
        _ => false,
    }
}

/// Returns CEL that is true if the evidence is there.
pub(super) fn shows(evidence: &Evidence, names: Names) -> String {
    let (object, facts) = (names.object, names.facts);
    match evidence {
        Evidence::Value(key, values) => has_fact(facts, &[*key], values),
        Evidence::Exact(key, values) => has_exactly(object, key, values),
        // A class is known by its provisioner, a volume by its spec: one expression evaluates both.
        Evidence::ExactParameter(key, values) => {
            format!("{object}.?provisioner.hasValue() && {}", has_exactly(object, key, values))
        }
        Evidence::ExactAttribute(key, values) => {
            format!("{object}.?spec.hasValue() && {}", has_exactly(object, key, values))
        }
        Evidence::Key(key) => has_fact(facts, &[*key], &["*"]),
        Evidence::FsType(values) => has_fact(facts, &FS_TYPE_KEYS, values),
        Evidence::AccessMode(mode) => format!("{} in {object}.?spec.?accessModes.orValue([])", string(mode)),
        Evidence::NoAccessMode(modes) => {
            let none: Vec<String> = modes
                .iter()
                .map(|mode| format!("!({} in {object}.spec.accessModes)", string(mode)))
                .collect();
            format!("{object}.?spec.?accessModes.orValue([]).size() > 0 && {}", none.join(" && "))
        }
        Evidence::FirstAccessMode(mode) => {
            format!("{object}.?spec.?accessModes[?0] == optional.of({})", string(mode))
        }
        Evidence::NoKey(key) => not(&has_fact(facts, &[*key], &["*"])),
        Evidence::Text(key) => {
            format!("{} && {}", has_fact(facts, &[*key], &["*"]), not(&has_fact(facts, &[*key], &[""])))
        }
        Evidence::Parameter(key, values) => {
            format!("{object}.?provisioner.hasValue() && {}", has_fact(facts, &[*key], values))
        }
        Evidence::Attribute(key, values) => {
            format!("{object}.?spec.hasValue() && {}", has_fact(facts, &[*key], values))
        }
        Evidence::NoAttribute(key, values) => {
            not(&format!("({object}.?spec.hasValue() && {})", has_fact(facts, &[*key], values)))
        }
        Evidence::FsTypeOfClass(values) => {
            format!("{object}.?provisioner.hasValue() && {}", has_fact(facts, &FS_TYPE_KEYS, values))
        }
        Evidence::VolumeHandle(pattern) => format!(
            "[{object}.?spec.?csi.?volumeHandle.orValue('')].exists(h, {})",
            is_one_of("h", &[pattern]).unwrap_or_default()
        ),
        Evidence::ReadOnlySource => {
            format!("{object}.?spec.?nfs.?readOnly == optional.of(true)")
        }
        Evidence::FlexVolume => format!("{object}.?spec.?flexVolume.hasValue()"),
        Evidence::BlockMode => format!("{object}.?spec.?volumeMode == optional.of('Block')"),
        Evidence::All(all) => each(all, names).join(" && "),
        Evidence::Any(any) => format!("({})", each(any, names).join(" || ")),
        Evidence::Not(evidence) => not(&format!("({})", shows(evidence, names))),
    }
}

fn each(several: &[Evidence], names: Names) -> Vec<String> {
    several.iter().map(|evidence| format!("({})", shows(evidence, names))).collect()
}

/// Returns CEL that is true if the evidence is there and no other place contradicts it.
fn shows_surely(evidence: &Evidence, names: Names) -> String {
    let shown = shows(evidence, names);
    let (keys, values): (&[&str], &[&str]) = match evidence {
        Evidence::Value(key, values) | Evidence::Parameter(key, values) if !values.contains(&"*") => {
            (&[*key], values)
        }
        Evidence::FsType(values) | Evidence::FsTypeOfClass(values) => (&FS_TYPE_KEYS, values),
        _ => return shown,
    };
    let is_fact = |values: &[&str]| {
        let patterns = patterns(keys, values);
        is_one_of("f", &patterns.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_or_default()
    };
    format!("{shown} && {}.all(f, !({}) || {})", names.facts, is_fact(&["*"]), is_fact(values))
}

/// Returns CEL that is true if the parameter or attribute of exactly this key has one of the values.
fn has_exactly(object: &str, key: &str, values: &[&str]) -> String {
    let key = string(key);
    let value = format!("{object}.?parameters[?{key}].or({object}.?spec.?csi.?volumeAttributes[?{key}])");
    if values.contains(&"*") {
        return format!("{value}.hasValue()");
    }
    let is_one = is_one_of("v", values).unwrap_or_default();
    format!("{value}.optMap(v, {is_one}).orValue(false)")
}

/// Returns CEL that is true if one of the keys has one of the values.
fn has_fact(facts: &str, keys: &[&str], values: &[&str]) -> String {
    let patterns = patterns(keys, values);
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    match patterns.as_slice() {
        [fact] if !fact.contains('*') => format!("{} in {facts}", string(fact)),
        patterns => format!("{facts}.exists(f, {})", is_one_of("f", patterns).unwrap_or_default()),
    }
}

/// Returns the patterns of a fact that has one of the keys and one of the values.
fn patterns(keys: &[&str], values: &[&str]) -> Vec<String> {
    let of_key = |key: &str| {
        // The facts of the policy have keys and values in lower case.
        let key = key.to_ascii_lowercase();
        values.iter().map(|value| format!("{key}={}", value.to_lowercase())).collect::<Vec<_>>()
    };
    keys.iter().flat_map(|key| of_key(key)).collect()
}
