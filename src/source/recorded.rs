//! Recorded reviews of an API server: the objects of requests that the webhook judges.

use serde::Deserialize;

use super::de::NodeDeserializer;
use super::list::misplaced;
use super::object::{Object, Origin};
use super::tree::{NodeId, Tree};
use super::{Item, Skip, Source};
use crate::site::Kind;
use crate::subject::manifest::{Manifest, Text};

/// What is read of a recorded AdmissionReview.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Recorded<'a> {
    request: RecordedRequest<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct RecordedRequest<'a> {
    #[serde(default)]
    kind: Option<RecordedKind<'a>>,
    #[serde(default)]
    sub_resource: Option<Text<'a>>,
    #[serde(default)]
    operation: Option<Text<'a>>,
    #[serde(default)]
    user_info: Option<UserInfo<'a>>,
    #[serde(default)]
    object: Option<Manifest<'a>>,
    #[serde(default)]
    old_object: Option<Manifest<'a>>,
}

/// As `admission::wire` has it, which is no module to this one.
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
    kind: Option<Text<'a>>,
}

/// Goes on to the object of the review at `node`.
pub(super) fn visit(source: &Source<'_>, tree: &Tree<'_>, node: NodeId, visitor: &mut dyn FnMut(Item<'_>)) {
    let request = match Recorded::deserialize(NodeDeserializer { tree, id: node }) {
        Ok(recorded) => recorded.request,
        Err(misfit) => {
            visitor(Item::Unreadable(misplaced(&misfit, "AdmissionReview", None)));
            return;
        }
    };
    let object = tree.get(node, "request").and_then(|request| tree.get(request, "object"));
    let span = object.and_then(|object| tree.node(object)).map(|node| node.span.clone());
    let kind = request.kind.and_then(|kind| Kind::parse(kind.kind.as_deref()?));
    let is_update = request.operation.as_deref() == Some("UPDATE");
    let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
    let is_judged = kind.is_some_and(|kind: Kind| kind.is_judged_on(sub_resource))
        && matches!(request.operation.as_deref(), None | Some("CREATE" | "UPDATE"));
    match (kind, request.object, object.zip(span)) {
        (Some(kind), Some(manifest), Some((object, span))) if is_judged => {
            let before = request.old_object.filter(|_| is_update);
            let user = request.user_info.map(|user| user.username.as_deref().unwrap_or_default().to_owned());
            let (text, origin) = (source.text, Origin::Tree(tree, object));
            visitor(Item::Object(Box::new(Object { kind, manifest, before, user, span, text, origin })));
        }
        _ => visitor(Item::Skipped(Skip::NotJudged)),
    }
}
