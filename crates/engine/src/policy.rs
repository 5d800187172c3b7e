//! A policy in its validated form: what is done about each rule's findings,
//! which drivers are NFS, who is exempt.

pub mod exemption;
pub mod selection;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write as _;

use crate::finding::{Action, Code, Severity};
use crate::rules::{Profile, RULES, Rule, Set};
use crate::subject::DriverSetting;
use crate::subject::driver::glob;
use exemption::Exemption;

/// The mode: decisions are carried out or only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// Nothing is patched or denied; warnings, log and metrics name what `enforce`
    /// would do.
    Observe,
}

impl Mode {
    /// Returns the word in a policy file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// The response of `/validate` for an object that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnUnreadable {
    /// It is refused.
    #[default]
    Deny,
    /// It passes, with a warning.
    Allow,
}

impl OnUnreadable {
    /// Returns the word in a policy file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// The policy's settings for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RuleSetting {
    /// Overrides the profile for all findings of the rule.
    action: Option<Action>,
    /// The values that the policy sets for the rule's settings, in their order.
    own: Vec<Option<u32>>,
    /// The number that holds for each of them.
    numbers: Vec<u32>,
}

/// A validated policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    content: Content,
    fingerprint: Fingerprint,
    /// The places in [`RULES`] of those that run.
    active: Vec<usize>,
}

/// All that a policy says. The fingerprint is its hash, so a new field is a part of
/// it: a running server takes a policy for another one by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Content {
    mode: Mode,
    profile: Profile,
    preview: bool,
    /// One for each of [`RULES`], in that order.
    rules: Vec<RuleSetting>,
    drivers: Vec<DriverSetting>,
    provisioners: Vec<String>,
    exemptions: Vec<Exemption>,
    on_unreadable: OnUnreadable,
    annotation_exemptions: bool,
}

impl Content {
    /// Returns true if a rule runs whose action the policy sets, or leaves to the profile.
    fn runs(&self, rule: &Rule, action: Option<Action>) -> bool {
        let default = |severity| rule.default_action(severity, self.profile);
        let action = action.unwrap_or_else(|| default(Severity::Proper).max(default(Severity::Lesser)));
        action > Action::Off && (self.preview || !rule.preview)
    }
}

/// A short name of a policy's content: equal policies have equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    fn of(hash: u64) -> Self {
        let mut text = [b'0'; 16];
        // Writing to a slice fails only where it is too short.
        let _ = write!(text.as_mut_slice(), "{hash:016x}");
        Self(text)
    }

    /// Returns its 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of_profile(Profile::default())
    }
}

impl Policy {
    /// Returns a profile as it is, with nothing added.
    pub fn of_profile(profile: Profile) -> Self {
        Builder::new(profile).build()
    }

    /// Returns the mode.
    pub const fn mode(&self) -> Mode {
        self.content.mode
    }

    /// Returns the profile the policy starts from.
    pub const fn profile(&self) -> Profile {
        self.content.profile
    }

    /// Returns true if rules that are still tried out run, too.
    pub const fn preview(&self) -> bool {
        self.content.preview
    }

    /// Returns the policy's settings for drivers.
    pub fn drivers(&self) -> &[DriverSetting] {
        &self.content.drivers
    }

    /// Users that make volumes as provisioners do, beside service accounts.
    pub fn provisioners(&self) -> &[String] {
        &self.content.provisioners
    }

    /// Returns true if a volume that `user` sends may have been made by the provisioner that it
    /// names: provisioners run under service accounts, people do not.
    pub fn believes_provisioner(&self, user: &str) -> bool {
        user.starts_with("system:serviceaccount:")
            || self.content.provisioners.iter().any(|name| glob(name, user))
    }

    /// Returns the exemptions.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.content.exemptions
    }

    /// Returns the response for an object that cannot be read.
    pub const fn on_unreadable(&self) -> OnUnreadable {
        self.content.on_unreadable
    }

    /// Returns true if an object's own annotation may exempt it.
    pub const fn annotation_exemptions(&self) -> bool {
        self.content.annotation_exemptions
    }

    /// Returns a short name of its content.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns true if volumes made by a provisioner are evaluated as any other.
    pub fn judges_provisioned(&self) -> bool {
        self.content.profile.set() == Set::Strict
    }

    /// Returns the rules that run, each with its settings, in the order of the codes.
    pub fn active_rules(&self) -> impl Iterator<Item = (&'static Rule, &[u32])> {
        self.active.iter().filter_map(|at| {
            let setting = self.content.rules.get(*at)?;
            Some((*RULES.get(*at)?, setting.numbers.as_slice()))
        })
    }

    /// Returns true if the rule runs at all.
    pub fn runs(&self, rule: &Rule) -> bool {
        index_of(rule.code).is_some_and(|at| self.active.contains(&at))
    }

    /// Returns the action for a finding of `rule` with `severity`.
    pub fn action(&self, rule: &Rule, severity: Severity) -> Action {
        if rule.preview && !self.content.preview {
            return Action::Off;
        }
        self.setting(rule)
            .and_then(|setting| setting.action)
            .unwrap_or_else(|| rule.default_action(severity, self.content.profile))
    }

    /// Returns the numbers that hold for `rule`, in the order of its settings.
    pub fn numbers(&self, rule: &Rule) -> &[u32] {
        self.setting(rule).map(|setting| setting.numbers.as_slice()).unwrap_or_default()
    }

    /// Returns the values that the policy sets for the settings of `rule`, in their order.
    pub fn own_numbers(&self, rule: &Rule) -> &[Option<u32>] {
        self.setting(rule).map(|setting| setting.own.as_slice()).unwrap_or_default()
    }

    /// Returns the action the policy sets for `rule` over its profile.
    pub fn own_action(&self, rule: &Rule) -> Option<Action> {
        self.setting(rule)?.action
    }

    fn setting(&self, rule: &Rule) -> Option<&RuleSetting> {
        self.content.rules.get(index_of(rule.code)?)
    }

    /// Returns the same policy, to be changed.
    pub fn to_builder(&self) -> Builder {
        Builder { content: self.content.clone() }
    }
}

fn index_of(code: Code) -> Option<usize> {
    RULES.binary_search_by_key(&code, |rule| rule.code).ok()
}

/// Makes a policy step by step.
#[derive(Debug)]
pub struct Builder {
    content: Content,
}

/// The reason why a number was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingError {
    /// The rule has no such setting.
    Unknown,
    /// The number is not in `min..=max`.
    OutOfRange {
        /// Smallest number taken.
        min: u32,
        /// Largest number taken.
        max: u32,
    },
}

impl Builder {
    /// Starts from a profile.
    pub fn new(profile: Profile) -> Self {
        let rules = RULES
            .iter()
            .map(|rule| RuleSetting {
                action: None,
                own: vec![None; rule.settings.len()],
                numbers: Vec::new(),
            })
            .collect();
        Self {
            content: Content {
                mode: Mode::default(),
                profile,
                preview: false,
                rules,
                drivers: Vec::new(),
                provisioners: Vec::new(),
                exemptions: Vec::new(),
                on_unreadable: OnUnreadable::default(),
                annotation_exemptions: false,
            },
        }
    }

    /// Sets another profile; what was set before stays.
    pub const fn profile(&mut self, profile: Profile) -> &mut Self {
        self.content.profile = profile;
        self
    }

    /// Sets whether preview rules run, too.
    pub const fn preview(&mut self, preview: bool) -> &mut Self {
        self.content.preview = preview;
        self
    }

    /// Sets the mode.
    pub const fn mode(&mut self, mode: Mode) -> &mut Self {
        self.content.mode = mode;
        self
    }

    /// Sets the action for a rule's findings, whatever the profile says.
    pub fn action(&mut self, rule: &Rule, action: Action) -> &mut Self {
        if let Some(setting) = self.setting(rule) {
            setting.action = Some(action);
        }
        self
    }

    /// Sets a number of a rule.
    ///
    /// # Errors
    ///
    /// When the rule has no such setting, or the number is out of its range.
    pub fn number(&mut self, rule: &Rule, name: &str, number: u32) -> Result<(), SettingError> {
        let position = rule.settings.iter().position(|setting| setting.name == name);
        let (index, meta) = position
            .and_then(|index| Some((index, rule.settings.get(index)?)))
            .ok_or(SettingError::Unknown)?;
        if !(meta.min..=meta.max).contains(&number) {
            return Err(SettingError::OutOfRange { min: meta.min, max: meta.max });
        }
        if let Some(place) = self.setting(rule).and_then(|setting| setting.own.get_mut(index)) {
            *place = Some(number);
        }
        Ok(())
    }

    /// Adds a word about a driver; earlier ones win.
    pub fn driver(&mut self, driver: DriverSetting) -> &mut Self {
        self.content.drivers.push(driver);
        self
    }

    /// Adds a user that makes volumes as provisioners do; `*` stands for any text.
    pub fn provisioner(&mut self, user: String) -> &mut Self {
        self.content.provisioners.push(user);
        self
    }

    /// Adds an exemption.
    pub fn exemption(&mut self, exemption: Exemption) -> &mut Self {
        self.content.exemptions.push(exemption);
        self
    }

    /// Sets the response for an object that cannot be read.
    pub const fn on_unreadable(&mut self, on_unreadable: OnUnreadable) -> &mut Self {
        self.content.on_unreadable = on_unreadable;
        self
    }

    /// Sets whether an object's own annotation may exempt it.
    pub const fn annotation_exemptions(&mut self, allowed: bool) -> &mut Self {
        self.content.annotation_exemptions = allowed;
        self
    }

    /// Returns the finished policy.
    pub fn build(mut self) -> Policy {
        let profile = self.content.profile;
        for (rule, setting) in RULES.iter().zip(&mut self.content.rules) {
            let numbers = rule.settings.iter().zip(&setting.own);
            setting.numbers = numbers
                .map(|(meta, own)| own.unwrap_or_else(|| rule.default_number(meta, profile)))
                .collect();
        }
        let mut hasher = fnv::FnvHasher::default(); // without a random key: replicas agree
        self.content.hash(&mut hasher);
        let settings = RULES.iter().zip(&self.content.rules).enumerate();
        let active = settings.filter(|(_, (rule, setting))| self.content.runs(rule, setting.action));
        let active = active.map(|(at, _)| at).collect();
        Policy { active, fingerprint: Fingerprint::of(hasher.finish()), content: self.content }
    }

    fn setting(&mut self, rule: &Rule) -> Option<&mut RuleSetting> {
        self.content.rules.get_mut(index_of(rule.code)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::BACKGROUND_MOUNT;

    #[test]
    fn a_rule_in_preview_runs_only_where_the_policy_asks_for_it() {
        let rule = Rule { preview: true, ..*BACKGROUND_MOUNT };
        assert!(
            !Policy::default().content.runs(&rule, Some(Action::Warn)),
            "not even with an action of its own"
        );
        let mut builder = Builder::new(Profile::default());
        builder.preview(true);
        let policy = builder.build();
        assert_eq!(policy.action(&rule, Severity::Proper), Action::Deny);
        assert_ne!(policy.fingerprint(), Policy::default().fingerprint());
    }

    #[test]
    fn the_rules_that_run_are_those_that_the_policy_does_not_turn_off() {
        let mut builder = Builder::new(Profile::default());
        builder.action(BACKGROUND_MOUNT, Action::Off);
        let policy = builder.build();
        let runs = |rule: &&&Rule| policy.content.runs(rule, policy.own_action(rule));
        let wanted: Vec<Code> = RULES.iter().filter(runs).map(|rule| rule.code).collect();
        assert_eq!(policy.active_rules().map(|(rule, _)| rule.code).collect::<Vec<_>>(), wanted);
        assert_eq!(wanted.len() + 1, Policy::default().active_rules().count());
    }
}
