//! Rewriting the options of an object in the text it was read from: only the
//! tokens concerned change, in the style in which they are written.

mod apart;
mod comments;
mod field;
mod gaps;
mod lines;
mod relocate;
mod remove;
mod rename;
mod sequence;
mod string;

use std::ops::Range;

use super::object::Layout;
use super::scalar::{Meaning, resolve};
use super::tree::{NodeId, Style};
use crate::site::Place;
pub use apart::apart;
pub use comments::lost as lost_comments;
pub(super) use lines::{line_end, line_start, newline};
pub use relocate::{Relocation, relocate};
pub use remove::{is_alone, remove};
pub use rename::{rename, rename_key, with_own_first};

/// Text to be put in the place of other text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The new text.
    pub with: String,
}

impl Replacement {
    fn new(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { start: range.start, end: range.end, with: with.into() }
    }

    fn insert(at: usize, with: impl Into<String>) -> Self {
        Self::new(at..at, with)
    }
}

/// One replacement of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RewriteStep {
    /// The element that it gives other text, alone; `None` for one that takes
    /// elements out, puts some in, or stands for the whole place.
    pub element: Option<usize>,
    /// The replacement in the text.
    pub replacement: Replacement,
}

/// The plan of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The values that get other content. Where one is read at other places, too,
    /// it changes there as well.
    pub touched: Vec<NodeId>,
    /// Values that this place does not read any more: aliases brought them.
    pub left: Vec<NodeId>,
    /// The steps that change the text.
    pub steps: Vec<RewriteStep>,
}

/// The way to write through an alias: the alias stays and its anchor changes, or the new text
/// replaces the alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Together,
    Apart,
}

/// The reason why a place is not rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteRefusal {
    /// Nothing would be left of the list.
    NothingLeft,
    /// It is written in a way that is not taken apart.
    Unwieldy,
    /// There is no mapping to which the field could be added.
    NoPlace,
    /// The alias at this byte reads it, too, and shall not change.
    Shared(usize),
    /// It comes through the alias at this byte, which brings more than it.
    Outer(usize),
    /// A comment stands in it, and where that belongs then is not known.
    Comment(usize),
    /// Aliases are in the document, which may bring it elsewhere.
    Aliases,
    /// It shares its lines with something else.
    SharedLine,
    /// Two changes meet in the same text.
    Overlap,
    /// The new text would mean something else than it should.
    Misread,
}

impl RewriteRefusal {
    /// Describes the obstacle and the remedy: the end of a sentence. `line` gives the line of a byte.
    pub fn message(self, line: &dyn Fn(usize) -> usize) -> String {
        match self {
            Self::NothingLeft => {
                "nothing would be left of the list, and a driver may then use options of its own".to_owned()
            }
            Self::Unwieldy => "it is not written as a plain list or string; change it by hand".to_owned(),
            Self::NoPlace => "there is no mapping to add the field to; add it by hand".to_owned(),
            Self::Shared(offset) => {
                format!(
                    "the alias in line {} reads it, too, and would change; write it out there",
                    line(offset)
                )
            }
            Self::Outer(_) => "this alias brings it with other fields; write them out".to_owned(),
            Self::Comment(offset) => {
                format!("the comment in line {} would go away with it; move it by hand", line(offset))
            }
            Self::Aliases => "there are aliases in this document; move it by hand".to_owned(),
            Self::SharedLine => "its lines contain something else; move it by hand".to_owned(),
            Self::Overlap => "two changes meet in the same text; change it by hand".to_owned(),
            Self::Misread => "the new text would not mean what it should; change it by hand".to_owned(),
        }
    }
}

/// One place, as it is and as it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// The place.
    pub place: &'c Place,
    /// Its elements now.
    pub old: &'c [&'c str],
    /// Its elements then.
    pub new: &'c [&'c str],
    /// For each of these, which one it was; `None` for one that is added.
    pub origins: &'c [Option<usize>],
}

impl Change<'_> {
    const fn is_list(&self) -> bool {
        matches!(self.place, Place::MountOptions(_))
    }
}

/// Returns the plan that carries out a change. An alias stays one: what it stands for changes,
/// everywhere where it is read.
///
/// # Errors
///
/// When it cannot be done without touching more than the options.
pub fn rewrite(layout: &Layout<'_>, change: Change<'_>) -> Result<Plan, RewriteRefusal> {
    in_place(layout, change, Way::Together)
}

fn in_place(layout: &Layout<'_>, change: Change<'_>, way: Way) -> Result<Plan, RewriteRefusal> {
    match layout.value(change.place) {
        Some(value) if !change.is_list() => {
            let (Some(old), Some(new)) = (change.old.first(), change.new.first()) else {
                return Err(RewriteRefusal::NothingLeft);
            };
            let replacements = string::rewrite(layout, value, old, new)?;
            let steps =
                replacements.into_iter().map(|replacement| RewriteStep { element: None, replacement });
            Ok(Plan { touched: vec![layout.tree.target(value)], left: Vec::new(), steps: steps.collect() })
        }
        Some(value) if layout.tree.items(value).is_some() => sequence::rewrite(layout, value, change, way),
        Some(value) => field::fill(layout, change, value),
        None if change.is_list() => field::add(layout, change),
        None => Err(RewriteRefusal::NoPlace),
    }
}

/// Applies replacements to a text.
///
/// # Errors
///
/// When two of them overlap.
pub fn apply(text: &str, mut replacements: Vec<&Replacement>) -> Result<String, RewriteRefusal> {
    // A stable sort: what is inserted at one place stays in its order.
    replacements.sort_by_key(|replacement| (replacement.start, replacement.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for replacement in replacements {
        let mut range = replacement.start..replacement.end;
        // A line that goes and a field that goes with the line break before it share that break.
        let shared = text.get(range.start..at).filter(|shared| matches!(*shared, "\n" | "\r\n"));
        if let Some(shared) = shared.filter(|_| replacement.with.is_empty() && range.end > at) {
            let rest = text.get(range.end..).unwrap_or_default();
            range = at..range.end + if rest.starts_with(shared) { shared.len() } else { 0 };
        }
        out.push_str(text.get(at..range.start).ok_or(RewriteRefusal::Overlap)?);
        out.push_str(&replacement.with);
        at = range.end;
    }
    out.push_str(text.get(at..).ok_or(RewriteRefusal::Overlap)?);
    Ok(out)
}

/// Returns an element as YAML, in `style` where that can be.
fn render(element: &str, style: Style, in_flow: bool) -> String {
    let is_plain = || {
        // A quote begins a scalar only where it stands first.
        let is_free = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_');
        let without_quotes: String = element.chars().filter(|letter| !matches!(letter, '"' | '\'')).collect();
        element.bytes().next().is_some_and(is_free)
            && is_safe(&without_quotes, in_flow)
            && !element.ends_with(':')
            // An option such as `no` would be read as a truth value.
            && resolve(element) == Meaning::Text
    };
    match style {
        Style::SingleQuoted => single_quoted(element).unwrap_or_else(|| quoted(element)),
        Style::Plain | Style::Literal | Style::Folded if is_plain() => element.to_owned(),
        _ => quoted(element),
    }
}

/// Returns a text in single quotes, which have no escape but for themselves: `None` where it has more than
/// printable ASCII.
fn single_quoted(text: &str) -> Option<String> {
    // Single quotes have no escapes.
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_printable.then(|| format!("'{}'", text.replace('\'', "''")))
}

/// Returns an element as YAML, in double quotes where it `is_json`.
pub(super) fn element(text: &str, in_flow: bool, is_json: bool) -> String {
    render(text, if is_json { Style::DoubleQuoted } else { Style::Plain }, in_flow)
}

/// Writes a text in double quotes, as JSON and YAML both read it.
fn quoted(text: &str) -> String {
    // A string always serialises.
    serde_json::to_string(text).unwrap_or_default()
}

/// Returns true if text stands for itself in every style.
fn is_safe(text: &str, in_flow: bool) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_=./+-@%:".contains(&byte) || byte == b',' && !in_flow)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may end by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::super::difference::hunks;
    use super::{Change, apply, rewrite};
    use crate::kind::Kind;
    use crate::site::Place;
    use crate::source::text::Lines;
    use crate::source::{Item, visit};

    /// Returns a class whose options are written as `options`, with other ones.
    fn rewritten(options: &str, old: &[&str], new: &[&str]) -> String {
        let text = format!("kind: StorageClass\nmountOptions:{options}");
        let place = Place::MountOptions(Kind::StorageClass);
        let origins: Vec<_> = (0..new.len()).map(Some).collect();
        let mut made = String::new();
        visit(&text, &Lines::new(&text), &mut |item| {
            let Item::Object(object) = item else { panic!("an object") };
            let change = Change { place: &place, old, new, origins: &origins };
            let plan = rewrite(&object.layout(), change).unwrap();
            made = apply(&text, plan.steps.iter().map(|step| &step.replacement).collect()).unwrap();
        });
        made.split_once("mountOptions:").unwrap().1.to_owned()
    }

    #[test]
    fn what_a_style_cannot_hold_is_written_in_quotes() {
        let new = ["context=\"a, b\"", "hard"];
        let old = ["bg", "hard"];
        let quoted = "\"context=\\\"a, b\\\"\"";
        for (before, after) in [
            ("\n- |- # kept\n  bg\n- hard\n", format!("\n- {quoted} # kept\n- hard\n")),
            ("\n- >2-\n  bg\n\n\n- hard\n", format!("\n- {quoted}\n\n\n- hard\n")),
            ("\n- bg # c\n- hard\n", format!("\n- {quoted} # c\n- hard\n")),
            (" ['bg' , hard]\n", " ['context=\"a, b\"' , hard]\n".to_owned()),
        ] {
            assert_eq!(rewritten(before, &old, &new), after, "{before}");
        }
    }

    #[test]
    fn an_option_in_quotes_of_its_own_changes_by_its_letters_alone() {
        let marked = r#"hard,context="a,bg""#;
        for written in [
            r#" ['hard,context="a,bg"']"#,
            r#" ["hard,context=\"a,bg\""]"#,
            r#" ["hard,context=\x22a,\x62g\x22"]"#,
            "\n- hard,context=\"a,bg\" # kept\n",
            "\n- 'hard,context=\"a,bg\"' # kept\n",
            "\n- |-\n  hard,context=\"a,bg\"\n",
            "\n- >-\n  hard,context=\"a,bg\"\n",
        ] {
            let after = written.replace("\\x62g", "fg").replace("bg", "fg");
            assert_eq!(rewritten(written, &[marked], &[r#"hard,context="a,fg""#]), after, "{written}");
        }
        let doubled = " ['x=''a,bg''']\n";
        for (new, after) in [("x='a,fg'", " ['x=''a,fg''']\n"), ("x='a', 'b'", " ['x=''a'', ''b''']\n")] {
            assert_eq!(rewritten(doubled, &["x='a,bg'"], &[new]), after);
        }
    }

    proptest! {
        /// Lists of a few words repeat them, which is where differences shift.
        #[test]
        fn carrying_out_the_hunks_gives_the_new_list(
            old in prop::collection::vec(prop::sample::select(vec!["bg", "fg", "hard"]), 0..7),
            new in prop::collection::vec(prop::sample::select(vec!["fg", "hard", "timeo=600"]), 0..7),
        ) {
            let mut made: Vec<&str> = Vec::new();
            let mut at = 0;
            for hunk in hunks(&old, &new) {
                made.extend(&old[at..hunk.old.start]);
                made.extend(&new[hunk.new.clone()]);
                at = hunk.old.end;
            }
            made.extend(&old[at..]);
            prop_assert_eq!(made, new);
        }
    }
}
