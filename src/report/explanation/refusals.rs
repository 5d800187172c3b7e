//! Lists that no mount, or no mount of some kernels, succeeds with.

use time::Date;

use super::{KernelRefusal, background};
use crate::engine::{Judged, evaluate};
use crate::finding::{Finding, Severity};
use crate::nfs::acceptance::{self, Overlooked, Refusal};
use crate::nfs::kernel::Kernel;
use crate::nfs::option::MountOption;
use crate::nfs::version::Versions;
use crate::policy::Policy;
use crate::rules::{BACKGROUND_MOUNT, UNREAD_OPTIONS, is_refused_by_driver};
use crate::subject::Subject;
use crate::subject::effective::{Malformation, Token};

/// Returns the first finding that says that no mount succeeds, and who sees to that. UDP is one:
/// kernels since 5.6 refuse it unless they are built otherwise.
pub(super) fn at_every_try(subject: &Subject<'_>) -> Option<(String, &'static str)> {
    let evaluation = evaluate(&Policy::default(), subject, Date::MIN);
    let token_of = |finding: &Finding| finding.site.as_ref().and_then(|site| subject.options.at(site));
    let is_of_some_kernels = |judged: &&Judged| judged.rule.name == "udp-transport";
    let is_certain = |judged: &&Judged| {
        judged.finding.severity == Severity::CannotMount
            || is_refused_key(judged)
            || judged.finding.severity != Severity::Lesser
                && token_of(&judged.finding).is_some_and(|token| is_refused_by_all(subject, token))
            || judged.rule == BACKGROUND_MOUNT
                && token_of(&judged.finding).is_some_and(|token| is_refused_background(subject, token))
            || judged.rule != BACKGROUND_MOUNT
                && token_of(&judged.finding).is_some_and(|token| is_refused_for_its_quote(subject, token))
    };
    // Every kernel refuses the others, and older ones take UDP.
    let findings = || evaluation.findings.iter();
    let Some(judged) = findings().find(is_certain).or_else(|| findings().find(is_of_some_kernels)) else {
        return marked_background(subject).map(|message| (message, "mount"));
    };
    let finding = &judged.finding;
    let token = token_of(finding);
    let carrier = subject.carriers.get(finding.carrier).filter(|_| finding.site.is_none());
    let is_setting = carrier
        .and_then(|carrier| carrier.refused)
        .is_some_and(crate::subject::driver::refusal::Refused::is_by_driver);
    let by = if is_setting
        || is_refused_key(judged)
        || token.is_some_and(|token| is_refused_by_driver(subject, token))
        || is_empty_element(subject, finding)
    {
        "driver"
    } else if token.is_some_and(|token| token.malformation == Some(Malformation::NoKeyword)) {
        "mount(8)"
    } else if subject.is_flex_volume() && finding.site.is_none() {
        "kubelet"
    } else if finding.severity != Severity::CannotMount
        && token.is_some_and(|token| token.acceptance.refusal.is_none())
    {
        "kernels"
    } else {
        "mount"
    };
    let is_of_v3 = judged.rule == BACKGROUND_MOUNT && subject.options.settings().versions == Versions::V3;
    let of_v3 = token.filter(|token| is_of_v3 && is_refused_background(subject, token));
    let message = match of_v3 {
        // The finding speaks of a server that is away.
        Some(token) => format!("invalid {:?}: the option takes no value", token.option.text()),
        None => finding.message.to_string(),
    };
    Some((message, by))
}

/// Returns the case in which `bg` makes mount report success, although no mount succeeds where the
/// server answers.
pub(super) fn behind_server(subject: &Subject<'_>, refused_by: Option<&str>) -> Option<Behind> {
    let versions = acceptance::requested_versions(subject.options.effective_options());
    let is_open = matches!(refused_by, Some("mount" | "kernels")) && subject.may_go_to_background();
    match versions {
        _ if !is_open || versions.and(Versions::V3).is_empty() => None,
        Versions::V3 => Some(Behind::Refused),
        _ => Some(Behind::Silent),
    }
}

/// The case in which the refusal of an option is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// The server refuses connections, or packets are dropped: of `NFSv3`, mount.nfs calls the server
    /// before it calls the kernel, which refuses the option (measured: `vers=3,bg,timeo=abc` exit 0).
    Refused,
    /// Packets are dropped: without a version the kernel refuses `NFSv4` at once, and mount.nfs looks
    /// for an `NFSv3` server then (measured: `bg,timeo=abc` exit 32 if connections are refused, exit 0
    /// since nfs-utils 2.8 if packets are dropped).
    Silent,
}

/// Returns true if a finding is about an empty element, which only a driver refuses.
fn is_empty_element(subject: &Subject<'_>, finding: &Finding) -> bool {
    let element = finding.site.as_ref().and_then(|site| {
        subject.carriers.get(site.carrier).and_then(|carrier| carrier.elements.get(site.element))
    });
    element.is_some_and(|element| element.is_empty()) && subject.driver.refuses_empty_elements()
}

/// Returns true if the driver refuses the object for a key, and so never makes anything of it.
fn is_refused_key(judged: &Judged) -> bool {
    judged.rule == UNREAD_OPTIONS && judged.finding.severity == Severity::Proper
}

/// Returns true if the kernel refuses a `bg` for its value wherever the server answers (measured:
/// `bg=1` and `bg=1,vers=3` exit 32).
fn is_refused_background(subject: &Subject<'_>, token: &Token<'_>) -> bool {
    token.in_force
        && subject.driver.known.is_read()
        && !token.is_beside_sloppy
        // It may become an empty value, which the kernel takes.
        && !token.is_unrendered
        && token.option.keyword() == "bg"
        && token.option.value().is_some_and(|value| !value.is_empty())
}

/// Returns true if neither mount.nfs nor any kernel takes an option as it is written, although a driver
/// that may fold or trim can pass on another one.
fn is_refused_by_all(subject: &Subject<'_>, token: &Token<'_>) -> bool {
    let is_overlooked =
        |refusal: Refusal| token.is_beside_sloppy && refusal.overlooked() != Overlooked::Never;
    let is_passed_on = || subject.options.effective().any(|passed| std::ptr::eq(passed, token));
    token.in_force
        && !token.is_unrendered
        && !token.is_drivers_own
        && is_passed_on()
        && subject.driver.known.is_read()
        && !background::is_marked(token)
        && token.acceptance.refusal.is_some_and(|refusal| !is_overlooked(refusal))
}

/// Returns true if an option is refused because a quote is part of it: the kernel cuts the text between
/// two quotes at its commas, too, and finds a quote in one piece at least.
fn is_refused_for_its_quote(subject: &Subject<'_>, token: &Token<'_>) -> bool {
    let is_refused = |piece: &str| {
        let refusal = acceptance::judge(&MountOption::new(piece)).refusal;
        refusal.is_some_and(|refusal| !token.is_beside_sloppy || refusal.overlooked() == Overlooked::Never)
    };
    let is_mounts_own = token.entry().is_some_and(|entry| entry.consumers.is_mount_only());
    token.malformation == Some(Malformation::Quote)
        && token.in_force
        && !is_mounts_own
        && subject.driver.known.is_read()
        && token.option.text().split(',').any(is_refused)
}

/// Returns the fault of a `bg` in quotes or next to a backslash, which no layer that was measured takes
/// for `bg`: as it is written, they do not know it.
fn marked_background(subject: &Subject<'_>) -> Option<String> {
    let is_refused = |token: &&Token<'_>| {
        let refusal = acceptance::judge(&token.option).refusal;
        background::is_marked(token)
            && refusal.is_some_and(|it| !token.is_beside_sloppy || it.overlooked() == Overlooked::Never)
    };
    let is_known = subject.driver.known.is_read() && !subject.may_go_to_background();
    let token = subject.options.effective().find(is_refused).filter(|_| is_known)?;
    Some(format!("unknown option {:?}", token.option.text()))
}

/// Returns options that some kernels reject, and with them every mount.
pub(super) fn by_kernels(subject: &Subject<'_>) -> Vec<KernelRefusal> {
    let refusal = |token: &Token<'_>| {
        let kernels = token.acceptance.kernels;
        let (since, until) = match token.acceptance.refusal {
            // Those kernels overlook it.
            None if token.is_beside_sloppy => return None,
            None if kernels.since > Kernel::OLDEST && kernels.until.is_none() => (kernels.since, None),
            Some(refusal) if token.is_beside_sloppy && refusal.overlooked() == Overlooked::Sometimes => {
                (acceptance::OVERLOOKS_VALUES.0, Some(acceptance::OVERLOOKS_VALUES.1.to_string()))
            }
            _ => return None,
        };
        Some(KernelRefusal { option: token.option.text().to_owned(), since: since.to_string(), until })
    };
    subject.options.effective().filter_map(refusal).collect()
}
