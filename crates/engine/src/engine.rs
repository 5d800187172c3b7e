//! The engine: from a subject and a policy to findings, from findings to a
//! decision and a patch. Pure: no I/O, no clock, no log.

pub mod decide;
mod filled;
pub mod fix;
pub mod judge;

use time::Date;

use crate::count::{Grouped, grouped};
use crate::finding::{Action, Applicability, Code, Edit, Finding, Fix, Severity};
use crate::kind::{Reach, Refuses};
use crate::nfs::option::{self, MountOption};
use crate::nfs::quotation::quoted;
use crate::policy::Policy;
use crate::policy::exemption::annotation_names;
use crate::rules::{
    About, BACKGROUND_MOUNT, MALFORMED_ELEMENT, REFUSED_VALUE, RULES, Rule, UNKNOWN_OPTION, UNREAD_OPTIONS,
};
use crate::site::Site;
use crate::subject::carrier::Carrier;
use crate::subject::driver::Nfs;
use crate::subject::{LONGEST_OPTIONS, Subject};

/// A finding and what the policy does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// The finding.
    pub finding: Finding,
    /// The action for it.
    pub action: Action,
    /// The action that the policy requests, before caps by who can act on a denial: what is to be
    /// denied is repaired by the webhook, also on a provisioner's volume.
    pub demanded: Action,
}

/// The reason why a finding is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt {
    /// By the policy's exemption of this index.
    ByPolicy(usize),
    /// By the object's own annotation.
    ByAnnotation,
}

/// All that is to be said of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evaluation {
    /// The findings, in the order of the object, then of the codes.
    pub findings: Vec<Judged>,
    /// The findings that an exemption covers.
    pub exempted: Vec<(Finding, Exempt)>,
}

impl Evaluation {
    /// Returns the findings for which `action` holds.
    pub fn with(&self, action: Action) -> impl Iterator<Item = &Judged> {
        self.findings.iter().filter(move |judged| judged.action == action)
    }
}

/// Evaluates `subject` by `policy` as of `today`.
pub fn evaluate(policy: &Policy, subject: &Subject<'_>, today: Date) -> Evaluation {
    let mut evaluation = evaluate_as_written(policy, subject, today);
    filled::withhold(policy, subject, today, &mut evaluation);
    evaluation
}

/// Evaluates as [`evaluate`] does, with every missing option to be filled in.
fn evaluate_as_written(policy: &Policy, subject: &Subject<'_>, today: Date) -> Evaluation {
    if subject.nfs == Nfs::No {
        return Evaluation::default();
    }
    // Before any rule: their cost grows with the list, and a hostile one may be megabytes long.
    if let Some(carrier) = subject.overlong {
        let finding = |action| overlong(subject, carrier, action);
        return overlong_action(subject).map(finding).unwrap_or_default();
    }
    let mut found = Vec::new();
    let mut evaluation = Evaluation::default();
    let may_be_silent = subject.kind.row().may_be_silent && !subject.mounts_for_snapshots();
    let is_silent = subject.mounts_nothing() || may_be_silent && !subject.options.any_given();
    // Text that Kubernetes does not read is lost whatever the volume is.
    let has_stray = !subject.misplaced.is_empty()
        || subject.unread_annotation.is_some()
        || !subject.driver.known.is_read() && !subject.unread_keys().is_empty();
    let speaks_of_nfs = !is_silent && (subject.nfs == Nfs::Yes || subject.has_nfs_only_option());
    for (rule, numbers) in policy.active_rules() {
        let speaks_of_silence = (is_silent || has_stray) && rule == UNREAD_OPTIONS;
        if !speaks_of_nfs && !rule.where_uncertain && !speaks_of_silence {
            continue;
        }
        rule.check(subject, numbers, &mut found);
        for finding in found.drain(..) {
            // An exempt finding is kept: the log and the metrics count it.
            if let Some(exempt) = exempt(policy, subject, &finding, today) {
                evaluation.exempted.push((finding, exempt));
            } else {
                evaluation.findings.extend(judged(policy, subject, rule, finding));
            }
        }
    }
    drop_repeated(subject, &mut evaluation.findings);
    fix::winners::demote(subject, &mut evaluation.findings);
    evaluation.findings.sort_by_key(order);
    evaluation
}

/// Drops what another finding, no milder, says already: one fault, one finding. A missing option is
/// there and misspelled, or an unknown one is a disguised `bg`.
fn drop_repeated(subject: &Subject<'_>, findings: &mut Vec<Judged>) {
    let may_be_repeated =
        |judged: &Judged| judged.rule.about == About::Absence || judged.rule == UNKNOWN_OPTION;
    if !findings.iter().any(may_be_repeated) {
        return;
    }
    let missing: Vec<&str> = findings
        .iter()
        .filter(|judged| judged.rule.about == About::Absence)
        .map(|judged| &*judged.finding.keyword)
        .collect();
    let mut respelt: Vec<(String, Action)> = Vec::new();
    let mut background: Vec<(Site, Action)> = Vec::new();
    let mut valued_flags: Vec<(String, Site, Action)> = Vec::new();
    for Judged { rule, finding, action, .. } in findings.iter() {
        if *rule == BACKGROUND_MOUNT {
            background.extend(finding.site.clone().map(|site| (site, *action)));
            // Its fg may stand within a quote, and is none then.
            continue;
        }
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            let Edit::Replace { with, site } = edit else { continue };
            // `fg=1` is refused, and is no fg: that is two faults.
            if *rule == REFUSED_VALUE && *finding.keyword == **with {
                valued_flags.push(((*with).to_string(), site.clone(), *action));
                continue;
            }
            for keyword in missing.iter().filter(|keyword| with.contains(**keyword)) {
                let is_it = |piece: option::Piece<'_>| MountOption::new(piece.text).keyword() == *keyword;
                if option::split(with).any(is_it) {
                    respelt.push(((*keyword).to_owned(), *action));
                }
            }
        }
    }
    for Judged { finding, action, .. } in
        findings.iter_mut().filter(|judged| judged.rule.about == About::Absence)
    {
        let Some((flag, site, its)) = valued_flags.iter().find(|(flag, ..)| *flag == finding.keyword) else {
            continue;
        };
        let element =
            subject.carriers.get(site.carrier).and_then(|carrier| carrier.elements.get(site.element));
        let written = element.and_then(|element| element.get(site.range.clone())).unwrap_or_default();
        // The node's nfsmount.conf does not apply: mount.nfs reads the name alone.
        finding.message =
            format!("{} is not {flag}: the option takes no value", quoted(written, element.copied())).into();
        // The repair of the value writes the word.
        if its >= action {
            finding.fix = None;
        }
    }
    findings.retain(|judged| {
        let Judged { rule, finding, action, .. } = judged;
        if rule.about == About::Absence {
            return !respelt.iter().any(|(keyword, its)| *keyword == finding.keyword && its >= action);
        }
        *rule != UNKNOWN_OPTION
            || !background.iter().any(|(site, its)| Some(site) == finding.site.as_ref() && its >= action)
    });
}

/// Evaluates a finding that no rule makes by itself, because it takes two objects;
/// `None` where nothing is to be said of it.
pub fn judge_one(
    policy: &Policy,
    subject: &Subject<'_>,
    rule: &'static Rule,
    finding: Finding,
    today: Date,
) -> Option<Judged> {
    let speaks_of_nfs =
        subject.nfs == Nfs::Yes || subject.nfs == Nfs::Depends && subject.has_nfs_only_option();
    let is_exempt = exempt(policy, subject, &finding, today).is_some();
    judged(policy, subject, rule, finding).filter(|_| speaks_of_nfs && !is_exempt)
}

/// Returns the finding with the policy's action for it; `None` if the rule is off for it.
fn judged(
    policy: &Policy,
    subject: &Subject<'_>,
    rule: &'static Rule,
    mut finding: Finding,
) -> Option<Judged> {
    let demanded = policy.action(rule, finding.severity);
    let action = demanded.min(cap(policy, subject, rule, finding.severity));
    if subject.nfs == Nfs::Depends && !rule.where_uncertain {
        // The key is read for NFS alone: nothing else can get what is written there.
        let unsafe_fix = |fix: Fix| Fix { applicability: Applicability::Unsafe, ..fix };
        finding.fix = finding.fix.filter(|_| is_of_nfs(subject, finding.carrier)).map(unsafe_fix);
    }
    (action > Action::Off).then_some(Judged { rule, finding, action, demanded })
}

/// Returns true for a parameter or an attribute that the driver reads and names after NFS: its other volumes
/// do without it.
fn is_of_nfs(subject: &Subject<'_>, carrier: usize) -> bool {
    let carrier = subject.carriers.get(carrier).filter(|carrier| carrier.in_force);
    let key = carrier.and_then(|carrier| carrier.place.key());
    subject.driver.known.is_read() && key.is_some_and(|key| key.to_ascii_lowercase().contains("nfs"))
}

/// Returns the action for options that are too long to be evaluated: they are denied whatever the policy says,
/// because anything may stand among them. Where it is not known that they are those of NFS only a background
/// mount is denied: without a text of which any layer could make one they are warned about where they
/// have an option that only NFS has, and `None` where they have none.
fn overlong_action(subject: &Subject<'_>) -> Option<Action> {
    let elements = || subject.carriers.iter().flat_map(|carrier| carrier.elements.iter().copied());
    let makes_words = subject.driver.edited_as_text || subject.driver.rewrites_options();
    if subject.nfs == Nfs::Yes || makes_words || elements().any(option::may_hide_background) {
        return Some(Action::Deny);
    }
    elements().any(option::has_nfs_option).then_some(Action::Warn)
}

/// Returns the finding for options that are too long to be evaluated.
fn overlong(subject: &Subject<'_>, carrier: usize, action: Action) -> Evaluation {
    let in_force = subject.carriers.get(carrier).is_some_and(|carrier| carrier.in_force);
    let together = subject.carriers.iter().filter(|carrier| carrier.in_force == in_force);
    let bytes: usize = together.clone().map(Carrier::length).sum();
    let accepted = size(LONGEST_OPTIONS);
    let message = if bytes > LONGEST_OPTIONS {
        format!("options are {} bytes long: mount accepts {accepted}, so they are not evaluated", size(bytes))
    } else {
        let options = size(together.map(Carrier::count).sum());
        format!("{options} options exceed the {accepted} bytes that mount accepts, so they are not evaluated")
    };
    let finding = Finding {
        code: MALFORMED_ELEMENT.code,
        severity: Severity::CannotMount,
        carrier,
        place: None,
        site: None,
        keyword: "".into(),
        message: message.into(),
        fix: None,
    };
    Evaluation {
        findings: vec![Judged { rule: MALFORMED_ELEMENT, finding, action, demanded: action }],
        ..Evaluation::default()
    }
}

/// Returns a size as a sentence shows it.
fn size(bytes: usize) -> Grouped {
    grouped(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// Sorts findings in the order of the object; missing options come last.
fn order(judged: &Judged) -> (usize, bool, (usize, usize, usize), Code) {
    let finding = &judged.finding;
    let site = finding.site.as_ref();
    (finding.carrier, site.is_none(), site.map_or((0, 0, 0), Site::order), finding.code)
}

/// Returns the gravest action that makes sense, by who can act on a denial.
///
/// A denial reaches a person only on a class or a volume made by hand; a
/// provisioner retries indefinitely. There, only a background mount, what is
/// grave and what no kernel mounts are refused. If the object does not show whether it
/// is NFS, and on a class of snapshots, only a background mount and options that
/// the layers read differently are.
fn cap(policy: &Policy, subject: &Subject<'_>, rule: &Rule, severity: Severity) -> Action {
    let is_background = rule.where_uncertain;
    let is_bounded = subject.nfs == Nfs::Depends || subject.kind.row().refuses == Refuses::Background;
    if is_bounded && !is_background && severity != Severity::Hidden || takes_something_away(subject, rule) {
        return Action::Warn;
    }
    // A denial reaches no user here: the provisioner would try again for as long as the claim
    // exists.
    let is_provisioned = subject.provisioned_by.is_some() && !policy.judges_provisioned();
    if is_provisioned && !is_background && severity < Severity::Grave {
        return Action::Warn;
    }
    Action::Deny
}

/// Returns true if the finding misses an option of a list that takes something away as soon as it
/// holds one: nothing is demanded of it. Defaults of the driver that are known are written out with
/// the missing word, others leave it as it is.
fn takes_something_away(subject: &Subject<'_>, rule: &Rule) -> bool {
    rule.about == About::Absence && subject.gives_way_to_a_list()
}

/// Returns the findings at `deny` that are exempt in the template `subject` and not in its Pods: no exemption
/// of the policy covers these, and they have no annotation but that of the template.
pub fn exempt_without_pods(
    policy: &Policy,
    subject: &Subject<'_>,
    evaluation: &Evaluation,
    today: Date,
) -> Vec<(&'static Rule, Exempt)> {
    let mut found: Vec<(&'static Rule, Exempt)> = Vec::new();
    if subject.kind.row().reach != Reach::Warns || evaluation.exempted.is_empty() {
        return found;
    }
    // A controller names its Pods after itself.
    let name = format!("{}-0", subject.name);
    let pod = subject.in_pod(&name);
    for (finding, by) in &evaluation.exempted {
        let rule = RULES.iter().find(|rule| rule.code == finding.code);
        let denied = rule.filter(|rule| policy.action(rule, finding.severity) == Action::Deny);
        let Some(rule) = denied.filter(|_| exempt(policy, &pod, finding, today).is_none()) else { continue };
        if !found.iter().any(|(other, _)| *other == *rule) {
            found.push((rule, *by));
        }
    }
    found
}

fn exempt(policy: &Policy, subject: &Subject<'_>, finding: &Finding, today: Date) -> Option<Exempt> {
    // The administrator's exemption comes first, because it has a reason for the log.
    let by_policy = policy.exemptions().iter().position(|exemption| {
        exemption.holds_on(today) && exemption.covers(subject, finding) && exemption.selects(subject)
    });
    if let Some(index) = by_policy {
        return Some(Exempt::ByPolicy(index));
    }
    let annotation = subject.exempt.filter(|_| policy.annotation_exemptions())?;
    annotation_names(annotation, finding.code).then_some(Exempt::ByAnnotation)
}
