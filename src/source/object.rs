//! One object of an input: what the engine reads of it, and where in the text
//! each of its options stands.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::de::NodeDeserializer;
use super::json;
use super::manifests;
use super::scalar::places;
use super::tree::{Content, NodeId, Tree};
use super::unjudged::{self, Unjudged};
use crate::kind::{Holds, Kind};
use crate::policy::Policy;
use crate::site::{InlineVolume, Place};
use crate::subject::binding::{BoundVolume, Claimed, OnlyClaim, OnlyIdentity, OnlyPhase};
use crate::subject::manifest::{Manifest, Metadata, Text};
use crate::subject::workload::{Inline, Workload};
use crate::subject::{Misplaced, Subject};

/// An object of an input, of a kind that is evaluated.
#[derive(Debug)]
pub struct Object<'i> {
    /// The kind.
    pub kind: Kind,
    /// The mounted parts of it, at least one.
    pub parts: Vec<Part<'i>>,
    /// The user who sent it, in a recorded AdmissionReview.
    pub user: Option<String>,
    /// True if it comes from a recorded AdmissionReview: the API server had it so.
    pub(super) is_recorded: bool,
    /// True if the request is for the subresource `status`.
    pub(crate) is_status: bool,
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The template that the document was rendered from, as Helm names it.
    pub template: Option<&'i str>,
    pub(super) text: &'i str,
    pub(super) origin: Origin<'i>,
}

/// A mounted part of an object: the object itself, or an inline volume of it.
#[derive(Debug)]
pub struct Part<'i> {
    /// The inline volume; `None` for the object itself.
    pub volume: Option<InlineVolume>,
    /// The inline volume's name, unique in its Pod.
    pub name: Option<Text<'i>>,
    /// The fields that the engine reads.
    pub manifest: Manifest<'i>,
    /// Fields that hold options and that nothing reads.
    pub misplaced: Vec<Misplaced>,
    /// The same fields of a workload, as reports name them where no rule does.
    pub lost: Option<Unjudged>,
    /// The manifest before the update, in a recorded AdmissionReview.
    pub before: Option<Manifest<'i>>,
}

/// The origin of an object.
#[derive(Debug)]
pub(super) enum Origin<'i> {
    /// A node of a tree that is there already.
    Tree(&'i Tree<'i>, NodeId),
    /// JSON text that was read without a tree.
    Json(&'i str),
}

/// Reads what an object of `kind` holds that is mounted; nothing in a workload
/// without inline CSI volumes.
///
/// # Errors
///
/// When the object does not fit the schema of its kind.
pub(super) fn parts<'i, D: Deserializer<'i>>(kind: Kind, from: D) -> Result<Vec<Part<'i>>, D::Error> {
    let Some(at) = kind.pod_spec() else {
        let manifest = manifests::read(kind, from)?;
        return Ok(vec![Part::whole(manifest)]);
    };
    // A volume without a driver is a patch: the API server takes none.
    let is_whole =
        |inline: &Inline<'_>| inline.manifest.driver_of_volume().is_some_and(|driver| !driver.is_empty());
    let volumes = Workload::deserialize(from)?.inline_volumes(at).into_iter().filter(is_whole);
    let part = |Inline { index, name, manifest }| {
        let volume = Some(InlineVolume { kind, index });
        Part { volume, name, ..Part::whole(manifest) }
    };
    Ok(volumes.map(part).collect())
}

impl<'i> Part<'i> {
    /// Returns an object that is itself what is mounted.
    pub(super) const fn whole(manifest: Manifest<'i>) -> Self {
        Self { volume: None, name: None, manifest, misplaced: Vec::new(), lost: None, before: None }
    }

    /// Returns the part as the engine sees it.
    pub fn subject<'o>(&'o self, object: &Object<'i>, policy: &'o Policy) -> Subject<'o> {
        let mut subject = self.lay_out(&self.manifest, object, policy);
        subject.misplaced = &self.misplaced;
        subject
    }

    /// Returns the part before the update, as the engine sees it.
    pub fn subject_before<'o>(&'o self, object: &Object<'i>, policy: &'o Policy) -> Option<Subject<'o>> {
        self.before.as_ref().map(|before| self.lay_out(before, object, policy))
    }

    /// Lays out the object; of who made it, a file has nothing but the object's own word.
    fn lay_out<'o>(
        &self,
        manifest: &'o Manifest<'i>,
        object: &Object<'i>,
        policy: &'o Policy,
    ) -> Subject<'o> {
        let mut subject = match self.volume {
            // A review was sent after rendering: text that looks like a placeholder is an option there.
            _ if !object.is_recorded => {
                Subject::in_file(object.kind, self.volume, manifest, policy.drivers())
            }
            None => Subject::of_kind(object.kind, manifest, policy.drivers()),
            Some(volume) => Subject::of_inline_volume(volume, manifest, policy.drivers()),
        };
        // Anyone can write the annotation, so only the user of the request tells who made a volume.
        if object.user.as_ref().is_some_and(|user| !policy.believes_provisioner(user)) {
            subject.provisioned_by = None;
        }
        subject
    }

    /// Returns true if it is a claim that holds no options, and so no subject.
    pub(super) fn is_plain_claim(&self, kind: Kind) -> bool {
        let metadata = self.manifest.metadata.as_ref();
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
        let annotation = annotations.and_then(|annotations| annotations.mount_options.as_deref());
        kind.row().holds == Holds::Claim && self.misplaced.is_empty() && annotation.is_none_or(str::is_empty)
    }

    /// Returns true if it is partial: it names no driver and no source, as a kustomize patch does.
    fn is_partial(&self, kind: Kind) -> bool {
        match kind.row().holds {
            Holds::Class => self.manifest.provisioner.is_none(),
            Holds::Snapshots => self.manifest.driver.is_none(),
            Holds::Volume => self.manifest.spec.as_ref().is_none_or(|spec| {
                spec.nfs.is_none()
                    && spec.csi.is_none()
                    && spec.flex_volume.is_none()
                    && spec.in_tree_plugin().is_none()
            }),
            // Without a CSI source it is no part.
            Holds::InlineVolumes(_) | Holds::Claim => false,
        }
    }
}

impl<'i> Object<'i> {
    /// Returns the whole text that the object stands in.
    pub const fn text(&self) -> &'i str {
        self.text
    }

    /// Returns the object's name, or the beginning of the one that the server will choose; empty
    /// where neither is given.
    pub fn name(&self) -> &str {
        let metadata = self.parts.first().and_then(|part| part.manifest.metadata.as_ref());
        metadata.map(Metadata::name).unwrap_or_default()
    }

    /// Returns true if the object is partial, as a kustomize patch is.
    pub fn is_partial(&self) -> bool {
        self.parts.iter().all(|part| part.is_partial(self.kind))
    }

    /// Returns the mount options of an object that is not evaluated, where it holds any.
    pub fn unjudged(&self) -> Option<Unjudged> {
        let layout = self.layout();
        unjudged::find(&layout.tree, layout.node)
    }

    /// Returns true if the document is a template that is not rendered.
    pub fn is_template(&self) -> bool {
        matches!(self.origin, Origin::Tree(tree, _) if tree.is_template)
    }

    /// Returns the whole object as JSON has it; `None` where that cannot be.
    pub fn value(&self) -> Option<Value> {
        match &self.origin {
            Origin::Tree(tree, node) => Some(tree.value(*node)),
            Origin::Json(part) => serde_json::from_str(part).ok(),
        }
    }

    /// Returns the volume as its cluster has it, where it can be read as one.
    pub(crate) fn bound_volume(&self) -> Option<BoundVolume<'_>> {
        self.read()
    }

    /// Returns the field for which [`Self::bound_volume`] reads nothing, and the form that it has in
    /// Kubernetes.
    pub(crate) fn unbound_field(&self) -> (&'static str, &'static str) {
        let is_incomplete =
            || self.bound_volume().is_some_and(|volume| volume.claim() == Claimed::Incomplete);
        if self.read::<OnlyClaim<'_>>().is_none() || is_incomplete() {
            ("spec.claimRef", "a map with namespace and name")
        } else if self.read::<OnlyPhase<'_>>().is_none() {
            ("status.phase", "text")
        } else if self.read::<OnlyIdentity<'_>>().is_none() {
            ("metadata.uid", "text")
        } else {
            ("spec.nfs.path", "text")
        }
    }

    fn read<'s, T: Deserialize<'s>>(&'s self) -> Option<T> {
        match &self.origin {
            Origin::Tree(tree, node) => T::deserialize(NodeDeserializer { tree, id: *node }).ok(),
            Origin::Json(part) => nfs_mount_guard_json::from_str(part).ok(),
        }
    }

    /// Returns the object's values with their places, where they are known already.
    pub(crate) fn read_layout(&self) -> Option<Layout<'_>> {
        matches!(self.origin, Origin::Tree(..)).then(|| self.layout())
    }

    /// Returns the object's values with their places. For JSON they are looked up now.
    pub fn layout(&self) -> Layout<'_> {
        let (tree, node) = match &self.origin {
            Origin::Tree(tree, node) => (Cow::Borrowed(*tree), *node),
            Origin::Json(part) => (Cow::Owned(json::tree(self.text, part)), 0),
        };
        Layout { text: self.text, tree, node, keys: RefCell::default() }
    }
}

/// An alias through which a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AliasUse {
    /// The alias.
    pub alias: NodeId,
    /// Its first byte.
    pub place: usize,
    /// The mapping into which it merges the value, if it does.
    pub merged_into: Option<NodeId>,
}

/// An object's values with their places in the text.
#[derive(Debug)]
pub struct Layout<'o> {
    pub(super) text: &'o str,
    pub(super) tree: Cow<'o, Tree<'o>>,
    pub(super) node: NodeId,
    keys: RefCell<Option<Keys>>,
}

/// The entries of the long mapping that was looked at last: each finding looks
/// its own key up.
#[derive(Debug)]
struct Keys {
    of: NodeId,
    entries: HashMap<String, (NodeId, NodeId)>,
}

impl Layout<'_> {
    /// Returns the node one step further: of a mapping with its key, of a list without.
    pub(super) fn step(&self, at: NodeId, step: &str) -> Option<(Option<NodeId>, NodeId)> {
        match self.tree.items(at) {
            Some(items) => items.get(step.parse::<usize>().ok()?).map(|item| (None, *item)),
            None => self.entry(at, step).map(|(key, value)| (Some(key), value)),
        }
    }

    /// Returns the key and the value of an entry, the first of its name.
    fn entry(&self, of: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        // Below this number a walk through the entries is cheaper than a map.
        const LONG: usize = 64;
        let mut keys = self.keys.borrow_mut();
        if keys.as_ref().is_none_or(|keys| keys.of != of) {
            let entries = self.tree.entries(of)?;
            if entries.len() < LONG {
                return self.tree.entry(of, key);
            }
            let mut first = HashMap::with_capacity(entries.len());
            for (key, value) in entries.iter().copied() {
                if let Some(text) = self.tree.text(key) {
                    // Of a key that is there twice the first one counts, as in the walk.
                    first.entry(text.to_owned()).or_insert((key, value));
                }
            }
            *keys = Some(Keys { of, entries: first });
        }
        keys.as_ref()?.entries.get(key).copied()
    }

    /// Returns the key of a place, or the innermost key on the way to it that exists; the object's
    /// first key where there is none.
    pub fn key(&self, place: &Place) -> Option<Range<usize>> {
        let mut at = self.node;
        let entries = self.tree.entries(at)?;
        let mut key =
            entries.iter().find(|(key, _)| self.tree.text(*key) == Some("kind")).or(entries.first())?.0;
        for step in place.path() {
            let Some((found, value)) = self.step(at, &step) else { break };
            (key, at) = (found.unwrap_or(key), value);
        }
        self.inner(key)
    }

    /// Returns the bytes of one option, escapes included; those of the alias where that is the
    /// element.
    pub fn option(&self, place: &Place, element: usize, range: &Range<usize>) -> Option<Range<usize>> {
        let scalar = self.scalar(place, element)?;
        let written = self.tree.written(scalar)?;
        // The alias stands in this object, and its anchor may stand in another one.
        if matches!(written.content, Content::Alias(_)) {
            return Some(written.span.clone());
        }
        let node = self.tree.node(scalar)?;
        let Content::Scalar { text, style, .. } = &node.content else {
            return None;
        };
        let written = self.text.get(node.span.clone())?;
        let Some(places) = places(written, *style, text) else {
            return Some(node.span.clone());
        };
        let start = places.get(range.start)?.start;
        let end = match range.end.checked_sub(1).filter(|last| *last >= range.start) {
            Some(last) => places.get(last)?.end,
            None => start,
        };
        Some(node.span.start + start..node.span.start + end.max(start))
    }

    /// Returns the bytes of a place that is one text.
    pub fn text_of(&self, place: &Place) -> Option<Range<usize>> {
        self.inner(self.value(place)?)
    }

    /// Returns the values.
    pub fn tree(&self) -> &Tree<'_> {
        &self.tree
    }

    /// Returns the beginning of the object's document.
    pub fn document(&self) -> usize {
        self.tree.written(0).map_or(0, |root| root.span.start)
    }

    /// Returns the beginning of a place; that of its key or of the object if there is none.
    pub fn start(&self, place: &Place) -> usize {
        let value = self.value(place).and_then(|value| self.tree.written(value));
        let start = value.map(|value| value.span.start).or_else(|| Some(self.key(place)?.start));
        start.or_else(|| Some(self.tree.written(self.node)?.span.start)).unwrap_or_default()
    }

    /// Returns true if an alias stands in the object's document.
    pub fn has_aliases(&self) -> bool {
        !self.tree.aliases.is_empty()
    }

    /// Returns a value and those around it, from the inside.
    pub fn around(&self, value: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(value), |id| self.tree.parent(*id))
    }

    /// Returns the aliases through which a value is read.
    pub fn aliases_of(&self, value: NodeId) -> Vec<AliasUse> {
        let in_use = |alias: NodeId| {
            let place = self.tree.written(alias)?.span.start;
            Some(AliasUse { alias, place, merged_into: self.tree.merged_into(alias) })
        };
        self.tree.aliases_of(value).into_iter().filter_map(in_use).collect()
    }

    /// Returns true if the text at `offset` stands in brackets or braces.
    pub(super) fn is_in_flow(&self, offset: usize) -> bool {
        self.tree.nodes.iter().any(|node| {
            matches!(node.content, Content::List { flow: true, .. } | Content::Map { flow: true, .. })
                && node.span.contains(&offset)
        })
    }

    /// Returns the node of a place.
    pub(super) fn value(&self, place: &Place) -> Option<NodeId> {
        place.path().iter().try_fold(self.node, |at, step| self.step(at, step).map(|(_, value)| value))
    }

    /// Returns the node of one element of a place, or of the place itself where it is one string.
    pub(super) fn scalar(&self, place: &Place, element: usize) -> Option<NodeId> {
        let value = self.value(place)?;
        match self.tree.items(value) {
            Some(items) => items.get(element).copied(),
            None => Some(value),
        }
    }

    /// Returns the bytes of a scalar without its quotes.
    fn inner(&self, node: NodeId) -> Option<Range<usize>> {
        let span = self.tree.written(node)?.span.clone();
        let is_quoted = self.text.get(span.clone())?.starts_with(['"', '\'']);
        // Between empty quotes there is nothing to point at.
        Some(if is_quoted && span.len() > 2 { span.start + 1..span.end - 1 } else { span })
    }
}
