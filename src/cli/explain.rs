//! `explain`: a rule's page.

use std::io::{self, Write as _};

use super::exit::Exit;
use crate::report::rule_page;
use crate::rules;

/// Explain a rule.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard explain NMG001
  nfs-mount-guard explain soft-mount")]
pub struct Args {
    /// A rule's code or name
    #[arg(value_name = "RULE")]
    rule: String,
}

impl Args {
    /// Prints the page.
    ///
    /// # Errors
    ///
    /// When there is no such rule or standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(rule) = rules::find(&self.rule) else {
            anyhow::bail!("there is no rule {:?}; `nfs-mount-guard rules` lists them", self.rule);
        };
        write!(io::stdout().lock(), "{}", rule_page::page(rule))?;
        Ok(Exit::Success)
    }
}
