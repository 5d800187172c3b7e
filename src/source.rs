//! Where the command line's objects come from: files, folders and standard
//! input, in YAML or JSON, and where in them each option stands.

pub mod de;
mod json;
pub mod object;
pub mod rewrite;
pub mod scalar;
pub mod text;
pub mod tree;
pub mod walk;
mod yaml;

use std::fmt;

use serde::Deserialize;

use crate::site::Kind;
use crate::subject::manifest::{Manifest, Text};
use de::{Misfit, NodeDeserializer};
use object::{Object, Origin};
use text::Lines;
use tree::{NodeId, Tree};

/// Lists in lists that are followed.
const DEEPEST_LIST: usize = 8;

/// What a text holds, piece by piece: every document counts one, and so does
/// every item of a List in its stead.
#[derive(Debug)]
pub enum Item<'i> {
    /// An object of a kind that is judged.
    Object(Box<Object<'i>>),
    /// Something that is not judged.
    Skipped(Skip),
    /// Something that cannot be read.
    Unreadable(Problem),
}

/// Why something is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// An object of another kind.
    OtherKind,
    /// A document without `kind`, and so no object.
    NoObject,
    /// A recorded AdmissionReview that is not judged: a deletion, the status of a
    /// class.
    NotJudged,
    /// A Helm template; only in walks.
    Template,
    /// An object without driver or source, as kustomize patches are; only in
    /// walks.
    Partial,
    /// A file that is no text in UTF-8 or no YAML, and speaks of neither kind;
    /// only in walks.
    Foreign,
}

impl Skip {
    /// As the last line of a report counts them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherKind => "other kinds",
            Self::NoObject => "no objects",
            Self::NotJudged => "reviews of nothing that is judged",
            Self::Template => "Helm templates",
            Self::Partial => "partial manifests",
            Self::Foreign => "no manifests",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The byte of the text, where that is known.
    pub offset: Option<usize>,
    /// What is wrong: one sentence, no final dot.
    pub message: String,
}

impl Problem {
    pub(crate) const fn at(offset: usize, message: String) -> Self {
        Self { offset: Some(offset), message }
    }
}

/// The documents of a YAML text, one by one; nothing follows a document that
/// is no YAML.
pub(crate) fn trees<'t>(
    text: &'t str,
    lines: &'t Lines<'t>,
) -> impl Iterator<Item = Result<Tree<'t>, Problem>> {
    yaml::Documents::new(text, lines)
}

/// Goes through the objects of a text in their order. After something that is
/// no YAML at all nothing more is read of the text.
pub fn visit(text: &str, lines: &Lines<'_>, visitor: &mut dyn FnMut(Item<'_>)) {
    if text.trim_start().starts_with('{')
        && let Some(documents) = json::documents(text)
    {
        for (envelope, part) in documents {
            visit_json(text, part, Some(envelope), None, 0, visitor);
        }
        return;
    }
    for document in yaml::Documents::new(text, lines) {
        match document {
            Err(problem) => visitor(Item::Unreadable(problem)),
            Ok(tree) => {
                if let Some(root) = tree.root().filter(|root| !is_empty(&tree, *root)) {
                    visit_node(text, &tree, root, None, 0, visitor);
                }
            }
        }
    }
}

/// Whether the document is empty, as behind a last `---`.
fn is_empty(tree: &Tree<'_>, root: NodeId) -> bool {
    tree.text(root).is_some_and(str::is_empty)
}

/// What a document is, by its `kind`.
enum Sort {
    Object(Kind),
    /// A list, with the kind that its items have where they do not say.
    List(Option<Kind>),
    Review,
    Other,
    None,
}

fn sort(api_version: Option<&str>, kind: Option<&str>, implied: Option<Kind>) -> Sort {
    let group = api_version.map(|version| version.split_once('/').map_or("", |(group, _)| group));
    match (kind, implied) {
        (Some("List"), _) => Sort::List(None),
        (Some("AdmissionReview"), _) => Sort::Review,
        (Some(kind), _) if kind.strip_suffix("List").and_then(Kind::parse).is_some() => {
            Sort::List(kind.strip_suffix("List").and_then(Kind::parse))
        }
        (Some(kind), _) => match Kind::parse(kind) {
            Some(kind) if group.is_none_or(|group| group == kind.group()) => Sort::Object(kind),
            _ => Sort::Other,
        },
        (None, Some(kind)) => Sort::Object(kind),
        (None, None) => Sort::None,
    }
}

fn visit_node(
    text: &str,
    tree: &Tree<'_>,
    node: NodeId,
    implied: Option<Kind>,
    depth: usize,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let field = |key| tree.get(node, key).and_then(|value| tree.text(value));
    let from = NodeDeserializer { tree, id: node };
    if let Some((key, offset)) = tree.ambiguous_head(node) {
        let message = format!("the key {key} stands here for the second time; keep one");
        visitor(Item::Unreadable(Problem::at(offset, message)));
        return;
    }
    let origin = |node| Origin::Tree(tree, node);
    match sort(field("apiVersion"), field("kind"), implied) {
        Sort::None => visitor(Item::Skipped(Skip::NoObject)),
        Sort::Other => visitor(Item::Skipped(Skip::OtherKind)),
        Sort::List(implied) => {
            let items = tree.get(node, "items");
            if let Some(other) =
                items.filter(|items| tree.items(*items).is_none() && !from.at(*items).is_null())
            {
                let message = "items must be a list".to_owned();
                visitor(Item::Unreadable(Problem::at(from.at(other).offset(), message)));
            }
            for item in items.and_then(|items| tree.items(items)).unwrap_or_default() {
                if depth < DEEPEST_LIST {
                    visit_node(text, tree, *item, implied, depth + 1, visitor);
                } else {
                    visitor(Item::Unreadable(too_deep(from.offset())));
                }
            }
        }
        Sort::Object(kind) => {
            let span = tree.node(node).map_or(0..0, |node| node.span.clone());
            if let Some((again, _)) = tree.repeated_in(&span) {
                visitor(Item::Unreadable(repeated(text, kind, field_name(tree, node), again)));
                return;
            }
            match Manifest::deserialize(from) {
                Ok(manifest) => {
                    let object =
                        Object { kind, manifest, before: None, user: None, span, text, origin: origin(node) };
                    visitor(Item::Object(Box::new(object)));
                }
                Err(misfit) => {
                    let problem = misplaced(&misfit, kind.as_str(), field_name(tree, node));
                    visitor(Item::Unreadable(problem));
                }
            }
        }
        Sort::Review => match Recorded::deserialize(from) {
            Ok(recorded) => {
                let object = tree.get(node, "request").and_then(|request| tree.get(request, "object"));
                let span = object.and_then(|object| tree.node(object)).map(|node| node.span.clone());
                visit_recorded(recorded, text, object.map(origin).zip(span), visitor);
            }
            Err(misfit) => visitor(Item::Unreadable(misplaced(&misfit, "AdmissionReview", None))),
        },
    }
}

fn field_name<'t>(tree: &'t Tree<'_>, node: NodeId) -> Option<&'t str> {
    tree.get(node, "metadata")
        .and_then(|metadata| tree.get(metadata, "name"))
        .and_then(|name| tree.text(name))
}

fn too_deep(offset: usize) -> Problem {
    Problem::at(offset, format!("is a List in a List more than {DEEPEST_LIST} times"))
}

fn repeated(text: &str, kind: Kind, name: Option<&str>, offset: usize) -> Problem {
    let rest = text.get(offset..).unwrap_or_default();
    let key = rest.find([':', '\n']).and_then(|end| rest.get(..end)).unwrap_or(rest).trim();
    let name = name.unwrap_or_default();
    Problem::at(offset, format!("{kind}/{name}: the key {key} stands here for the second time; keep one"))
}

/// Says where and how an object departs from the schema.
fn misplaced(misfit: &Misfit, kind: &str, name: Option<&str>) -> Problem {
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    let path = if misfit.path.is_empty() { String::new() } else { format!(": {}", misfit.path) };
    Problem { offset: misfit.offset, message: format!("{kind}{name}{path} {}", misfit.message) }
}

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

fn visit_recorded<'i>(
    recorded: Recorded<'i>,
    text: &'i str,
    origin: Option<(Origin<'i>, std::ops::Range<usize>)>,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let request = recorded.request;
    let kind = request.kind.and_then(|kind| Kind::parse(kind.kind.as_deref()?));
    let is_update = request.operation.as_deref() == Some("UPDATE");
    let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
    let is_judged = kind.is_some_and(|kind: Kind| kind.is_judged_on(sub_resource))
        && matches!(request.operation.as_deref(), None | Some("CREATE" | "UPDATE"));
    match (kind, request.object, origin) {
        (Some(kind), Some(manifest), Some((origin, span))) if is_judged => {
            let before = request.old_object.filter(|_| is_update);
            let user = request.user_info.map(|user| user.username.as_deref().unwrap_or_default().to_owned());
            visitor(Item::Object(Box::new(Object { kind, manifest, before, user, span, text, origin })));
        }
        _ => visitor(Item::Skipped(Skip::NotJudged)),
    }
}

fn visit_json(
    text: &str,
    part: &str,
    envelope: Option<json::Envelope<'_>>,
    implied: Option<Kind>,
    depth: usize,
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let span = || {
        let start = json::offset_in(text, part);
        start..start + part.len()
    };
    // An item of a List is most often an object itself, and says so.
    if envelope.is_none()
        && let Ok(manifest) = serde_json::from_slice::<Manifest<'_>>(part.as_bytes())
        && let Sort::Object(kind) = sort(manifest.api_version.as_deref(), manifest.kind.as_deref(), implied)
    {
        let origin = Origin::Json(part);
        let object = Object { kind, manifest, before: None, user: None, span: span(), text, origin };
        visitor(Item::Object(Box::new(object)));
        return;
    }
    let envelope = envelope.or_else(|| serde_json::from_str(part).ok());
    let Some(envelope) = envelope.filter(|_| part.starts_with('{')) else {
        // The tree knows what is wrong with it, and where.
        let tree = json::tree(text, part);
        visit_node(text, &tree, 0, implied, depth, visitor);
        return;
    };
    let (version, kind) = (json::string(envelope.api_version), json::string(envelope.kind));
    match sort(version.as_deref(), kind.as_deref(), implied) {
        Sort::List(implied) if depth < DEEPEST_LIST => {
            for item in envelope.items.unwrap_or_default() {
                visit_json(text, item.get(), None, implied, depth + 1, visitor);
            }
        }
        Sort::List(_) => visitor(Item::Unreadable(too_deep(span().start))),
        Sort::None => visitor(Item::Skipped(Skip::NoObject)),
        Sort::Other => visitor(Item::Skipped(Skip::OtherKind)),
        // What does not fit is told by the tree, which knows the places.
        Sort::Object(kind) => match serde_json::from_slice::<Manifest<'_>>(part.as_bytes()) {
            Ok(manifest) => {
                let origin = Origin::Json(part);
                let object = Object { kind, manifest, before: None, user: None, span: span(), text, origin };
                visitor(Item::Object(Box::new(object)));
            }
            Err(error) => {
                let tree = json::tree(text, part);
                let from = NodeDeserializer { tree: &tree, id: 0 };
                let problem = match Manifest::deserialize(from) {
                    Err(misfit) => misplaced(&misfit, kind.as_str(), field_name(&tree, 0)),
                    Ok(_) => Problem::at(span().start, format!("{kind} cannot be read: {error}")),
                };
                visitor(Item::Unreadable(problem));
            }
        },
        Sort::Review => {
            let tree = json::tree(text, part);
            visit_node(text, &tree, 0, None, depth, visitor);
        }
    }
}
