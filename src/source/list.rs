//! Lists, and the objects in them, as kubectl takes them apart.
//!
//! To kubectl any object with a key `items` is a list, whatever its kind
//! (apimachinery `unstructuredJSONScheme`, `decode`): the object itself is
//! passed over. Its items get its kind without `List`, and its apiVersion, where
//! they have neither. An item is a list only where its `items` is one.

mod items;
mod mounting;
mod not_judged;
mod strays;
mod workload;

use std::borrow::Cow;
use std::ops::Range;

use super::de::{DeserializeError, FOLDED, NodeDeserializer};
use super::object::{Object, Origin, Part, parts};
use nfs_mount_guard_json::{Objects, from_slice};
use serde_json::value::RawValue;

use super::tree::{NodeId, Tree};
use super::{Implied, Item, Problem, Skip, Sort, Source, classify, json, manifests, recorded, unjudged};
use crate::kind::{Holds, Kind, PodSpec};
use crate::subject::manifest::{Manifest, Metadata, Spec, Text};
use crate::subject::pod::Pod;
use items::{
    beside_items, empty_list, inner_object, no_items, no_list, object_in, object_name, options_beside,
    too_deep, visit_items,
};
use not_judged::{not_judged, not_judged_json, visit_texts};
pub(super) use strays::add_misplaced;
use strays::{misplaced_in_json, whole};

/// Lists in lists that are followed.
const DEEPEST_LIST: usize = 8;

impl Implied {
    /// Returns the source for the items of a list of this kind.
    fn by(api_version: Option<&str>, kind: Option<&str>) -> Self {
        let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let kind = kind.map(|kind| kind.strip_suffix("List").unwrap_or(kind));
        Self { api_version: filled(api_version).filter(|_| kind != Some("")), kind: filled(kind) }
    }
}

pub(super) fn visit_node(
    source: &Source<'_>,
    tree: &Tree<'_>,
    node: NodeId,
    implied: &Implied,
    depth: usize,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let from = NodeDeserializer { tree, id: node };
    if let Some(problem) = tree.disputed(node, true, source.lines) {
        visitor(Item::Unreadable(problem));
        return;
    }
    if !from.is_null() && tree.entries(node).is_none() {
        // Serde would take a list for the fields in their order.
        visitor(not_judged(tree, node, Skip::NoObject));
        return;
    }
    let heads = ["apiVersion", "kind"].map(|key| tree.get(node, key));
    if let Some(folded) = heads.into_iter().flatten().find(|value| tree.is_folded(*value)) {
        visitor(Item::Unreadable(Problem::at(from.at(folded).offset(), FOLDED.to_owned())));
        return;
    }
    let field = |key| tree.get(node, key).and_then(|value| tree.string(value));
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if let Some(items) = tree.get(node, "items") {
        let is_root_of_a_kind = depth == 0 && kind.is_some();
        match tree.items(items) {
            Some([]) if is_root_of_a_kind => {
                visitor(empty_list(tree, node));
                return;
            }
            Some(items) if is_root_of_a_kind || depth > 0 => {
                let implied = Implied::by(api_version, kind);
                visit_items(source, tree, items, (&implied, depth, from.offset()), visitor);
                match inner_object(tree, node) {
                    Some((at, inner)) => visitor(Item::Unreadable(beside_items(at, &inner))),
                    None => options_beside(tree, node)
                        .into_iter()
                        .for_each(|found| visitor(Item::Unjudged(found))),
                }
                return;
            }
            None if is_root_of_a_kind || depth > 0 && from.at(items).is_null() => {
                if from.at(items).is_null() {
                    visitor(empty_list(tree, node));
                } else {
                    visitor(Item::Unreadable(no_list(from.at(items).offset())));
                }
                return;
            }
            _ => {}
        }
    }
    match classify(api_version, kind, implied) {
        Sort::None => visitor(not_judged(tree, node, Skip::NoObject)),
        Sort::Other => visitor(not_judged(tree, node, Skip::OtherKind)),
        Sort::NoItems => {
            let inner = inner_object(tree, node).map(|(_, inner)| inner);
            visitor(Item::Unreadable(no_items(from.offset(), inner)));
        }
        Sort::Object(kind) => visit_object(source, tree, node, kind, visitor),
        Sort::Review => match tree.disputed_within(node, source.lines) {
            Some(problem) => visitor(Item::Unreadable(problem)),
            None => recorded::visit(source, tree, node, visitor),
        },
    }
}

/// Visits an object of a kind that is evaluated.
fn visit_object(
    source: &Source<'_>,
    tree: &Tree<'_>,
    node: NodeId,
    kind: Kind,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let from = NodeDeserializer { tree, id: node };
    let named = |kind: Kind| object_name(tree, node, kind);
    if let Err(misfit) = mounting::visit(kind, tree, node, from, visitor) {
        // A Pod that cannot be read may mount any claim, so no claim is called unused.
        visitor(Item::UnreadablePod);
        visitor(Item::Unreadable(misplaced(&misfit, &named(kind))));
        return;
    }
    let workload = |at, parts, span| {
        let manifest = manifests::metadata(from);
        workload::Read { kind, at, parts, manifest, span, origin: Origin::Tree(tree, node) }
    };
    let span = || tree.node(node).map_or(0..0, |node| node.span.clone());
    let may_have_volumes = |at: &PodSpec| tree.has_csi_key() || workload::awaits_volumes(tree, node, *at);
    if let Some(at) = kind.pod_spec().filter(|at| !may_have_volumes(at)) {
        workload::visit(source, (tree, node), workload(at, Vec::new(), span()), visitor);
        return;
    }
    if let Some(problem) = tree.disputed_within(node, source.lines) {
        let message = format!("{}: {}", named(kind), problem.message);
        visitor(Item::Unreadable(Problem { message, ..problem }.of_one_object()));
        return;
    }
    match parts(kind, from) {
        Ok(mut parts) => {
            add_misplaced(&mut parts, tree, node, kind);
            if let Some(at) = kind.pod_spec() {
                workload::visit(source, (tree, node), workload(at, parts, span()), visitor);
                return;
            }
            if parts.iter().all(|part| part.is_plain_claim(kind)) {
                visitor(not_judged(tree, node, Skip::OtherKind));
                return;
            }
            if let Some(found) = unjudged::find_in_texts(tree, node) {
                visitor(Item::Beside(found));
            }
            visitor(object(source, kind, parts, span(), Origin::Tree(tree, node)));
        }
        Err(misfit) => visitor(Item::Unreadable(misplaced(&misfit, &named(kind)))),
    }
}

fn object<'i>(
    source: &Source<'i>,
    kind: Kind,
    parts: Vec<Part<'i>>,
    span: Range<usize>,
    origin: Origin<'i>,
) -> Item<'i> {
    let manifest = parts.first().map(|part| &part.manifest).filter(|_| kind.row().holds == Holds::Volume);
    let spec = manifest.and_then(|manifest| manifest.spec.as_ref());
    if let Some((manifest, spec)) = manifest.zip(spec.filter(|spec| spec.sources().nth(1).is_some())) {
        return Item::Unreadable(two_sources(source, manifest, spec, &origin, span.start));
    }
    Item::Object(Box::new(Object {
        kind,
        parts,
        user: None,
        is_recorded: false,
        is_status: false,
        span,
        template: source.template,
        text: source.text,
        origin,
    }))
}

/// Finds a volume with several sources: the API server takes none, so it is unknown
/// what it mounts. Told at the second one, as it stands in the text.
fn two_sources(
    source: &Source<'_>,
    manifest: &Manifest<'_>,
    spec: &Spec<'_>,
    origin: &Origin<'_>,
    start: usize,
) -> Problem {
    let (tree, node) = match origin {
        Origin::Tree(tree, node) => (Cow::Borrowed(*tree), *node),
        Origin::Json(part) => (Cow::Owned(json::tree(source.text, part)), 0),
    };
    let named: Vec<&str> = spec.sources().collect();
    let entries = tree.get(node, "spec").and_then(|spec| tree.entries(spec)).unwrap_or_default();
    let second = entries
        .iter()
        .filter(|(key, _)| tree.text(*key).is_some_and(|key| named.contains(&key)))
        .nth(1)
        .and_then(|(key, _)| tree.written(*key));
    let name = manifest.metadata.as_ref().map(Metadata::name).unwrap_or_default();
    let message = format!(
        "PersistentVolume/{name}: spec has {} volume sources ({}), and the API server takes exactly one; delete \
the others",
        named.len(),
        named.join(", ")
    );
    Problem::at(second.map_or(start, |node| node.span.start), message)
}

/// Says where and how an object departs from the schema; `object` is its name, `Pod/shop/web`.
pub(super) fn misplaced(misfit: &DeserializeError, object: &str) -> Problem {
    let path = if misfit.path.is_empty() { String::new() } else { format!(": {}", misfit.path) };
    Problem {
        offset: misfit.offset,
        remedy: misfit.remedy.clone(),
        obstacle: misfit.obstacle,
        ..Problem::whole(format!("{object}{path} {}", misfit.message)).of_one_object()
    }
}

pub(super) fn visit_json(
    source: &Source<'_>,
    part: &str,
    envelope: Option<&json::Envelope<'_>>,
    implied: &Implied,
    depth: usize,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let span = || {
        let start = json::offset_in(source.text, part);
        start..start + part.len()
    };
    // An item of a List is most often an object itself, and says so.
    if depth > 0
        && part.starts_with('{')
        && !json::may_have_key(part, "items\"")
        // Read once: a list of a cluster has thousands of items, and the envelope would be a second pass.
        && let Ok(manifest) = from_slice::<Manifest<'_>>(part.as_bytes())
        && let Sort::Object(kind) =
            classify(manifest.api_version.as_deref(), manifest.kind.as_deref(), implied)
        && kind.pod_spec().is_none()
        && kind.row().holds != Holds::Claim
    {
        let parts = vec![whole(source, part, kind, manifest)];
        visit_texts(source, part, visitor);
        visitor(object(source, kind, parts, span(), Origin::Json(part)));
        return;
    }
    let read;
    let envelope = if envelope.is_some() {
        envelope
    } else {
        read = serde_json::from_str(part).ok();
        read.as_ref()
    };
    let Some(envelope) = envelope.filter(|_| part.starts_with('{')) else {
        // The tree knows what is wrong with it, and where.
        let tree = json::tree(source.text, part);
        visit_node(source, &tree, 0, implied, depth, visitor);
        return;
    };
    let (version, kind) = (json::string(envelope.api_version), json::string(envelope.kind));
    let is_root_of_a_kind = depth == 0 && kind.is_some();
    match &envelope.items {
        Some(json::Items::List(items)) if is_root_of_a_kind && items.is_empty() => {
            visitor(empty_list(&json::tree(source.text, part), 0));
            return;
        }
        Some(json::Items::List(items)) if is_root_of_a_kind || depth > 0 => {
            let implied = Implied::by(version.as_deref(), kind.as_deref());
            for item in items {
                // Each level is a call: hostile nesting must not exhaust the stack.
                if depth < DEEPEST_LIST {
                    visit_json(source, item.get(), None, &implied, depth + 1, visitor);
                } else {
                    visitor(Item::Unreadable(too_deep(span().start)));
                }
            }
            say_others(source, &envelope.others, visitor);
            return;
        }
        Some(json::Items::Null) if is_root_of_a_kind || depth > 0 => {
            visitor(empty_list(&json::tree(source.text, part), 0));
            return;
        }
        Some(json::Items::Other) if is_root_of_a_kind => {
            visitor(Item::Unreadable(no_list(span().start)));
            return;
        }
        _ => {}
    }
    match classify(version.as_deref(), kind.as_deref(), implied) {
        Sort::None => visitor(not_judged_json(source, part, Skip::NoObject)),
        Sort::Other => visitor(not_judged_json(source, part, Skip::OtherKind)),
        Sort::NoItems => {
            let tree = json::tree(source.text, part);
            let inner = inner_object(&tree, 0).map(|(_, inner)| inner);
            visitor(Item::Unreadable(no_items(span().start, inner)));
        }
        Sort::Object(kind) => visit_json_object(source, part, kind, implied, depth, visitor),
        Sort::Review => {
            let tree = json::tree(source.text, part);
            visit_node(source, &tree, 0, implied, depth, visitor);
        }
    }
}

/// Says what is under other keys of a List with items.
fn say_others(source: &Source<'_>, others: &[(Text<'_>, &RawValue)], visitor: &mut dyn FnMut(Item<'_>)) {
    if let Some((at, inner)) =
        others.iter().find_map(|(_, other)| object_in(&json::tree(source.text, other.get()), 0))
    {
        visitor(Item::Unreadable(beside_items(at, &inner)));
        return;
    }
    let found = others
        .iter()
        .find_map(|(key, other)| Some((key, unjudged::find(&json::tree(source.text, other.get()), 0)?)));
    if let Some((key, mut found)) = found {
        for place in &mut found.places {
            // The tree is of this value alone, so its paths lack the key.
            place.path.insert(0, (**key).to_owned());
        }
        visitor(Item::Unjudged(found));
    }
}

/// Visits an object of a kind that is evaluated, as JSON.
fn visit_json_object(
    source: &Source<'_>,
    part: &str,
    kind: Kind,
    implied: &Implied,
    depth: usize,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let start = json::offset_in(source.text, part);
    if kind == Kind::Pod && json::may_have_key(part, "phase\"") {
        match from_slice::<Pod<'_>>(part.as_bytes()) {
            Ok(pod) if pod.is_of_cluster() => visitor(Item::Pod(pod.mounting().map(Box::new))),
            Ok(_) => {}
            // The tree has the place of the fault.
            Err(_) => return visit_node(source, &json::tree(source.text, part), 0, implied, depth, visitor),
        }
    }
    let span = start..start + part.len();
    let may_have_options = || unjudged::may_hold_options(part) || unjudged::has_others_in_source(part);
    let workload = |at, parts| {
        let manifest =
            manifests::metadata(Objects(&mut serde_json::Deserializer::from_slice(part.as_bytes())));
        workload::Read { kind, at, parts, manifest, span: span.clone(), origin: Origin::Json(part) }
    };
    if let Some(at) = kind.pod_spec().filter(|_| !json::may_have_key(part, "csi\"")) {
        if may_have_options() {
            let tree = json::tree(source.text, part);
            workload::visit(source, (&tree, 0), workload(at, Vec::new()), visitor);
        } else {
            visitor(Item::Skipped(Skip::NoInlineVolume));
        }
        return;
    }
    if kind.row().holds == Holds::Claim {
        let is_looked_at = unjudged::may_hold_options(part)
            || strays::may_have_settings(part)
            || unjudged::has_others_in_source(part);
        if is_looked_at {
            visit_node(source, &json::tree(source.text, part), 0, implied, depth, visitor);
        } else {
            mounting::visit_json_claim(part, visitor);
            visitor(Item::Skipped(Skip::OtherKind));
        }
        return;
    }
    // The tree reports what does not fit, because it has the positions.
    match parts(kind, Objects(&mut serde_json::Deserializer::from_slice(part.as_bytes()))) {
        Ok(mut parts) => {
            match kind.pod_spec() {
                None => {
                    for whole in &mut parts {
                        whole.misplaced = misplaced_in_json(source, part, kind, &whole.manifest);
                    }
                    visit_texts(source, part, visitor);
                }
                Some(at) if may_have_options() => {
                    let tree = json::tree(source.text, part);
                    add_misplaced(&mut parts, &tree, 0, kind);
                    workload::visit(source, (&tree, 0), workload(at, parts), visitor);
                    return;
                }
                Some(_) if parts.is_empty() => {
                    visitor(Item::Skipped(Skip::NoInlineVolume));
                    return;
                }
                Some(_) => {}
            }
            visitor(object(source, kind, parts, span, Origin::Json(part)));
        }
        Err(error) => {
            let tree = json::tree(source.text, part);
            let from = NodeDeserializer { tree: &tree, id: 0 };
            let problem = match parts(kind, from) {
                Err(misfit) => misplaced(&misfit, &object_name(&tree, 0, kind)),
                Ok(_) => Problem::at(start, format!("{kind} cannot be read: {error}")).of_one_object(),
            };
            visitor(Item::Unreadable(problem));
        }
    }
}
