//! Versions that mount.nfs or the driver refuses, and options of other versions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::unknown_option::OtherVersion;
use super::super::{RuleContext, offer, redirected_mount, remove};
use super::{applies, is_udp, refusal, refusals, severity, written_for_the_driver};
use crate::finding::{Edit, Fix, Sentence, Severity};
use crate::nfs::acceptance::{self, Refusal, names_version};
use crate::nfs::catalog::OptionId;
use crate::nfs::version::Versions;
use crate::subject::Subject;
use crate::subject::carrier::Form;
use crate::subject::driver::refusal::{Refused, What};
use crate::subject::effective::Token;

/// The remedy for an option of another version.
const REMEDY: &str = "drop it, or request a version that has it";

/// Reports a version that an attribute names and the driver appends as it is.
pub(super) fn check_version_carrier(check: &mut RuleContext<'_, '_>) {
    let carriers = &check.subject.carriers;
    let Some(carrier) = carriers.iter().position(|carrier| carrier.form == Form::Version) else {
        return;
    };
    let appended = check.subject.options.effective().find_map(|token| {
        let refusal = token.acceptance.refusal?;
        let is_version = token.site.is_none() && token.entry().is_some_and(names_version);
        is_version.then(|| format!("the driver appends the invalid {:?}: {refusal}", token.option.text()))
    });
    if let Some(message) = appended {
        check.report_carrier(carrier, Severity::CannotMount, message);
    } else if let Some(text) = further_options(check.subject, carrier) {
        let message = format!("the driver appends {text:?} as it is, and what follows the comma are options");
        let message = Sentence::with_remedy(message, "write only the version here");
        check.report_carrier(carrier, Severity::Proper, message);
    }
}

/// Returns the text that the driver appends, where it is more than a version.
fn further_options(subject: &Subject<'_>, carrier: usize) -> Option<String> {
    let version = subject.carriers.get(carrier)?.elements.first()?;
    let text = format!("vers={version}");
    // Of others the driver makes a version of its own.
    (version.contains(',') && subject.options.joined().contains(&text)).then_some(text)
}

/// Reports the version that the driver appends: of the list, of an attribute or of its own.
pub(super) fn check_appended_version(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    let Some(token) = subject.options.effective().rfind(|token| token.option.keyword() == "vers") else {
        return;
    };
    let refused = subject.driver.refuses.iter().find(|refused| match refused.what {
        What::VersionOtherThan(versions) => {
            let is_taken = token.option.value().is_some_and(|value| versions.contains(&value));
            !is_taken && applies(subject, refused)
        }
        _ => false,
    });
    let Some(refused) = refused else { return };
    if token.site.is_some() {
        check.report(token, severity(refused), refusal(&check.quote(token), refused), None);
        return;
    }
    let carrier = subject.carriers.iter().position(|carrier| carrier.form == Form::Version);
    let message = refusal(&format!("{:?}", token.option.text()), refused);
    check.report_carrier(carrier.unwrap_or_default(), severity(refused), message);
}

/// Returns the remedy for a version that does not exist: the versions that can be requested there, or
/// none where the driver requests one itself.
pub(super) fn instead(check: &RuleContext<'_, '_>, token: &Token<'_>) -> (String, Option<Fix>) {
    let subject = check.subject;
    let names_it = |other: &&Token<'_>| other.site.is_none() && other.entry().is_some_and(names_version);
    let own = subject.options.effective().find(names_it).map(|own| own.option.text());
    if let Some(own) = own.or_else(|| subject.driver.version_without(&token.option)) {
        let fix = remove(token).map(|edit| offer(vec![edit]));
        return (format!("remove it: the driver requests {own}"), fix);
    }
    let other = OtherVersion::of(subject, token, token.option.text());
    if let Some(remedy) = other.and_then(OtherVersion::in_place_of_none) {
        return (remedy, None);
    }
    let keyword = match token.option.keyword() {
        keyword @ ("vers" | "nfsvers") => keyword,
        _ => "nfsvers",
    };
    let is_refused = |version: &str| {
        let is_it = |refused: &Refused| match refused.what {
            What::VersionOtherThan(versions) => !versions.contains(&version),
            What::ValueOtherThan(keywords, versions) => {
                keywords.contains(&keyword) && !versions.contains(&version)
            }
            What::Value(keywords, versions) => keywords.contains(&keyword) && versions.contains(&version),
            What::Keyword(keywords) => keywords.contains(&keyword),
            _ => false,
        };
        subject.driver.refuses.iter().any(|refused| is_it(refused) && applies(subject, refused))
    };
    let is_taken = |version: &&str| subject.driver.takes_version(version) && !is_refused(version);
    let versions: Vec<&str> = ["4.2", "4.1", "4.0", "3"].into_iter().filter(is_taken).collect();
    let remedy = match versions.as_slice() {
        [] => "remove it".to_owned(),
        [one] => format!("use {keyword}={one}"),
        [others @ .., last] => format!("use {keyword}={} or {last}", others.join(", ")),
    };
    (remedy, None)
}

/// Reports a second version option, the driver's own included: mount.nfs takes one at most.
pub(super) fn check_two_versions(check: &mut RuleContext<'_, '_>) {
    let is_version = |token: &&Token<'_>| token.entry().is_some_and(names_version) && !token.is_drivers_own;
    let versions = check.subject.options.effective().filter(is_version);
    if versions.clone().nth(1).is_none() {
        return;
    }
    let versions: Vec<_> = versions.collect();
    let by_driver = versions.iter().find(|token| token.site.is_none());
    let subject = check.subject;
    // One fault, one finding: what the driver refuses does not get that far.
    let mut written =
        versions.iter().filter(|token| token.site.is_some() && refusals(subject, token).next().is_none());
    // NMG009 speaks of options that are written otherwise than they are meant.
    let mut written = written.by_ref().filter(|token| {
        // Of a version that does not exist is said already that another one is requested.
        let is_said = token.acceptance.refusal == Some(Refusal::NoSuchVersion);
        token.malformation.is_none() && !is_said
    });
    let first = match by_driver {
        Some(token) => Some(token),
        None => written.next(),
    };
    let Some(first) = first else { return };
    // Of equal ones kubelet passes on one, so all of them have to go with it.
    let mut equals: BTreeMap<&str, Vec<Edit>> = BTreeMap::new();
    for token in check.options().filter(|token| token.entry().is_some_and(names_version)) {
        equals.entry(token.option.text()).or_default().extend(remove(token));
    }
    let mut passed_on: BTreeMap<&str, usize> = BTreeMap::new();
    for token in &versions {
        *passed_on.entry(token.option.text()).or_default() += 1;
    }
    for token in written {
        let whose = if by_driver.is_some() { "the driver's own " } else { "" };
        let message = format!(
            "{} and {whose}{:?}: only one version option is allowed",
            check.quote(token),
            first.option.text()
        );
        if let Some(edits) = written_for_the_driver(check, token) {
            check.report(token, Severity::CannotMount, message, Some(offer(edits)));
            continue;
        }
        let same = acceptance::version_request(&token.option) == acceptance::version_request(&first.option);
        let text = token.option.text();
        let edits = match passed_on.get(text) {
            Some(1) => equals.remove(text).unwrap_or_default(),
            _ => remove(token).into_iter().collect(),
        };
        let remedy = if by_driver.is_some() { "remove it" } else { "remove one" };
        let message = Sentence::with_remedy(message, remedy);
        let fix = ((same || by_driver.is_some()) && !edits.is_empty()).then(|| offer(edits));
        check.report(token, Severity::CannotMount, message, fix);
    }
}

/// Reports an option that the requested versions do not have, or two options that no version has together.
pub(super) fn check_versions_of_options(check: &mut RuleContext<'_, '_>) {
    let requested = check.subject.options.settings().versions;
    let mut possible = requested;
    for token in check.subject.options.effective() {
        let versions = token.acceptance.versions;
        let is_of_all = versions == Versions::ALL;
        if is_of_all || versions.is_empty() || is_udp(token) || token.is_drivers_own {
            continue;
        }
        if requested.and(versions).is_empty() {
            let message = format!(
                "{} requires NFSv{}, but another version is requested",
                check.quote(token),
                names(versions)
            );
            let message = Sentence::with_remedy(message, remedy(token));
            check.report(token, Severity::CannotMount, message, None);
            continue;
        }
        let left = possible.and(versions);
        if left.is_empty() {
            let message = format!(
                "{} requires NFSv{}, but another option requires another version",
                check.quote(token),
                names(versions)
            );
            let message = Sentence::with_remedy(message, REMEDY);
            check.report(token, Severity::CannotMount, message, None);
            continue;
        }
        possible = left;
    }
}

/// Returns the remedy for an option that the requested version does not have.
fn remedy(token: &Token<'_>) -> Cow<'static, str> {
    // It counts next to vers=4 only: vers=4.2 overrules minorversion=1 (measured: the row
    // `vers=4.2,minorversion=1` of tests/kernel-truth), so another version is no remedy.
    match (token.id(), token.option.value()) {
        // NMG019 rejects it with any version.
        (Some(id), _) if redirected_mount::WORDS.contains(id) => "drop it".into(),
        (Some(OptionId::Minorversion), Some(minor)) => {
            format!("drop it; for NFSv4.{minor} write nfsvers=4.{minor} as the only version").into()
        }
        _ => REMEDY.into(),
    }
}

fn names(versions: Versions) -> String {
    let mut names: Vec<_> = versions.iter().map(|version| version.to_string()).collect();
    names.reverse();
    names.join(", ")
}
