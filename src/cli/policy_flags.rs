//! The flags that say by what objects are evaluated, the same for `check`, `fix`
//! and `explain`.

#[cfg(feature = "lsp")]
use std::path::Path;
use std::path::PathBuf;

use anyhow::bail;
use clap::builder::{BoolishValueParser, PossibleValuesParser};
use time::OffsetDateTime;

use super::offered::rule;
use super::{exit, policy};
use crate::finding::Action;
use crate::policy::selection::select;
use crate::policy::{Builder, Policy};
#[cfg(feature = "lsp")]
use crate::policy_file;
use crate::report::PolicyOrigin;
use crate::rules::{Profile, RULES, Rule};

/// By what objects are evaluated.
#[derive(Debug, Clone, clap::Args)]
pub struct PolicyFlags {
    /// Policy file [default: nfs-mount-guard.yaml here or above, up to the Git root]
    #[arg(long = "policy", value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy_file: Option<PathBuf>,
    /// Use no policy file
    #[arg(long, env = "NFS_MOUNT_GUARD_NO_POLICY", value_parser = BoolishValueParser::new())]
    no_policy: bool,
    /// Profile; overrides that of the policy
    #[arg(
        long,
        env = "NFS_MOUNT_GUARD_PROFILE",
        value_parser = PossibleValuesParser::new(Profile::spellings())
    )]
    profile: Option<String>,
    /// Only check these rules (code, name or prefix, for example NMG00 or soft)
    #[arg(long, value_name = "RULE", env = "NFS_MOUNT_GUARD_SELECT", value_delimiter = ',', value_parser = rule(), hide_possible_values = true)]
    select: Vec<String>,
    /// Skip these rules (code, name or prefix)
    #[arg(long, value_name = "RULE", env = "NFS_MOUNT_GUARD_IGNORE", value_delimiter = ',', value_parser = rule(), hide_possible_values = true)]
    ignore: Vec<String>,
}

impl PolicyFlags {
    /// Returns the policy that the flags name, and how reports call it.
    ///
    /// # Errors
    ///
    /// When a rule is named that does not exist, or the policy file cannot be
    /// read or used.
    pub fn named_policy(&self) -> anyhow::Result<(Policy, PolicyOrigin)> {
        let file = match &self.policy_file {
            _ if self.no_policy => None,
            Some(file) => Some(file.clone()),
            None => policy::discover()?,
        };
        let policy = file.as_deref().map(policy::load).transpose()?;
        self.named(policy.as_ref(), file.map(|file| file.display().to_string()))
    }

    /// Returns true if the flags name a policy of their own.
    #[cfg(feature = "serve")]
    pub const fn is_given(&self) -> bool {
        self.policy_file.is_some() || self.no_policy
    }

    /// Returns the policy from `file` with what the flags change, and how reports call it.
    ///
    /// # Errors
    ///
    /// When a rule or profile is named that does not exist.
    pub fn named(
        &self,
        policy: Option<&Policy>,
        file: Option<String>,
    ) -> anyhow::Result<(Policy, PolicyOrigin)> {
        let policy = self.policy(policy)?;
        for warning in policy::warnings(&policy, OffsetDateTime::now_utc().date()) {
            // A report is not spoiled by what stands on standard error.
            let _ = exit::say(&format!("warning: {warning}"));
        }
        let name = PolicyOrigin {
            file,
            profile: policy.profile().to_string(),
            mode: policy.mode().as_str(),
            hash: policy.fingerprint().to_string(),
            webhook_hash: None,
            not_run: Vec::new(),
        };
        let selected = self.selected(&policy)?;
        let is_unrun = |rule: &&&Rule| policy.runs(rule) && !selected.runs(rule);
        let not_run = RULES.iter().filter(is_unrun).map(|rule| rule.code).collect();
        Ok((selected, PolicyOrigin { not_run, ..name }))
    }

    /// Returns the policy file that holds in a directory, as in the working directory of `check`.
    #[cfg(feature = "lsp")]
    pub(super) fn file_of(&self, folder: &Path) -> Option<PathBuf> {
        match &self.policy_file {
            _ if self.no_policy => None,
            Some(file) => Some(file.clone()),
            None => policy_file::discover(folder),
        }
    }

    /// Returns the policy of a file, or the built-in one, as the other flags change it.
    ///
    /// # Errors
    ///
    /// When a rule or a profile is named that does not exist.
    #[cfg(feature = "lsp")]
    pub(super) fn changed(&self, policy: &Policy) -> anyhow::Result<Policy> {
        self.selected(&self.profiled(policy.to_builder())?)
    }

    /// Returns the policy before `--select` and `--ignore`.
    fn policy(&self, policy: Option<&Policy>) -> anyhow::Result<Policy> {
        self.profiled(match policy {
            Some(policy) => policy.to_builder(),
            None => Builder::new(Profile::default()),
        })
    }

    fn profiled(&self, mut builder: Builder) -> anyhow::Result<Policy> {
        let profile = match &self.profile {
            Some(name) => match Profile::parse(name) {
                Ok(profile) => Some(profile),
                Err(error) => bail!("--profile: unknown profile {name:?} ({error})"),
            },
            None => None,
        };
        if let Some(profile) = profile {
            builder.profile(profile);
        }
        Ok(builder.build())
    }

    fn selected(&self, policy: &Policy) -> anyhow::Result<Policy> {
        let select = named_rules("--select", &self.select)?;
        let ignore = named_rules("--ignore", &self.ignore)?;
        let mut builder = policy.to_builder();
        for rule in RULES {
            let is_in = |list: &[&Rule]| list.iter().any(|named| named.code == rule.code);
            if !self.select.is_empty() && !is_in(&select) || is_in(&ignore) {
                builder.action(rule, Action::Off);
            }
        }
        Ok(builder.build())
    }
}

/// Returns the rules that the words of a flag name.
fn named_rules(flag: &str, words: &[String]) -> anyhow::Result<Vec<&'static Rule>> {
    let mut found = Vec::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        let named = select(word);
        if named.is_empty() {
            bail!("{flag}: unknown rule {word:?} (\"nfs-mount-guard rules\" lists them)");
        }
        found.extend(named);
    }
    // An unset variable in a script would turn every rule off.
    if found.is_empty() && !words.is_empty() {
        bail!("{flag}: no rule in {:?}; give a code, a name or a prefix, or drop the flag", words.join(","));
    }
    Ok(found)
}
