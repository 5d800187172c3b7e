//! Recorded reviews of an API server: the objects of requests that the webhook evaluates.

use serde::Deserialize;

use super::asked::{API_VERSION, Asked};
use super::de::NodeDeserializer;
use super::list::{add_misplaced, misplaced};
use super::object::{Object, Origin, Part, parts};
use super::tree::{NodeId, Tree};
use super::unjudged::Unjudged;
use super::{Item, Problem, Skip, Source, unjudged};
use crate::kind::Kind;
use crate::subject::manifest::Text;

/// The fields that are read of a recorded AdmissionReview.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Recorded<'a> {
    #[serde(default)]
    api_version: Option<Text<'a>>,
    request: RecordedRequest<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct RecordedRequest<'a> {
    #[serde(default)]
    kind: Option<RecordedKind<'a>>,
    #[serde(default)]
    namespace: Option<Text<'a>>,
    #[serde(default)]
    sub_resource: Option<Text<'a>>,
    #[serde(default)]
    operation: Option<Text<'a>>,
    #[serde(default)]
    user_info: Option<UserInfo<'a>>,
    /// Not used, but the webhook refuses a request in which it is something else.
    #[serde(default, rename = "name")]
    _name: Option<Text<'a>>,
    /// Not used either.
    #[serde(default, rename = "dryRun")]
    _dry_run: Option<bool>,
}

impl RecordedRequest<'_> {
    /// Returns the fields that say whether the request is judged.
    fn asked(&self, has_object: bool) -> Asked<'_> {
        let kind = self.kind.as_ref();
        Asked {
            group: kind.and_then(|named| named.group.as_deref()),
            kind: kind.and_then(|named| named.kind.as_deref()),
            sub_resource: self.sub_resource.as_deref(),
            operation: self.operation.as_deref(),
            has_object,
        }
    }
}

/// The user, as in `admission::wire`, which is no module to this one.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct UserInfo<'a> {
    #[serde(default)]
    username: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct RecordedKind<'a> {
    #[serde(default)]
    group: Option<Text<'a>>,
    #[serde(default)]
    kind: Option<Text<'a>>,
}

/// Continues with the object of the review at `node`.
pub(super) fn visit(source: &Source<'_>, tree: &Tree<'_>, node: NodeId, visitor: &mut dyn FnMut(Item<'_>)) {
    let Recorded { api_version, request } = match Recorded::deserialize(NodeDeserializer { tree, id: node }) {
        Ok(recorded) => recorded,
        Err(misfit) => {
            visitor(Item::Unreadable(misplaced(&misfit, "AdmissionReview")));
            return;
        }
    };
    let member = |key| tree.get(node, "request").and_then(|request| tree.get(request, key));
    let there = |node: &NodeId| !NodeDeserializer { tree, id: *node }.is_null();
    let object = member("object").filter(there);
    let span = object.and_then(|object| tree.node(object)).map(|node| node.span.clone());
    let version = api_version.as_deref().unwrap_or_default();
    if version != API_VERSION {
        let at = tree.get(node, "apiVersion").unwrap_or(node);
        let message =
            format!("AdmissionReview: apiVersion {version:?} is not supported; record {API_VERSION}");
        visitor(Item::Unreadable(Problem::at(NodeDeserializer { tree, id: at }.offset(), message)));
        return;
    }
    let asked = request.asked(object.is_some());
    let kind = asked.named_kind();
    let judged = match asked.judged_kind() {
        Ok(judged) => judged,
        Err(lack) => {
            let field = format!("AdmissionReview: request.{}", lack.field());
            let at = member(lack.field()).or_else(|| tree.get(node, "request")).unwrap_or(node);
            let offset = NodeDeserializer { tree, id: at }.offset();
            visitor(Item::Unreadable(Problem::at(offset, format!("{field} {lack}"))));
            return;
        }
    };
    let namespace = request.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let is_update = request.operation.as_deref() == Some("UPDATE");
    let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
    let (Some(kind), Some((object, span))) = (judged, object.zip(span)) else {
        // Of another kind only what is to be stored counts.
        let stored = object.filter(|_| kind.is_none() && sub_resource.is_empty());
        visitor(stored.map_or(Item::Skipped(Skip::NotJudged), |object| {
            let found = unjudged::find(tree, object).map(|found| of_request(found, namespace));
            found.map_or(Item::Skipped(Skip::NotJudged), Item::Unjudged)
        }));
        return;
    };
    let read = |id, member| {
        parts(kind, NodeDeserializer { tree, id })
            .map_err(|misfit| misplaced(&misfit.behind(member).behind("request"), "AdmissionReview"))
    };
    // The webhook reads both, whatever the operation is.
    let old = member("oldObject").filter(there);
    let both = read(object, "object").and_then(|new| {
        let old = old.map_or(Ok(Vec::new()), |old| read(old, "oldObject"))?;
        Ok((new, if is_update { old } else { Vec::new() }))
    });
    match both {
        Err(problem) => visitor(Item::Unreadable(problem)),
        Ok((new, _)) if new.is_empty() => visitor(match beside(tree, object, kind) {
            Some(found) => Item::Unjudged(of_request(found, namespace)),
            None => Item::Skipped(Skip::NoInlineVolume),
        }),
        Ok((mut new, old)) => {
            add_misplaced(&mut new, tree, object, kind);
            if new.iter().all(|part| part.is_plain_claim(kind)) {
                visitor(Item::Skipped(Skip::NotJudged));
                return;
            }
            let of_pods = request.namespace.clone().filter(|_| kind.is_namespaced());
            for metadata in new.iter_mut().filter_map(|part| part.manifest.metadata.as_mut()) {
                // The request is about one namespace, which its object may leave out.
                metadata.namespace = of_pods.clone().or(metadata.namespace.take());
            }
            if let Some(found) = beside(tree, object, kind) {
                visitor(Item::Beside(of_request(found, namespace)));
            }
            let parts = with_before(new, old);
            let user = request.user_info.map(|user| user.username.as_deref().unwrap_or_default().to_owned());
            visitor(Item::Object(Box::new(Object {
                kind,
                parts,
                user,
                is_recorded: true,
                is_status: sub_resource == "status",
                span,
                template: source.template,
                text: source.text,
                origin: Origin::Tree(tree, object),
            })));
        }
    }
}

/// Returns the mount options in the object of a review at places that are not evaluated.
fn beside(tree: &Tree<'_>, object: NodeId, kind: Kind) -> Option<Unjudged> {
    match kind.pod_spec() {
        Some(at) => unjudged::find_beside_volumes(tree, object, at),
        None => unjudged::find_in_texts(tree, object),
    }
}

/// Returns what was found in the object of a request with its path in the review.
fn of_request(mut found: Unjudged, namespace: Option<&str>) -> Unjudged {
    for place in &mut found.places {
        place.path.splice(0..0, ["request".to_owned(), "object".to_owned()]);
    }
    found.namespace = namespace.map(ToOwned::to_owned).or(found.namespace);
    found
}

/// Returns the parts of an object, each with the one that it was before the update: of inline
/// volumes the one of the same name, which may have moved.
fn with_before<'i>(mut new: Vec<Part<'i>>, mut old: Vec<Part<'i>>) -> Vec<Part<'i>> {
    for part in &mut new {
        let same = old.iter().position(|old| old.name == part.name);
        part.before = same.map(|same| old.swap_remove(same).manifest);
    }
    new
}
