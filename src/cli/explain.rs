//! `explain`: a rule's page, or what the options of a file do.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::exit::{self, Exit, InputError};
use super::offered::rule;
use super::policy_flags::PolicyFlags;
use super::{color, input, terminal};
use crate::check::{self, together::UnreadClasses};
use crate::nfs::option::MountOption;
use crate::policy::Policy;
use crate::policy::selection::select;
use crate::report::explanation::Explanation;
use crate::report::plain::{place, plain};
use crate::report::{self, json, rule_page};
use crate::source::text::{self, Lines};
use crate::source::unjudged::{is_terraform, of_terraform};
use crate::source::{Item, visit_each};

/// Explain a rule, or the mount options of a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard explain NMG001
  nfs-mount-guard explain soft-mount
  nfs-mount-guard explain -f class.yaml
  kubectl get pv -o json | nfs-mount-guard explain -f - --format json")]
pub struct Args {
    /// Code or name of a rule
    #[arg(value_name = "RULE", conflicts_with = "file", value_parser = rule(), hide_possible_values = true)]
    rule: Option<String>,
    /// Explain the objects of this file; - is standard input
    #[arg(long, short, value_name = "FILE", env = "NFS_MOUNT_GUARD_FILE")]
    file: Option<PathBuf>,
    /// Format of the explanation of a file
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_EXPLAIN_FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    judgement: PolicyFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A JSON array
    Json,
}

impl Args {
    /// Prints the page, or the explanations.
    ///
    /// # Errors
    ///
    /// When there is no such rule, the file cannot be read or standard output
    /// cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(file) = &self.file {
            let (policy, _) = self.judgement.named_policy()?;
            return self.explain(file, &policy);
        }
        let Some(name) = self.rule.as_deref() else {
            anyhow::bail!("give a RULE, or -f FILE to explain its objects");
        };
        let selected = select(name);
        if selected.is_empty() {
            let shown = plain(name);
            // People give the file that they want explained.
            if Path::new(name).exists() {
                anyhow::bail!("unknown rule {name:?}; to explain a file: nfs-mount-guard explain -f {shown}");
            }
            // People give the option that they want explained.
            if MountOption::new(&*name.to_lowercase()).entry().is_some() {
                anyhow::bail!(
                    "unknown rule {name:?}, which is a mount option; to explain the options of a file: \
nfs-mount-guard explain -f FILE"
                );
            }
            anyhow::bail!("unknown rule {name:?} (\"nfs-mount-guard rules\" lists them)");
        }
        let pages: Vec<String> = selected.into_iter().map(rule_page::page).collect();
        let pages = pages.join("\n");
        let shown = match terminal::width() {
            Some(width) => report::terminal::page(&pages, width, color::wanted()),
            None if color::wanted() => report::terminal::with_headings(&pages),
            None => pages,
        };
        write!(io::stdout().lock(), "{shown}")?;
        Ok(Exit::Success)
    }

    fn explain(&self, file: &Path, policy: &Policy) -> anyhow::Result<Exit> {
        let path = (file != Path::new("-")).then_some(file);
        let input_name = path.map_or_else(|| input::STDIN.to_owned(), |file| file.display().to_string());
        let name = place(&input_name);
        let bytes = input::one(path, None).map_err(|error| InputError(format!("{name}: {error}")))?;
        let (text, _) = text::decode(bytes).map_err(|(error, _)| InputError(format!("{name}: {error}")))?;
        let lines = Lines::new(&text);
        let mut explanations = Vec::new();
        let mut unread = UnreadClasses::default();
        let (mut problems, mut others) = (Vec::new(), Vec::new());
        if path.is_some_and(is_terraform) {
            let found = of_terraform(&text);
            others.extend(found.iter().map(|found| check::unjudged(found, &input_name, &lines)));
        }
        let is_manifest = !path.is_some_and(is_terraform);
        // Terraform is no YAML: every line would be an error.
        let read = if is_manifest { text.as_str() } else { "" };
        visit_each(read, &lines, &mut |item| match item {
            Item::Object(object) => {
                let line = lines.position(object.span.start).line;
                for part in &object.parts {
                    let subject = part.subject(&object, policy);
                    // A class may stand after the volumes that name it, so they are completed at the end.
                    unread.note(explanations.len(), object.name(), &subject);
                    explanations.push(Explanation::of(&subject, &input_name, line, object.template));
                }
            }
            Item::Unreadable(problem) => {
                let place = problem.offset.map(|offset| {
                    let position = lines.position(offset);
                    format!(":{}:{}", position.line, position.column)
                });
                problems.push(format!("{}{}: {problem}", input_name, place.unwrap_or_default()));
            }
            Item::Unjudged(found) | Item::Beside(found) => {
                let line = lines.position(found.offset).line;
                match Explanation::of_place(&found, &input_name, line) {
                    Some(explanation) => explanations.push(explanation),
                    None => others.push(check::unjudged(&found, &input_name, &lines)),
                }
            }
            Item::Skipped(_) | Item::Pod(_) | Item::UnreadablePod | Item::Claim(_) => {}
        });
        for (index, class, options) in unread.volumes() {
            if let Some(explanation) = explanations.get_mut(index) {
                explanation.add_unread_class(class, options);
            }
        }
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{}", json::plain(&serde_json::to_string_pretty(&explanations)?))?,
            Format::Text => {
                for explanation in &explanations {
                    let text = explanation.to_string();
                    let shown = report::terminal::explanation(&text, terminal::width(), color::wanted());
                    writeln!(out, "{shown}")?;
                }
            }
        }
        for other in &others {
            let (file, line) = (plain(&other.file), other.line);
            exit::say(&format!("{file}:{line}: {}", plain(&other.describe())))?;
        }
        if explanations.is_empty() && problems.is_empty() && others.is_empty() {
            let none = "no StorageClass, PersistentVolume, VolumeSnapshotClass, claim with options or inline CSI volume to explain";
            exit::say(&format!("{}: {none}", plain(&input_name)))?;
        }
        for problem in &problems {
            exit::say(&plain(problem))?;
        }
        Ok(if problems.is_empty() { Exit::Success } else { Exit::Unreadable })
    }
}
