//! Reads the command line's objects from files, directories and standard input, in YAML or JSON,
//! with the place of each option.

pub mod asked;
pub mod columns;
pub mod de;
pub mod difference;
pub mod io_fault;
mod json;
pub mod json_fault;
mod list;
mod manifests;
mod merge;
pub mod object;
mod recorded;
mod rendered;
pub mod review;
pub mod rewrite;
pub mod scalar;
mod sharing;
pub mod suspect;
pub mod text;
pub mod tree;
pub mod unjudged;
mod unread_field;
pub mod walk;
mod yaml;

use std::fmt;

use crate::called;
use crate::count::named;
use crate::kind::Kind;
use crate::subject::binding::VolumeClaim;
use crate::subject::pod::MountingPod;
pub use de::Obstacle;
use object::Object;
use rewrite::Replacement;
use text::Lines;
use tree::{NodeId, Tree};
use unjudged::Unjudged;
pub(crate) use unread_field::is_unread_field;

/// A piece of a text: one for every document, and one for every item of a List, but none for the
/// List itself.
#[derive(Debug)]
pub enum Item<'i> {
    /// An object of a kind that is evaluated.
    Object(Box<Object<'i>>),
    /// Something that is not evaluated.
    Skipped(Skip),
    /// Something that is not evaluated and holds mount options.
    Unjudged(Unjudged),
    /// Mount options in the object that follows, at a place that is not evaluated.
    Beside(Unjudged),
    /// The object that follows is a Pod of a cluster: what it mounts, where it mounts
    /// something and has not ended.
    Pod(Option<Box<MountingPod>>),
    /// A Pod of a cluster that cannot be read follows: the volumes that it mounts are not known.
    UnreadablePod,
    /// The object that follows is a claim that names its volume, or a class.
    Claim(Box<VolumeClaim>),
    /// Something that cannot be read.
    Unreadable(Problem),
}

impl Item<'_> {
    /// Returns true if it belongs to the piece that follows, which is counted.
    pub const fn is_beside(&self) -> bool {
        matches!(self, Self::Beside(_) | Self::Pod(_) | Self::UnreadablePod | Self::Claim(_))
    }
}

/// The reason why something is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// Mount options in an object of another kind, in a patch, in Terraform.
    HoldsOptions,
    /// An object of another kind.
    OtherKind,
    /// A Pod, or what makes Pods, without an inline volume of a CSI driver.
    NoInlineVolume,
    /// A document without `kind`, or an answer of the API server (`Status`), and so no object.
    NoObject,
    /// A List whose `items` is null.
    EmptyList,
    /// A text that is nothing but comments, or such a document after another one.
    Empty,
    /// A recorded AdmissionReview that is not evaluated: a deletion, the status of a
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
    /// A file that `--exclude` names; only in walks.
    Excluded,
    /// A pipe, a device or anything else that is no regular file; only in walks.
    Irregular,
}

impl Skip {
    /// Returns the word in the last line of a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HoldsOptions => "not judged: holds mount options",
            Self::OtherKind => "other kinds",
            Self::NoInlineVolume => "without inline CSI volumes",
            Self::NoObject => "no objects",
            Self::EmptyList => "empty Lists",
            Self::Empty => "empty",
            Self::NotJudged => "reviews of nothing that is judged",
            Self::Template => "Helm templates",
            Self::Partial => "partial manifests",
            Self::Foreign => "no manifests",
            Self::Excluded => "excluded",
            Self::Irregular => "not regular files",
        }
    }
}

impl Skip {
    /// Every reason.
    const ALL: [Self; 12] = [
        Self::EmptyList,
        Self::Empty,
        Self::HoldsOptions,
        Self::NoInlineVolume,
        Self::OtherKind,
        Self::NoObject,
        Self::NotJudged,
        Self::Template,
        Self::Partial,
        Self::Foreign,
        Self::Excluded,
        Self::Irregular,
    ];

    /// Returns so many, in words. JSON has [`Skip::as_str`] for a key, whatever the count.
    pub fn count(self, count: usize) -> String {
        let one = match self {
            Self::HoldsOptions | Self::NoInlineVolume | Self::Empty => self.as_str(),
            Self::EmptyList => "empty List",
            Self::OtherKind => "other kind",
            Self::NoObject => "no object",
            Self::NotJudged => "review of nothing that is judged",
            Self::Template => "Helm template",
            Self::Partial => "partial manifest",
            Self::Foreign => "no manifest",
            Self::Excluded => "excluded",
            Self::Irregular => "not a regular file",
        };
        named(count, one, self.as_str()).to_string()
    }

    /// Returns the reason with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason why something cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The byte of the text, where that is known.
    pub offset: Option<usize>,
    /// The fault: one sentence, no final dot.
    pub message: String,
    /// The meaning of the fault in a walk.
    pub fault: Fault,
    /// The template that the document was rendered from, as Helm names it.
    pub template: Option<String>,
    /// The text to write instead, if it can have one meaning only.
    pub remedy: Option<Box<Replacement>>,
    /// True if any object may be in the text that cannot be read, and false if it is one object whose
    /// kind is known.
    pub hides_objects: bool,
    /// The reason why options in another form are not written in their own.
    pub obstacle: Option<Obstacle>,
}

impl Problem {
    pub(crate) fn at(offset: usize, message: String) -> Self {
        Self { offset: Some(offset), ..Self::whole(message) }
    }

    /// Returns the same problem with a `fault`, which says what it means in a walk. A template that is not
    /// rendered is reported as such, whatever the reader stumbles over.
    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        match fault {
            Fault::Template => {
                let message = called::by_name(TEMPLATE).into_owned();
                Self { fault, message, remedy: None, obstacle: None, ..self }
            }
            _ => Self { fault, ..self },
        }
    }

    /// Returns the same problem, of one object whose kind is known.
    pub(crate) fn of_one_object(self) -> Self {
        Self { hides_objects: false, ..self }
    }

    pub(crate) const fn whole(message: String) -> Self {
        Self {
            offset: None,
            message,
            fault: Fault::Unread,
            template: None,
            remedy: None,
            hides_objects: true,
            obstacle: None,
        }
    }
}

/// The error for a template that is not rendered.
pub const TEMPLATE: &str = "looks like a Helm template; render it first: \
helm template CHART | nfs-mount-guard check -";

/// The meaning of a problem in a walk, in which a file may contain other documents than manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// It counts where the file speaks of what is evaluated.
    #[default]
    Unread,
    /// It is a template that is not rendered, which kubectl refuses too.
    Template,
    /// It counts in any file: what kubectl reads there cannot be seen.
    Hidden,
}

/// Returns the documents of a YAML text, one by one; nothing follows a document that is no YAML.
pub(crate) fn trees<'t>(
    text: &'t str,
    lines: &'t Lines<'t>,
) -> impl Iterator<Item = Result<Tree<'t>, Problem>> {
    yaml::Documents::new(text, lines, 0)
}

/// Goes through the objects of a text in their order. After something that is
/// no YAML at all nothing more is read of the text.
///
/// Visits the items of a text as kubectl does (apimachinery `YAMLOrJSONDecoder`): a text that
/// begins with a brace is JSON, one object after the other, until that fails; from there it is
/// YAML.
pub fn visit(text: &str, lines: &Lines<'_>, visitor: &mut dyn FnMut(Item<'_>)) {
    visit_documents(text, lines, false, visitor);
}

/// Visits as [`visit`] does, and continues after a document that is no YAML: where documents begin does not
/// depend on it, so the others are what they are once it is mended.
pub fn visit_each(text: &str, lines: &Lines<'_>, visitor: &mut dyn FnMut(Item<'_>)) {
    visit_documents(text, lines, true, visitor);
}

fn visit_documents(text: &str, lines: &Lines<'_>, goes_on: bool, visitor: &mut dyn FnMut(Item<'_>)) {
    let mut is_empty = true;
    visit_any(text, lines, goes_on, &mut |item| {
        is_empty = false;
        visitor(item);
    });
    // A text of comments may hold an object that is commented out; one of nothing has no document.
    if is_empty && !is_blank(text) {
        visitor(Item::Skipped(Skip::Empty));
    }
}

/// Returns true if a text has nothing but blank lines and marks of documents.
fn is_blank(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().all(|line| matches!(line.trim(), "" | "---" | "..."))
}

/// Visits as [`visit`] does, where a text may be empty.
fn visit_any(text: &str, lines: &Lines<'_>, goes_on: bool, visitor: &mut dyn FnMut(Item<'_>)) {
    let mut begin = 0;
    if text.trim_start().starts_with('{') {
        let stream = json::documents(text);
        for (envelope, part) in &stream.documents {
            list::visit_json(
                &Source { text, lines, template: None },
                part,
                envelope.as_ref(),
                &Implied::default(),
                0,
                visitor,
            );
        }
        let rest = text.get(stream.end..).unwrap_or_default();
        match stream.documents.len() {
            _ if rest.is_empty() => return,
            // A brace may begin YAML as well: {kind: StorageClass}.
            0 => begin = behind_blanks(text),
            1 if rest.starts_with("---") => begin = stream.end,
            _ => {
                let message = "content after a JSON object, which kubectl reads differently or not at all; \
start a new document with --- on its own line, or delete it"
                    .to_owned();
                visitor(Item::Unreadable(Problem::at(stream.end, message)));
                return;
            }
        }
    }
    let documents = yaml::Documents::new(text, lines, begin).going_on(goes_on).taking_apart();
    for (index, document) in documents.enumerate() {
        match document {
            Err(problem) => visitor(Item::Unreadable(problem)),
            Ok(tree) => {
                // Of a template nothing fits before it is rendered.
                let fault = if tree.is_template { Fault::Template } else { Fault::Unread };
                let mut visitor = |item: Item<'_>| {
                    visitor(match item {
                        Item::Unreadable(problem) => Item::Unreadable(Problem {
                            template: tree.template.map(ToOwned::to_owned),
                            ..problem.with_fault(fault)
                        }),
                        other => other,
                    });
                };
                let root = tree.root().filter(|root| !is_empty(&tree, *root));
                if root.is_none() && tree.has_comment_line && index > 0 {
                    // An object may be commented out. A first one is a heading.
                    visitor(Item::Skipped(Skip::Empty));
                } else if let Some(root) = root {
                    let source = Source { text, lines, template: tree.template };
                    list::visit_node(&source, &tree, root, &Implied::default(), 0, &mut visitor);
                }
            }
        }
    }
}

/// Returns the beginning of YAML that looked like JSON: kubectl passes over white space, up to the end
/// of the first line.
fn behind_blanks(text: &str) -> usize {
    let blank = text.len() - text.trim_start().len();
    text.get(..blank).and_then(|blank| blank.find('\n')).map_or(blank, |at| at + 1)
}

/// Returns true if the document is empty, as after a last `---`.
fn is_empty(tree: &Tree<'_>, root: NodeId) -> bool {
    tree.text(root).is_some_and(str::is_empty)
}

/// The source of an object.
struct Source<'s> {
    text: &'s str,
    lines: &'s Lines<'s>,
    /// The template that the document was rendered from.
    template: Option<&'s str>,
}

/// The kind of a list's items that do not name it.
#[derive(Debug, Clone, Default)]
struct Implied {
    api_version: Option<String>,
    kind: Option<String>,
}

/// The sort of a document, by its `kind`.
enum Sort {
    Object(Kind),
    /// A List without `items`.
    NoItems,
    Review,
    Other,
    None,
}

fn classify(api_version: Option<&str>, kind: Option<&str>, implied: &Implied) -> Sort {
    // Go's `omitempty` and its readers take an empty text for none.
    let filled = |text: Option<&'_ str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let api_version = filled(api_version).or_else(|| implied.api_version.clone());
    let group = api_version
        .as_deref()
        .map(|version| version.split_once('/').map_or("", |(group, _)| group).to_owned());
    let Some(kind) = filled(kind).or_else(|| implied.kind.clone()) else { return Sort::None };
    match kind.as_str() {
        "List" => Sort::NoItems,
        kind if kind.strip_suffix("List").and_then(Kind::parse).is_some() => Sort::NoItems,
        "AdmissionReview" => Sort::Review,
        // The API server's answer to a call that failed.
        "Status" if group.as_deref() == Some("") => Sort::None,
        kind => match Kind::parse(kind) {
            // Without an apiVersion the kind is taken at its word; another group has kinds of the same
            // name.
            Some(kind) if group.is_none_or(|group| group == kind.group()) => Sort::Object(kind),
            _ => Sort::Other,
        },
    }
}
