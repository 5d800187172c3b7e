//! The rules. One file a rule: what it looks for, why that matters, what is
//! done about it by default, what can be set, how it is found and fixed.

mod edits;

use std::borrow::Cow;

use crate::finding::{Action, Applicability, Code, Edit, Finding, Fix, Sentence, Severity};
use crate::kind::Holds;
use crate::nfs::acceptance::names_version;
use crate::nfs::catalog::{Entry, OptionSet};
use crate::nfs::option::MountOption;
use crate::nfs::quotation::{about, quoted, shortened};
use crate::profile::Fixed;
pub use crate::profile::{Actions, Profile, Set, UnknownProfile, VERSIONS, Version};
use crate::site::{Place, Site};
use crate::subject::Subject;
use crate::subject::effective::Token;
use crate::subject::filling::{Filling, Obstacle};
use edits::{offer, offer_instead, remove, replace};

/// A number that a policy may set for a rule.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name in a policy file.
    pub name: &'static str,
    /// The value if the policy sets none.
    pub default: u32,
    /// Smallest number a policy may give.
    pub min: u32,
    /// Largest number a policy may give.
    pub max: u32,
    /// The meaning, with its unit.
    pub meaning: &'static str,
}

/// A manifest that a rule finds fault with, and the same one put right.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The rule finds something here.
    pub bad: &'static str,
    /// The rule finds nothing here.
    pub good: &'static str,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its code, which never changes.
    pub code: Code,
    /// Its name, fixed as well.
    pub name: &'static str,
    /// The fault as a heading, for pages and the alerts of code scanning: `NFS over UDP`.
    pub title: &'static str,
    /// One line: what it finds.
    pub summary: &'static str,
    /// The reason why that matters, in a few sentences of Markdown.
    pub why: &'static str,
    /// The remedy, in a sentence or two of Markdown.
    pub remedy: &'static str,
    /// The actions for its proper findings.
    pub actions: Actions,
    /// The actions for its milder findings, and a description of these; `None` if there are none.
    pub lesser: Option<(Actions, &'static str)>,
    /// The commands that may carry out its fixes; `None` if it never has one.
    pub fix: Option<Applicability>,
    /// The settings that a policy may change.
    pub settings: &'static [Setting],
    /// Examples, checked by a test.
    pub example: Example,
    /// The sources of the reasons.
    pub references: &'static [&'static str],
    /// The version of the profiles in which it appeared.
    pub since: u32,
    /// True if it is still tried out: off unless the policy requests such rules.
    pub preview: bool,
    /// The subject of its findings.
    pub about: About,
    /// True if it is evaluated, denied and repaired also if the object does not show that its volume
    /// is NFS, and on a class of snapshots, too: its danger is the same there.
    pub where_uncertain: bool,
    /// Looks at a subject.
    pub(crate) check: fn(&mut RuleContext<'_, '_>),
}

impl Rule {
    /// Returns the default action for a finding of `severity` in `profile`.
    pub fn default_action(&self, severity: Severity, profile: Profile) -> Action {
        let (actions, lesser) = match profile.fixed(self.code) {
            Fixed::Open => (self.actions, self.lesser.map(|(lesser, _)| lesser)),
            Fixed::Row(row) => (row.actions, row.lesser),
            Fixed::Without => return Action::Off,
        };
        match (severity, lesser) {
            (Severity::Lesser, Some(lesser)) => lesser.of(profile.set()),
            _ => actions.of(profile.set()),
        }
    }

    /// Returns the number that holds for a setting in `profile` where the policy is silent.
    pub fn default_number(&self, setting: &Setting, profile: Profile) -> u32 {
        let Fixed::Row(row) = profile.fixed(self.code) else { return setting.default };
        let fixed = row.settings.iter().find(|(name, _)| *name == setting.name);
        fixed.map_or(setting.default, |(_, number)| *number)
    }

    /// Returns the release of this program in which it appeared.
    pub fn release(&self) -> &'static str {
        Version::find(self.since).map_or("", |version| version.release)
    }

    /// Runs the rule. `settings` holds one number for each of
    /// [`Rule::settings`], in that order.
    pub fn check(&self, subject: &Subject<'_>, settings: &[u32], findings: &mut Vec<Finding>) {
        (self.check)(&mut RuleContext { rule: self, subject, settings, findings });
    }
}

/// One run of one rule over one subject.
pub(crate) struct RuleContext<'c, 'm> {
    rule: &'c Rule,
    /// The subject that is evaluated.
    pub(crate) subject: &'c Subject<'m>,
    settings: &'c [u32],
    findings: &'c mut Vec<Finding>,
}

impl<'c, 'm> RuleContext<'c, 'm> {
    /// Returns the number that holds for the setting `name`.
    fn setting(&self, name: &str) -> u32 {
        let mut settings = self.rule.settings.iter().zip(self.settings);
        // A rule names only settings of its own, so that 0 is never returned.
        settings.find(|(setting, _)| setting.name == name).map_or(0, |(_, value)| *value)
    }

    /// Returns the user's options that reach the mount and are for NFS to read, in the order as written.
    fn options(&self) -> impl Iterator<Item = &'c Token<'m>> + Clone + use<'c, 'm> {
        let subject = self.subject;
        subject.options.tokens().iter().filter(|token| token.is_written())
    }

    /// Returns true if one of [`Self::options`] is of one of these words.
    const fn speaks_of(&self, words: OptionSet) -> bool {
        self.subject.options.words().meets(words)
    }

    /// Returns [`Self::options`] without those that NMG001 speaks of.
    fn other_options(&self) -> impl Iterator<Item = &'c Token<'m>> + Clone + use<'c, 'm> {
        let fold = self.subject.may_fold();
        self.options().filter(move |token| !token.is_background(fold))
    }

    /// Returns the element in which `token` stands.
    fn element(&self, token: &Token<'_>) -> Option<&'c str> {
        self.element_at(token.site.as_ref()?)
    }

    /// Returns the element of a site.
    fn element_at(&self, site: &Site) -> Option<&'c str> {
        self.subject.carriers.get(site.carrier)?.elements.get(site.element).copied()
    }

    /// Returns the element in which `token` stands, for a message: the option alone,
    /// or the option and the whole element where that holds more.
    fn quote(&self, token: &Token<'_>) -> String {
        quoted(token.option.text(), self.element(token))
    }

    /// Returns a sentence that begins with [`Self::quote`].
    fn about(&self, token: &Token<'_>, what: &str) -> String {
        about(token.option.text(), self.element(token), what)
    }

    /// Reports an option.
    fn report(
        &mut self,
        token: &Token<'_>,
        severity: Severity,
        message: impl Into<Sentence>,
        fix: Option<Fix>,
    ) {
        // An option that the driver adds is no fault of the object.
        let Some(site) = token.site.clone() else {
            return;
        };
        self.findings.push(Finding {
            code: self.rule.code,
            severity,
            carrier: site.carrier,
            place: None,
            keyword: token.option.keyword().trim().to_owned().into(),
            site: Some(site),
            message: message.into(),
            fix,
        });
    }

    /// Reports that an option with `keyword` is missing, and offers to add
    /// `option` where there is a place for it.
    fn report_missing(
        &mut self,
        keyword: &'static str,
        option: Option<Cow<'static, str>>,
        message: &'static str,
    ) {
        let word = MountOption::new(keyword);
        let is_it = |option: &MountOption<'_>| {
            option.keyword() == keyword
                || option.entry().is_some_and(|entry| {
                    let group = entry.group();
                    names_version(entry) && word.entry().is_some_and(names_version)
                        || group.is_some() && group == word.entry().and_then(Entry::group)
                })
        };
        // A list that is refused for how it is written has what it visibly holds.
        if self.subject.options.has_unrendered() || self.subject.options.means(is_it) {
            return;
        }
        let carriers = &self.subject.carriers;
        let (in_force, place) = self.whole_list();
        let (carrier, applicability, message) = match self.subject.filling() {
            Filling::At(carrier) => (Some(carrier), Applicability::Apply, Sentence::from(message)),
            Filling::Nowhere(obstacle) => {
                // The option is there, and only not in force: a second one would not help.
                if obstacle.carrier().is_some_and(|carrier| self.is_in(carrier, keyword)) {
                    return;
                }
                if matches!(obstacle, Obstacle::Inline { carrier: None, key: None }) {
                    // Of a driver whose source was not read, any attribute may be read.
                    let is_there = (0..carriers.len()).any(|carrier| self.is_in(carrier, keyword));
                    if is_there || self.subject.driver.known.is_read() {
                        return;
                    }
                }
                let message = Sentence::with_remedy(message, obstacle.remedy(carriers));
                (obstacle.carrier(), Applicability::Unsafe, message)
            }
        };
        // A Pod that differs from its template is never done rolling out, and a snapshot's mount ends soon.
        // An option that is there already, and loses, is dropped where it is written again.
        let is_inline = self.subject.volume.is_some() || self.subject.kind.row().holds == Holds::Snapshots;
        let is_dropped = |option: &Cow<'static, str>| {
            self.subject.driver.keeps_first_of_equal()
                && self.options().any(|token| token.option.text() == *option)
        };
        let fix = carrier
            .zip(option.filter(|option| !is_inline && !is_dropped(option)))
            .map(|(carrier, option)| Fix { applicability, edits: vec![Edit::Append { carrier, option }] });
        self.findings.push(Finding {
            code: self.rule.code,
            severity: Severity::Proper,
            carrier: carrier.unwrap_or(in_force),
            place,
            site: None,
            keyword: keyword.into(),
            message,
            fix,
        });
    }

    /// Returns the carrier of the list that reaches the mount, and the place of a finding about all of
    /// it where that is not the carrier's.
    fn whole_list(&self) -> (usize, Option<Place>) {
        let in_force = self.subject.carriers.iter().position(|carrier| carrier.in_force);
        // The kubelet rejects a list on a FlexVolume.
        let is_script = self.subject.is_flex_volume() && in_force.is_none();
        let is_of_snapshots = self.subject.mounts_for_snapshots() && in_force.is_none();
        let place = is_of_snapshots.then(|| self.subject.place_of_key("mountOptions"));
        (in_force.unwrap_or_default(), place.or_else(|| is_script.then(Place::flex_options)))
    }

    /// Returns true if an option with this keyword, or one that does the same, stands in a carrier,
    /// in force or not.
    fn is_in(&self, carrier: usize, keyword: &str) -> bool {
        let wanted = MountOption::new(keyword).entry().and_then(Entry::group);
        let is_version = MountOption::new(keyword).entry().is_some_and(names_version);
        let names_it = |token: &Token<'_>| {
            token.option.keyword() == keyword
                || is_version && token.entry().is_some_and(names_version)
                || wanted.is_some() && token.entry().and_then(Entry::group) == wanted
        };
        let is_there = |token: &&Token<'_>| token.site.as_ref().is_some_and(|site| site.carrier == carrier);
        self.subject.options.tokens().iter().filter(is_there).any(names_it)
    }

    /// Reports something about a whole carrier.
    fn report_carrier(&mut self, carrier: usize, severity: Severity, message: impl Into<Sentence>) {
        self.findings.push(Finding {
            code: self.rule.code,
            severity,
            carrier,
            place: None,
            site: None,
            keyword: "".into(),
            message: message.into(),
            fix: None,
        });
    }
}

macro_rules! rules {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*
        /// Every rule, in the order of the codes.
        pub static RULES: &[&Rule] = &[$(&$module::RULE),*];
    };
}

rules! {
    background_mount,
    foreground_not_explicit,
    timeo_not_set,
    retrans_not_set,
    soft_mount,
    soft_mount_gives_up_early,
    timeout_value,
    ambiguous_options,
    malformed_element,
    legacy_annotation,
    unknown_option,
    refused_value,
    udp_transport,
    sloppy,
    no_effect,
    local_locks,
    version_not_pinned,
    cost_or_staleness,
    redirected_mount,
    unread_options,
    options_lost_on_delete,
    locks_need_statd,
    server_needs_cluster_dns,
    duplicate_volume_handle,
    shared_superblock,
}

use refused_value::is_refused_alone;
pub use refused_value::is_refused_by_driver;
pub use unknown_option::is_of_another_program;
pub use unread_options::UNASKED;

/// The rule that is evaluated even if the object does not show whether it is NFS, and
/// the one that the API server can evaluate by itself.
pub static BACKGROUND_MOUNT: &Rule = &background_mount::RULE;

/// The rule that finds options which mount something else than the object says.
pub static REDIRECTED_MOUNT: &Rule = &redirected_mount::RULE;

/// The rule that also speaks of a class and a volume together.
pub static UNREAD_OPTIONS: &Rule = &unread_options::RULE;

/// The rule that speaks of two volumes with one handle.
pub static DUPLICATE_VOLUME_HANDLE: &Rule = &duplicate_volume_handle::RULE;

/// The rule that speaks of mounts that share what the first one decides.
pub static SHARED_SUPERBLOCK: &Rule = &shared_superblock::RULE;

/// The rule under which options are refused that are too many to look at.
pub static MALFORMED_ELEMENT: &Rule = &malformed_element::RULE;

/// The rule of values that the kernel refuses.
pub static REFUSED_VALUE: &Rule = &refused_value::RULE;

/// The rule of what nothing knows, which a disguised `bg` is, too.
pub static UNKNOWN_OPTION: &Rule = &unknown_option::RULE;

/// The subject of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Options that are there.
    Presence,
    /// An option that is missing: nothing is demanded of a list that takes something
    /// away as soon as it holds one.
    Absence,
    /// Two objects: it takes both, so no webhook evaluates it.
    Together,
}

/// Rules are one where their codes are.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

/// Finds a rule by its code or its name, whatever the case.
pub fn find(text: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .copied()
        .find(|rule| rule.name.eq_ignore_ascii_case(text) || rule.code.to_string().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_unique() {
        let codes: Vec<_> = RULES.iter().map(|rule| rule.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
    }
}
