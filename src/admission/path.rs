//! Finds the member of a JSON text at a place, for the message about a value that cannot be read.

use std::fmt::Write as _;

/// Returns the keys and indices that lead to a line and a column, both from 1 as `serde_json`
/// counts them; empty outside of every member. It is cut where it gets longer than a person reads.
pub(super) fn at(text: &[u8], line: usize, column: usize) -> String {
    // serde_json counts lines from 1 and columns in bytes.
    let before = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    let end = before.map(<[u8]>::len).sum::<usize>() + column;
    let mut inside = Inside::default();
    let mut at = 0;
    while let Some(byte) = text.get(at).filter(|_| at < end) {
        match byte {
            b'"' => {
                let begin = at + 1;
                at = end_of_string(text, begin);
                if let Some(PathStep::Member { key, awaited: true }) = inside.last_mut() {
                    *key = text.get(begin..at).unwrap_or_default();
                }
            }
            b'{' => inside.enter(PathStep::Member { key: b"", awaited: true }),
            b'[' => inside.enter(PathStep::Item(0)),
            b'}' | b']' => inside.leave(),
            b':' => {
                if let Some(PathStep::Member { awaited, .. }) = inside.last_mut() {
                    *awaited = false;
                }
            }
            b',' => match inside.last_mut() {
                Some(PathStep::Member { key, awaited }) => (*key, *awaited) = (b"", true),
                Some(PathStep::Item(index)) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    inside.path()
}

/// Most steps of a path that an error names. A text of brackets has one a byte.
const DEEPEST: usize = 32;

/// Most bytes of a key that an error quotes.
const LONGEST: usize = 64;

/// The objects and lists that are open.
#[derive(Default)]
struct Inside<'t> {
    /// The outermost steps, at most [`DEEPEST`].
    steps: Vec<PathStep<'t>>,
    /// The number of levels further in.
    deeper: usize,
}

impl<'t> Inside<'t> {
    fn enter(&mut self, step: PathStep<'t>) {
        if self.steps.len() < DEEPEST {
            self.steps.push(step);
        } else {
            self.deeper += 1;
        }
    }

    fn leave(&mut self) {
        match self.deeper.checked_sub(1) {
            Some(fewer) => self.deeper = fewer,
            None => drop(self.steps.pop()),
        }
    }

    /// Returns the innermost step, if it is one of those kept.
    fn last_mut(&mut self) -> Option<&mut PathStep<'t>> {
        if self.deeper == 0 { self.steps.last_mut() } else { None }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                PathStep::Member { key: b"", .. } => {}
                PathStep::Member { key, .. } => {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    let told = key.get(..LONGEST).unwrap_or(key);
                    path.push_str(&String::from_utf8_lossy(told));
                    path.push_str(if told.len() < key.len() { "..." } else { "" });
                }
                PathStep::Item(index) => {
                    // A String takes everything.
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path.push_str(if self.deeper > 0 { "..." } else { "" });
        path
    }
}

/// A member of an object or an item of a list.
enum PathStep<'t> {
    Member { key: &'t [u8], awaited: bool },
    Item(usize),
}

/// Returns the place of the quote that ends a string, or the end of the text.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            // Whatever is escaped, a quote among it, is no end.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::at;
    use crate::admission::wire::FullReview;

    /// Returns the path to the mistake that `serde_json` reports.
    fn path(text: &str) -> String {
        let error = nfs_mount_guard_json::from_str::<FullReview<'_>>(text).expect_err("a mistake");
        at(text.as_bytes(), error.line(), error.column())
    }

    #[test]
    fn it_leads_to_the_member_that_is_wrong() {
        for (rest, expected) in [
            ("\"object\":{\"mountOptions\":[\"a\",5]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"mountOptions\":[\"a\\\"]\",\n\n true]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"mountOptions\":\"bg\"}}}", "request.object.mountOptions"),
            ("\"object\":{\"mountOptions\":[\"a\",{}]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"spec\":{\"nfs\":{\"server\":7}}}}}", "request.object.spec.nfs.server"),
            ("\"object\":{\"spec\":\n{\"a\":[{}, []], \"nfs\":[7]}}}}", "request.object.spec.nfs"),
            ("\"dryRun\":\"yes\"}}", "request.dryRun"),
            ("\"object\":{\"mountOptions\":[\"\\ud800\"]}}}", "request.object.mountOptions[0]"),
        ] {
            let text = format!("{{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"u\",{rest}");
            assert_eq!(path(&text), expected, "{text}");
        }
        for text in ["", "5", "[", "\u{feff}{}"] {
            assert!(!path(text).contains('.'), "{text}");
        }
    }

    #[test]
    fn it_stays_short_in_a_text_of_brackets_and_a_long_key() {
        let opened = |depth: usize| "[".repeat(depth);
        assert_eq!(at(opened(3).as_bytes(), 1, 3), "[0][0][0]");
        let deep = at(opened(1_000_000).as_bytes(), 1, 1_000_000);
        assert_eq!(deep, format!("{}...", "[0]".repeat(32)));
        let left = format!("{}{}", opened(100), "]".repeat(98));
        assert_eq!(at(left.as_bytes(), 1, left.len()), "[0][0]");
        let long = format!("{{\"{}\":[", "k".repeat(1000));
        assert_eq!(at(long.as_bytes(), 1, long.len()), format!("{}...[0]", "k".repeat(64)));
    }

    #[test]
    fn it_stands_any_text_and_place() {
        for text in ["", "\"", "\"\\", "{", "}]", "{\"a\":\"\\", ",,::[[", "\n\n"] {
            for column in 0..10 {
                at(text.as_bytes(), column / 3, column);
            }
        }
    }
}
