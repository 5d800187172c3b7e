//! A policy's text form: YAML in, a validated [`Policy`] or every mistake with
//! its place out; and a policy as YAML again.

mod reader;
pub mod schema;
pub mod write;

use std::fmt::{self, Write as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::policy::Policy;
use crate::source::text::{Lines, Position, TextError, decode};
use crate::source::{self, Problem, columns, io_fault};

/// `apiVersion` of a policy file.
pub const API_VERSION: &str = "nfs-mount-guard.io/v1";

/// `kind` of a policy file.
pub const KIND: &str = "MountPolicy";

/// The name under which a policy file is looked for.
pub const FILE_NAME: &str = "nfs-mount-guard.yaml";

/// Bytes that a policy file may have.
const LONGEST: u64 = 1024 * 1024;

/// Bytes of a line that is shown.
const LONGEST_LINE: usize = 200;

/// One thing that is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The position.
    pub position: Position,
    /// The fault, and the text to write instead: one sentence, no final dot.
    pub message: String,
    /// The line of the file; empty where it is too long to be shown.
    pub line: String,
}

/// Everything that is wrong with a policy file, in its order; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file's name, as it is shown.
    pub file: String,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

/// `FILE:LINE:COLUMN: message`, the line and a caret, for each.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            let Position { line, column } = mistake.position;
            write!(f, "{}:{line}:{column}: {}", self.file, mistake.message)?;
            if !mistake.line.is_empty() {
                let shown = columns::seen(&mistake.line);
                let indent = columns::width(columns::first(&shown, column.saturating_sub(1)));
                write!(f, "\n  {shown}\n  {}^", " ".repeat(indent))?;
            }
        }
        Ok(())
    }
}

impl Mistakes {
    /// Returns all in one line, for a log.
    pub fn in_one_line(&self) -> String {
        let mistakes = self.mistakes.iter().map(|mistake| {
            let Position { line, column } = mistake.position;
            format!("{}:{line}:{column}: {}", self.file, mistake.message)
        });
        mistakes.collect::<Vec<_>>().join("; ")
    }
}

/// The reason why a policy file gives no policy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read at all.
    #[error("{file}: cannot read the policy: {}; {}", io_fault::reason(source), remedy(source.kind()))]
    Read {
        /// The file.
        file: String,
        /// The reason.
        source: io::Error,
    },
    /// The file is no text.
    #[error("{file}: {source}")]
    Text {
        /// The file.
        file: String,
        /// The reason.
        source: TextError,
    },
    /// The file is too long for a policy.
    #[error("{file}: is longer than 1 MiB, the limit for a policy")]
    TooLong {
        /// The file.
        file: String,
    },
    /// The file says something that is no policy.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

/// Returns what to do about a policy file that cannot be read.
const fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => {
            "correct the path, or create it: nfs-mount-guard policy show --profile standard > FILE"
        }
        io::ErrorKind::IsADirectory => "give the file in it",
        io::ErrorKind::PermissionDenied => "allow this user to read it",
        _ => "give a regular file that can be read",
    }
}

/// Reads a policy file.
///
/// # Errors
///
/// When it cannot be read, or with every mistake in it.
pub fn load(path: &Path) -> Result<Policy, Error> {
    let file = path.display().to_string();
    let read = |source| Error::Read { file: file.clone(), source };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(read)?;
    // A pipe or a device may never end.
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(read)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(Error::TooLong { file });
    }
    let (text, _) = decode(bytes).map_err(|(source, _)| Error::Text { file: file.clone(), source })?;
    Ok(parse(&text, &file)?)
}

/// Reads a policy's text; `file` is its name in messages.
///
/// # Errors
///
/// Every mistake in it.
pub fn parse(text: &str, file: &str) -> Result<Policy, Mistakes> {
    let lines = Lines::new(text);
    read(text, &lines).map_err(|problems| {
        let mut mistakes: Vec<Mistake> = problems
            .into_iter()
            .map(|problem| {
                let offset = problem.offset.unwrap_or_default();
                let position = lines.position(offset);
                let (before, behind) = lines.around(offset);
                // Every mistake in one long line would hold that line again.
                let is_short = before.len() + behind.len() <= LONGEST_LINE;
                let line = if is_short { format!("{before}{behind}") } else { String::new() };
                Mistake { position, message: problem.message, line }
            })
            .collect();
        // In the order of the text, whatever the order in which they were found.
        mistakes.sort_by_key(|mistake| mistake.position);
        mistakes.dedup();
        Mistakes { file: file.to_owned(), mistakes }
    })
}

fn read(text: &str, lines: &Lines<'_>) -> Result<Policy, Vec<Problem>> {
    let mut policy = None;
    for document in source::trees(text, lines) {
        let tree = document.map_err(|problem| vec![problem])?;
        let Some(root) = tree.root().filter(|root| !tree.text(*root).is_some_and(str::is_empty)) else {
            continue;
        };
        if policy.is_some() {
            let offset = tree.written(root).map_or(0, |node| node.span.start);
            let message = "a second policy; a file may contain one".to_owned();
            return Err(vec![Problem::at(offset, message)]);
        }
        policy = Some(reader::policy(&tree, root)?);
    }
    policy.ok_or_else(|| {
        let message = format!(
            "the file is empty; a policy starts with \"apiVersion: {API_VERSION}\" and \"kind: {KIND}\""
        );
        vec![Problem::at(0, message)]
    })
}

/// Looks for [`FILE_NAME`] in `folder` and above, up to the root of the Git
/// repository; without one, in `folder` only.
pub fn discover(folder: &Path) -> Option<PathBuf> {
    // A policy above the repository is not part of it: a build elsewhere would not find it.
    let top = folder.ancestors().find(|ancestor| ancestor.join(".git").exists()).unwrap_or(folder);
    folder
        .ancestors()
        .take_while(|ancestor| ancestor.starts_with(top))
        .map(|ancestor| ancestor.join(FILE_NAME))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests;
