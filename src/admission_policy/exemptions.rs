//! A policy's exemptions from NMG001, in CEL.

use time::Date;

use super::cel::{any, is_one_of, list, string};
use super::drivers::driver_of;
use crate::kind::Kind;
use crate::policy::Policy;
use crate::policy::exemption::Exemption;
use crate::rules::BACKGROUND_MOUNT;
use crate::subject::driver::{self, glob};
use crate::subject::manifest::{EXEMPT_ANNOTATION, IN_TREE_PLUGINS};

/// Returns those that are about NMG001 and hold on `today`: the ones that can be said in CEL, and
/// the ones that cannot, since they choose single options.
pub(super) fn sort(policy: &Policy, today: Date) -> (Vec<&Exemption>, Vec<&Exemption>) {
    policy
        .exemptions()
        .iter()
        .filter(|exemption| exemption.rules.contains(&BACKGROUND_MOUNT.code) && exemption.holds_on(today))
        .partition(|exemption| exemption.options.is_empty())
}

/// Returns CEL that is true if the exemption is about `object`; see [`Exemption::selects`].
pub(super) fn selects(exemption: &Exemption, object: &str) -> String {
    let is_volume = format!("{object}.?spec.hasValue()");
    let name = format!("{object}.?metadata.?name.or({object}.?metadata.?generateName).orValue('')");
    let class = format!("{object}.?spec.?storageClassName.orValue('')");
    let named = |text: &str| {
        exemption.name.as_deref().and_then(|pattern| is_one_of(text, &[pattern])).unwrap_or("true".to_owned())
    };
    let is_it = match exemption.kind {
        None => named(&name),
        Some(Kind::PersistentVolume) => format!("{is_volume} && {}", named(&name)),
        // One for a class is about its volumes too.
        Some(Kind::StorageClass) => {
            format!("({is_volume} ? {class} != '' && {} : {})", named(&class), named(&name))
        }
        // The policies match no other kinds.
        Some(_) => "false".to_owned(),
    };
    // A class and a volume have no namespace that a pattern could select.
    let is_it = if exemption.namespace.is_some() { "false".to_owned() } else { is_it };
    let by_class = exemption.storage_class_name.as_deref().map(|pattern| {
        let of = |text: &str| is_one_of(text, &[pattern]).unwrap_or_default();
        format!("({is_volume} ? {} : {})", of(&class), of(&name))
    });
    let by_driver = exemption.driver.as_deref().map(|pattern| driver_is(pattern, object));
    [Some(is_it), by_class, by_driver].into_iter().flatten().collect::<Vec<_>>().join(" &&\n")
}

fn driver_is(pattern: &str, object: &str) -> String {
    let in_tree_nfs = driver::in_tree_nfs().names.iter().map(|plugin| ("nfs", *plugin));
    let sources: Vec<&str> = in_tree_nfs
        .chain(IN_TREE_PLUGINS)
        .filter(|(_, plugin)| glob(pattern, plugin))
        .map(|(source, _)| source)
        .collect();
    let by_source = (!sources.is_empty())
        .then(|| format!("{}.exists(source, source in {object}.?spec.orValue({{}}))", list(&sources)));
    let terms: Vec<String> = is_one_of(&driver_of(object), &[pattern]).into_iter().chain(by_source).collect();
    any(&terms).unwrap_or_default()
}

/// Returns CEL that is true if the object's own annotation exempts it: by the rule's code or name,
/// or by the beginning of one. No other rule's name is the beginning of this one's.
pub(super) fn by_annotation(object: &str) -> String {
    let names = [BACKGROUND_MOUNT.code.to_string().to_ascii_lowercase(), BACKGROUND_MOUNT.name.to_owned()];
    format!(
        "{object}.?metadata.?annotations[?{}]\n  .optMap(text, text.split(',').exists(rule, rule.trim() != '' && {}.exists(name, name.startsWith(rule.trim().lowerAscii())))).orValue(false)",
        string(EXEMPT_ANNOTATION),
        list(&[&names[0], &names[1]])
    )
}
