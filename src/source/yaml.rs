//! From YAML text to trees, one a document, cut up as kubectl does it.
//!
//! kubectl cuts a file at every line that begins with `---`, whatever stands
//! there, and reads the first document of each piece with go-yaml v2
//! ([apimachinery `decoder.go`]). This reader is another one. Where
//! the two are known to differ it refuses the text, so that no text is evaluated that
//! kubectl reads in another way.
//!
//! [apimachinery `decoder.go`]: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apimachinery/pkg/util/yaml/decoder.go

mod apart;
mod breaks;
mod builder;
mod closing;
mod json_fault;
mod properties;
mod template;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScanError, Span, StrInput};

use super::text::{Lines, MARK};
use super::tree::Tree;
use super::{Fault, Problem, rendered};
pub(super) use apart::each_item;
use breaks::Breaks;
use builder::Builder;
use json_fault::or_json;

/// The line at which kubectl begins another document.
const SEPARATOR: &str = "---";

/// Brackets of a document that are moved for the parser.
// Each try reads the document again, so their number is bounded.
const MOST_MOVED: usize = 32;

/// Reads the documents of a text one by one.
pub(super) struct Documents<'t, 'l> {
    text: &'t str,
    lines: &'l Lines<'t>,
    /// The first byte that is not looked at yet.
    at: usize,
    /// True if the next one is read after one that cannot be.
    goes_on: bool,
    /// True if the items of a large List may be left out of its tree.
    takes_apart: bool,
    ended: bool,
}

impl<'t, 'l> Documents<'t, 'l> {
    /// Begins at the byte `at`, which begins a document.
    pub(super) fn new(text: &'t str, lines: &'l Lines<'t>, at: usize) -> Self {
        Self { text, lines, at, goes_on: false, takes_apart: false, ended: false }
    }

    pub(super) fn going_on(self, goes_on: bool) -> Self {
        Self { goes_on, ..self }
    }

    pub(super) fn taking_apart(self) -> Self {
        Self { takes_apart: true, ..self }
    }

    /// Returns the next piece of the text, up to a line that begins with `---`.
    fn piece(&mut self) -> Option<Result<Range<usize>, Problem>> {
        let mut start = self.at;
        let mut is_empty = true;
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let line = rest.find('\n').map_or(rest, |end| rest.get(..=end).unwrap_or(rest));
            let begins = self.at;
            self.at += line.len();
            // At the beginning of the line only, and in block scalars, too: kubectl does not look
            // where it is.
            if let Some(behind) = line.strip_prefix(SEPARATOR) {
                let behind = behind.trim();
                if !behind.is_empty() && !behind.starts_with('#') {
                    let message =
                        "kubectl starts a document at every line that begins with ---, and refuses text \
after it; move the text to the next line, or indent the line"
                            .to_owned();
                    return Some(Err(Problem::at(begins, message)));
                }
                if !is_empty {
                    return Some(Ok(start..begins));
                }
                start = begins;
            }
            is_empty = false;
            if self.at >= self.text.len() {
                return Some(Ok(start..self.text.len()));
            }
        }
    }

    /// Returns the document of a piece, one without a root where it is nothing but comments; `None`
    /// where it holds none.
    fn document(&self, piece: Range<usize>) -> Result<Option<Tree<'t>>, Problem> {
        let start = piece.start;
        let written = self.text.get(piece.clone()).unwrap_or_default();
        let template = rendered::template(self.text.get(..start).unwrap_or_default(), written);
        let mut document = self.plain_document(piece).map_err(|problem| {
            let breaks_at =
                |offset: usize| template::breaks_at(written, offset.saturating_sub(start), is_read);
            let is_template = problem.fault == Fault::Unread && problem.offset.is_some_and(breaks_at);
            let problem = if is_template { problem.with_fault(Fault::Template) } else { problem };
            Problem { template: template.map(ToOwned::to_owned), ..problem }
        })?;
        let has_comment_line = written.lines().any(|line| line.trim_start().starts_with('#'));
        if document.is_none() && has_comment_line && start > 0 {
            // It may be an object that is commented out, which the report counts.
            document = Some(Tree::default());
        }
        if let Some(tree) = &mut document {
            tree.template = template;
            tree.has_comment_line = has_comment_line;
        }
        Ok(document)
    }

    /// Returns the same, and nothing is a template.
    fn plain_document(&self, piece: Range<usize>) -> Result<Option<Tree<'t>>, Problem> {
        let written = self.text.get(piece.clone()).unwrap_or_default();
        let start = piece.start + if written.starts_with(MARK) { MARK.len_utf8() } else { 0 };
        let piece = start..piece.end;
        if self.takes_apart
            && let Some(tree) = apart::list(self.text, self.lines, piece.clone())
        {
            return Ok(Some(tree));
        }
        let mut written = Cow::Borrowed(self.text.get(piece.clone()).unwrap_or_default());
        for tried in 0.. {
            let mut reading = Reading::new(self.text, self.lines, &written, piece.clone());
            let tree = reading.read();
            let end = tree.as_ref().err().and_then(|problem| problem.offset);
            let moved = end.filter(|_| tried < MOST_MOVED).and_then(|end| {
                closing::moved_up(&written, reading.last.checked_sub(start)?, end.checked_sub(start)?)
            });
            let Some(moved) = moved else {
                let whole = self.text.get(piece).unwrap_or_default();
                let read = reading.breaks.problem(end).map_or(tree, Err);
                return read.map_err(|problem| or_json(problem, whole, start));
            };
            written = Cow::Owned(moved);
        }
        Ok(None)
    }
}

/// Returns true if a text is one document that this reader and kubectl's read alike.
fn is_read(text: &str) -> bool {
    let lines = Lines::new(text);
    Documents::new(text, &lines, 0).plain_document(0..text.len()).is_ok()
}

impl<'t> Iterator for Documents<'t, '_> {
    type Item = Result<Tree<'t>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let document = self.piece()?.and_then(|piece| self.document(piece));
            // kubectl reads nothing after what is no YAML; a template is none before it is
            // rendered.
            let is_broken = document.as_ref().is_err_and(|problem| problem.fault != Fault::Template);
            self.ended = is_broken && !self.goes_on;
            if let Some(document) = document.transpose() {
                return Some(document);
            }
        }
        None
    }
}

/// One piece that is being read.
struct Reading<'t, 'l, 'p> {
    text: &'t str,
    lines: &'l Lines<'t>,
    /// Over the piece, or over one of the same length.
    parser: Parser<'p, StrInput<'p>>,
    /// Characters of the text before the piece.
    characters: usize,
    /// The beginning of the last event.
    last: usize,
    breaks: Breaks,
}

impl<'t, 'l, 'p> Reading<'t, 'l, 'p> {
    /// Begins to read a piece of the text, or a text of the same length in its place.
    fn new(text: &'t str, lines: &'l Lines<'t>, written: &'p str, piece: Range<usize>) -> Self {
        let start = piece.start;
        Self {
            text,
            lines,
            parser: Parser::new_from_str(written),
            // The parser counts characters from the beginning of its own text.
            characters: lines.characters_before(start),
            last: start,
            breaks: Breaks::of(text, piece),
        }
    }

    fn read(&mut self) -> Result<Option<Tree<'t>>, Problem> {
        let mut tree = None;
        while let Some((event, span)) = self.event()? {
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if tree.is_none() => tree = Some(self.tree()?),
                Event::DocumentStart(_) => {
                    let message =
                        "a second document starts here without ---, and kubectl ignores it; write --- before it"
                            .to_owned();
                    return Err(Problem::at(span.start, message));
                }
                _ => {}
            }
        }
        Ok(tree)
    }

    fn tree(&mut self) -> Result<Tree<'t>, Problem> {
        let mut builder = Builder::new(self.text);
        while let Some((event, span)) = self.event()? {
            // `...` ends a document; what follows it is a second one.
            if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
                break;
            }
            builder.take(event, span, &mut self.breaks)?;
        }
        Ok(builder.tree)
    }

    fn event(&mut self) -> Result<Option<(Event<'p>, Range<usize>)>, Problem> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let span = self.bytes(&span);
                self.last = span.start;
                Ok(Some((event, span)))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.lines.byte_of_character(self.characters + character)
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        Problem::at(self.byte(error.marker().index()), format!("is not YAML: {}", words::words(error.info())))
    }
}
