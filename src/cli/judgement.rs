//! The flags that say by what objects are judged, the same for `check`, `fix`
//! and `explain`.

use anyhow::bail;
use clap::builder::PossibleValuesParser;

use crate::finding::Action;
use crate::policy::Policy;
use crate::report::PolicyName;
use crate::rules::{Profile, RULES, Rule};

/// By what objects are judged.
#[derive(Debug, Clone, clap::Args)]
pub struct Judgement {
    /// The profile to judge by
    #[arg(
        long,
        env = "NFS_MOUNT_GUARD_PROFILE",
        default_value = "standard",
        value_parser = PossibleValuesParser::new(["standard", "relaxed", "strict", "standard@1", "relaxed@1", "strict@1"])
    )]
    profile: String,
    /// Judge by these rules only: codes, names, or what these begin with
    #[arg(long, value_name = "RULE", env = "NFS_MOUNT_GUARD_SELECT", value_delimiter = ',')]
    select: Vec<String>,
    /// Leave these rules out: codes, names, or what these begin with
    #[arg(long, value_name = "RULE", env = "NFS_MOUNT_GUARD_IGNORE", value_delimiter = ',')]
    ignore: Vec<String>,
}

impl Judgement {
    /// The policy that the flags name, and how reports call it.
    ///
    /// # Errors
    ///
    /// When a rule is named that does not exist.
    pub fn named_policy(&self) -> anyhow::Result<(Policy, PolicyName)> {
        let policy = self.policy()?;
        let name = PolicyName {
            file: None,
            profile: policy.profile().to_string(),
            mode: policy.mode().as_str(),
            hash: policy.fingerprint().to_string(),
        };
        Ok((self.selected(&policy)?, name))
    }

    /// The policy before `--select` and `--ignore`: where the policy file is
    /// read.
    fn policy(&self) -> anyhow::Result<Policy> {
        match Profile::parse(&self.profile) {
            Some(profile) => Ok(Policy::of_profile(profile)),
            None => bail!("--profile: there is no profile {:?}", self.profile),
        }
    }

    fn selected(&self, policy: &Policy) -> anyhow::Result<Policy> {
        let select = rules("--select", &self.select)?;
        let ignore = rules("--ignore", &self.ignore)?;
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

/// The rules that the words of a flag name.
fn rules(flag: &str, words: &[String]) -> anyhow::Result<Vec<&'static Rule>> {
    let mut found = Vec::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        let before = found.len();
        let code = word.to_ascii_uppercase();
        found.extend(
            RULES
                .iter()
                .copied()
                .filter(|rule| rule.name.starts_with(word) || rule.code.to_string().starts_with(&code)),
        );
        if found.len() == before {
            bail!("{flag}: no rule is called {word:?}; `nfs-mount-guard rules` lists them");
        }
    }
    Ok(found)
}
