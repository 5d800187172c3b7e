//! A workload: its inline CSI volumes, and its options that nothing reads.

use std::ops::Range;

use super::super::object::{Origin, Part};
use super::super::tree::{NodeId, Tree};
use super::super::unjudged::{self, Unjudged, UnjudgedPlace};
use super::super::{Item, Skip, Source};
use super::object;
use crate::kind::{Kind, PodSpec};
use crate::nfs::placeholder::is_placeholder;
use crate::subject::Misplaced;
use crate::subject::driver::{names_mount_options, resembles_mount_options};
use crate::subject::manifest::Manifest;

/// A workload as it is read.
pub(super) struct Read<'i> {
    pub(super) kind: Kind,
    pub(super) at: PodSpec,
    /// Its inline CSI volumes.
    pub(super) parts: Vec<Part<'i>>,
    /// Its metadata.
    pub(super) manifest: Manifest<'i>,
    pub(super) span: Range<usize>,
    pub(super) origin: Origin<'i>,
}

/// Visits a workload that is read: its inline volumes, its options that nothing reads, and what else of
/// it is not evaluated. The tree is its own.
pub(super) fn visit<'i>(
    source: &Source<'i>,
    (tree, node): (&Tree<'_>, NodeId),
    read: Read<'i>,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let Read { kind, at, mut parts, manifest, span, origin } = read;
    let found = unjudged::find_in_workload(tree, node, kind, (!parts.is_empty()).then_some(at));
    let (lost, rest) = found.map_or((None, None), |found| divided(&found, at, tree, node));
    parts.extend(lost.map(|lost| stray(lost, manifest)));
    if parts.is_empty() {
        visitor(rest.map_or(Item::Skipped(Skip::NoInlineVolume), Item::Unjudged));
        return;
    }
    if let Some(rest) = rest {
        visitor(Item::Beside(rest));
    }
    visitor(object(source, kind, parts, span, origin));
}

/// Returns true if a program has still to fill in the volumes of a workload, or what they are in.
pub(super) fn awaits_volumes(tree: &Tree<'_>, node: NodeId, at: PodSpec) -> bool {
    let is_awaited = |value: NodeId| tree.text(value).is_some_and(is_placeholder);
    let mut place = node;
    for step in at.path().iter().copied().chain(["volumes"]) {
        let Some(value) = tree.get(place, step) else { return false };
        if is_awaited(value) {
            return true;
        }
        place = value;
    }
    tree.items(place).unwrap_or_default().iter().any(|volume| is_awaited(*volume))
}

/// Returns the workload itself as a part that mounts nothing and holds lost options.
fn stray(lost: Unjudged, mut manifest: Manifest<'_>) -> Part<'_> {
    let annotations = manifest.metadata.as_mut().and_then(|metadata| metadata.annotations.as_mut());
    if let Some(annotations) = annotations {
        // One of the workload itself is named as not evaluated.
        annotations.mount_options = None;
    }
    let field = |place: &UnjudgedPlace| Misplaced { path: place.path.clone(), texts: place.texts.clone() };
    let misplaced = lost.places.iter().map(field).collect();
    Part { misplaced, lost: Some(lost), ..Part::whole(manifest) }
}

/// Divides the places into those that Kubernetes certainly does not read, and the others.
fn divided(
    found: &Unjudged,
    at: PodSpec,
    tree: &Tree<'_>,
    node: NodeId,
) -> (Option<Unjudged>, Option<Unjudged>) {
    let (mut lost, mut rest) = (Vec::new(), Vec::new());
    for place in &found.places {
        match lost_at(place, at, tree, node) {
            Some(texts) => lost.push(UnjudgedPlace { texts, ..place.clone() }),
            None => rest.push(place.clone()),
        }
    }
    let with = |places: Vec<UnjudgedPlace>| {
        let offset = places.first()?.offset;
        Some(Unjudged { offset, places, ..found.clone() })
    };
    (with(lost), with(rest))
}

/// Sources of a volume that may be NFS.
const SOURCES: [&str; 5] = ["nfs", "persistentVolumeClaim", "ephemeral", "csi", "flexVolume"];

/// The lists of containers in a Pod's specification.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Returns the options at a place of a workload, where no field of Kubernetes has its name: in the workload
/// itself and on the way to the specification of its Pods, in a volume or a mount of one, and in a template of
/// claims. The script of a `FlexVolume`, a container and a patch may read what they are given, and the
/// options of another file system are none of NFS.
fn lost_at(place: &UnjudgedPlace, at: PodSpec, tree: &Tree<'_>, node: NodeId) -> Option<Vec<String>> {
    let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
    let (name, parents) = path.split_last()?;
    let step = |at: NodeId, step: &&str| match tree.items(at) {
        Some(items) => items.get(step.parse::<usize>().ok()?).copied(),
        None => tree.get(at, step),
    };
    let of_pod = path.strip_prefix(at.path()).unwrap_or_default();
    if let ["volumes", _, "nfs", name] = of_pod {
        if !place.texts.is_empty() {
            return Some(place.texts.clone());
        }
        let value = path.iter().try_fold(node, step).and_then(|value| tree.text(value))?;
        return unjudged::meant_in_source(name, value).map(|option| vec![option]);
    }
    let is_lost = match (of_pod, path.as_slice()) {
        (["volumes", _, "ephemeral", "volumeClaimTemplate", rest @ ..], _)
        | (_, ["spec", "volumeClaimTemplates", _, rest @ ..]) => {
            matches!(rest, [_] | ["spec" | "metadata", _] | ["metadata", "annotations", _])
        }
        (["volumes", _, _], _) => {
            let volume = parents.iter().try_fold(node, step)?;
            let entries = tree.entries(volume)?;
            entries.iter().all(|(key, value)| {
                let key = tree.text(*key).unwrap_or_default();
                tree.entries(*value).is_none() || key == *name || SOURCES.contains(&key)
            })
        }
        (["volumes", _, "persistentVolumeClaim" | "ephemeral", _], _) => true,
        ([list, _, "volumeMounts", _, _], _) => CONTAINERS.contains(list),
        _ => at.path().starts_with(parents) || *parents == ["metadata"],
    };
    let is_option = names_mount_options(name) || resembles_mount_options(name);
    (is_lost && is_option && !place.texts.is_empty()).then(|| place.texts.clone())
}
