//! Pods of a cluster and the claims that they mount, beside what is evaluated: who is exposed is found
//! by them.

use nfs_mount_guard_json::Objects;
use serde::{Deserialize as _, Deserializer};

use super::super::de::{DeserializeError, NodeDeserializer};
use super::super::tree::{NodeId, Tree};
use super::super::{Item, json};
use crate::kind::{Holds, Kind};
use crate::subject::binding::Claim;
use crate::subject::pod::Pod;

/// Visits what a Pod of a cluster mounts, or the volume or class that a claim names; an object of
/// another kind has neither.
///
/// # Errors
///
/// The same as those of [`visit_pod`].
pub(super) fn visit(
    kind: Kind,
    tree: &Tree<'_>,
    node: NodeId,
    from: NodeDeserializer<'_>,
    visitor: &mut dyn FnMut(Item<'_>),
) -> Result<(), DeserializeError> {
    if kind == Kind::Pod {
        return visit_pod(tree, node, from, visitor);
    }
    if kind.row().holds == Holds::Claim {
        visit_claim(from, visitor);
    }
    Ok(())
}

/// Visits a Pod of a cluster, as far as its volumes go. Faults of a manifest, which has no
/// phase, are reported when it is evaluated.
///
/// # Errors
///
/// Why a Pod that runs cannot be read: it would be missing among those that are exposed.
fn visit_pod(
    tree: &Tree<'_>,
    node: NodeId,
    from: NodeDeserializer<'_>,
    visitor: &mut dyn FnMut(Item<'_>),
) -> Result<(), DeserializeError> {
    let phase = tree.get(node, "status").and_then(|status| tree.get(status, "phase"));
    let has_phase = phase.and_then(|phase| tree.text(phase)).is_some_and(|phase| !phase.is_empty());
    match Pod::deserialize(from) {
        Ok(pod) if pod.is_of_cluster() => visitor(Item::Pod(pod.mounting().map(Box::new))),
        Err(misfit) if has_phase => return Err(misfit),
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

/// Visits a claim, where it names its volume or its class. Faults of it are reported when it is evaluated.
fn visit_claim<'de>(from: impl Deserializer<'de>, visitor: &mut dyn FnMut(Item<'_>)) {
    if let Some(claim) = Claim::deserialize(from).ok().and_then(|claim| claim.with_origin()) {
        visitor(Item::Claim(Box::new(claim)));
    }
}

/// Visits as [`visit_claim`] does, for JSON.
pub(super) fn visit_json_claim(part: &str, visitor: &mut dyn FnMut(Item<'_>)) {
    if json::may_have_key(part, "volumeName\"") || json::may_have_key(part, "storageClassName\"") {
        visit_claim(Objects(&mut serde_json::Deserializer::from_slice(part.as_bytes())), visitor);
    }
}
