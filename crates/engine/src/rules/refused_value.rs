//! NMG012: an option that is known, and refused as it stands.

mod by_driver;
mod overridden;
mod security;
mod versions;
mod words;

use super::unknown_option::{MISSING_VALUE, OtherVersion, has_effect, is_denied_word};
use super::{About, Actions, Example, Rule, RuleContext, offer, offer_instead, remove, replace, shortened};
use crate::finding::{Action, Applicability, Code, Edit, Sentence, Severity};
use crate::nfs::acceptance::{self, Overlooked, Refusal, Transport};
use crate::nfs::catalog::OptionId;
use crate::nfs::intended::{intended, version_word};
use crate::nfs::option::MountOption;
use crate::nfs::placeholder::is_leftover;
use crate::nfs::saying::is_ipv6;
use crate::nfs::vendor::{allows_more_connections, takes_connections};
use crate::nfs::version::{self, Versions};
use crate::site::Place;
use crate::subject::carrier::Form;
use crate::subject::driver::assembly::Cut;
use crate::subject::driver::refusal::{Refused, What};
use crate::subject::effective::Token;
pub(super) use by_driver::is_refused_alone;
pub use by_driver::is_refused_by_driver;
use by_driver::{applies, refusals};
use security::Unsecured;
use versions::{
    check_appended_version, check_two_versions, check_version_carrier, check_versions_of_options,
};

pub(super) static RULE: Rule = Rule {
    code: Code(12),
    name: "refused-value",
    title: "Value or version that the mount rejects",
    summary: "a value that the mount rejects, two protocol versions, or options of different versions",
    why: "The mount fails at every try, and Pods stay in ContainerCreating. Refused are a flag with a value, a \
number out of range, a word that the option does not have, and a version that does not exist. So are two version \
options (even two that agree, or one next to the driver's own), and an option of NFSv3 with `vers=4.1`. If only \
some kernels refuse it, the mount depends on the node, and the finding names them.",
    remedy: "Correct the value, or drop the option.",
    actions: Actions::all(Action::Deny),
    lesser: Some((
        Actions::all(Action::Warn),
        "only some of the kernels from 4.18 to 7.3 refuse it, or a sloppy makes some of them overlook it",
    )),
    fix: Some(Applicability::Offer),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, rsize=1M]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, rsize=1048576]
",
    },
    references: &[
        "nfs(5)",
        "nfs_fs_context_parse_param: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c",
        "nfs_nfs_version: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/network.c;hb=refs/tags/nfs-utils-2-8-3",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let unsecured = Unsecured::of(check);
    for token in check.other_options() {
        let is_taken = token.acceptance.refusal.is_none()
            && token.acceptance.kernels.is_all()
            && !is_ipv6(&token.option);
        // Of a malformed option NMG009 speaks, and its value is not what was meant.
        let is_said = unsecured.as_ref().is_some_and(|unsecured| unsecured.is_about(token));
        if !is_taken && !is_said && token.malformation.is_none() && !overridden::is_passed_over(check, token)
        {
            check_value(check, token);
        }
    }
    if let Some(unsecured) = unsecured {
        unsecured.report(check);
    }
    check_two_versions(check);
    check_versions_of_options(check);
    check_version_carrier(check);
    check_driver(check);
    check_flex_volume(check);
}

/// Reports a list of a `FlexVolume`, with which the kubelet mounts none: `SupportsMountOption` is false
/// (<https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/plugin.go#L282>).
fn check_flex_volume(check: &mut RuleContext<'_, '_>) {
    let list =
        check.subject.carriers.iter().position(|carrier| matches!(carrier.place, Place::MountOptions(_)));
    let is_given =
        list.and_then(|list| check.subject.carriers.get(list)).is_some_and(|list| !list.is_empty());
    if let Some(list) = list.filter(|_| is_given && check.subject.is_flex_volume()) {
        let message = Sentence::with_remedy(
            "the kubelet rejects mountOptions on a FlexVolume",
            "write them into the driver's options",
        );
        check.report_carrier(list, Severity::CannotMount, message);
    }
}

/// Reports options that the driver refuses by itself, before it mounts.
fn check_driver(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    let written = subject
        .options
        .tokens()
        .iter()
        .filter(|token| token.in_force && token.site.is_some() && !token.is_unrendered);
    for token in written {
        for refused in refusals(subject, token) {
            let message = refusal(&check.quote(token), refused);
            check.report(token, severity(refused), message, None);
        }
    }
    for (index, carrier) in subject.carriers.iter().enumerate() {
        let Some(refused) = carrier.refused else { continue };
        let value = carrier.elements.first().copied().unwrap_or_default();
        let what = match refused.what {
            What::OtherAttributes(_) => format!("{:?}", shortened(&carrier.place.own_name())),
            _ => format!("{}: {:?}", carrier.place.own_name(), shortened(value)),
        };
        let message = refusal(&what, refused);
        let key = carrier.place.short();
        let message = match refused.what {
            What::OtherAttributes(_) if carrier.has_lost_options() => {
                Sentence::with_remedy(message, format!("remove {key}, and use spec.mountOptions"))
            }
            What::OtherAttributes(_) => Sentence::with_remedy(message, format!("remove {key}")),
            _ => message.into(),
        };
        check.report_carrier(index, severity(refused), message);
    }
    check_appended_version(check);
    words::check_words(check);
}

fn refusal(what: &str, refused: &Refused) -> String {
    // The driver does not look at the value, which is the fault.
    if refused.is_unchecked() {
        return format!("{what} {}", refused.why);
    }
    let since = refused.since.map_or_else(String::new, |since| format!(" since {since}"));
    let by = if refused.is_by_driver() { "the driver" } else { "mount.nfs" };
    format!("{what} is rejected by {by}{since}, {}", refused.why)
}

const fn severity(refused: &Refused) -> Severity {
    // The installed version is not known, and an older one may take it.
    if refused.since.is_some() { Severity::Lesser } else { Severity::CannotMount }
}

fn check_value(check: &mut RuleContext<'_, '_>, token: &Token<'_>) {
    match token.acceptance.refusal {
        Some(Refusal::Unknown) => {}
        Some(Refusal::OutOfRange { max, .. }) if is_more_connections(check, token) => {
            let message = check.about(
                token,
                &format!("is too much for the kernel's own NFS client, which takes up to {max}"),
            );
            let remedy = "keep it only if each node has the vendor's client module";
            check.report(token, Severity::Lesser, Sentence::with_remedy(message, remedy), None);
        }
        Some(refusal) => {
            let overlooked = if token.is_beside_sloppy { refusal.overlooked() } else { Overlooked::Never };
            let quoted = check.quote(token);
            let (severity, what) = match overlooked {
                Overlooked::Never => (Severity::CannotMount, format!("invalid {quoted}")),
                Overlooked::Always => (Severity::Lesser, format!("{quoted} is ignored with sloppy")),
                // Their nfs_fs_context_parse_param takes any fault of fs_parse for an unknown option.
                Overlooked::Sometimes => (
                    Severity::Lesser,
                    format!("invalid {quoted}, which kernels from 5.6 to 5.19 ignore with sloppy"),
                ),
            };
            let mut message = Sentence::from(match (refusal, overlooked) {
                (Refusal::NotANumber { .. }, Overlooked::Sometimes) => {
                    format!("{quoted} {}; Linux 5.6 to 5.19 ignores it with sloppy", unlike_number(refusal))
                }
                (Refusal::NotANumber { .. }, _) => format!("{quoted} {}", unlike_number(refusal)),
                _ => format!("{what}: {refusal}"),
            });
            if is_leftover(token.option.text()) {
                message.remedy = Some(MISSING_VALUE.into());
                check.report(token, severity, message, None);
                return;
            }
            let meant = meant(check, token);
            let is_useless = |text: &String| {
                let option = MountOption::new(text.as_str());
                // It chooses among the versions of vers=4 only.
                let is_idle_minor = option.entry().is_some_and(|entry| entry.id == OptionId::Minorversion)
                    && check.subject.options.settings().versions != Versions::V4;
                is_idle_minor || !has_effect(check, &option)
            };
            if meant.as_ref().is_some_and(is_useless) {
                message.remedy = Some(format!("drop it: {} has no effect", token.option.keyword()).into());
                let fix = remove(token).map(|edit| offer(vec![edit]));
                check.report(token, severity, message, fix);
                return;
            }
            if meant.is_none() && refusal == Refusal::NoSuchVersion {
                let (remedy, fix) = versions::instead(check, token);
                if let Some(whose) = other_value(&token.option) {
                    message.what.to_mut().push_str("; ");
                    message.what.to_mut().push_str(whose);
                }
                message.remedy = Some(remedy.into());
                check.report(token, severity, message, fix);
                return;
            }
            let mut is_choice = false;
            if let Some(text) = &meant {
                let other = OtherVersion::of(check.subject, token, text);
                is_choice = other.as_ref().is_some_and(|other| other.leaves_a_choice(text));
                let remedy = other.map_or_else(|| format!("use {text}"), |other| other.remedy(text));
                message.remedy = Some(remedy.into());
            } else if let Some(contrary) = contrary_of_flag(token) {
                message.remedy = Some(format!("write {contrary}, or drop it").into());
            } else if let Some(whose) = other_value(&token.option) {
                message.what.to_mut().push_str("; ");
                message.what.to_mut().push_str(whose);
            }
            let fix = meant
                .filter(|_| !is_choice)
                .and_then(|text| replace(token, text))
                .map(|edit| offer_instead(check.subject, token, vec![edit]));
            check.report(token, severity, message, fix);
        }
        None if needs_ipv6(check, token) => {
            let message = check.about(token, "requires an IPv6 address, but the server has an IPv4 address");
            check.report(token, Severity::CannotMount, message, None);
        }
        None if is_udp(token) || token.acceptance.kernels.is_all() => {}
        None => {
            let since = token.acceptance.kernels.since;
            let message = if token.is_beside_sloppy {
                format!("{} is ignored with sloppy by kernels before {since}", check.quote(token))
            } else {
                format!("{} requires Linux {since} or later", check.quote(token))
            };
            let remedy = format!("run Linux {since} or later on every node, or drop it");
            check.report(token, Severity::Lesser, Sentence::with_remedy(message, remedy), None);
        }
    }
}

/// Returns `is not a whole number (unit: bytes)`, for a sentence whose subject is the option.
fn unlike_number(refusal: Refusal) -> String {
    let text = refusal.to_string();
    text.strip_prefix("the value ").map(ToOwned::to_owned).unwrap_or(text)
}

/// Returns true for a number of connections that a vendor's client module takes, where the driver is
/// the vendor's or another option is the module's.
fn is_more_connections(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    token.id() == Some(OptionId::Nconnect)
        && token.option.value().is_some_and(takes_connections)
        && (check.subject.driver.more_connections
            || check.options().any(|other| allows_more_connections(&other.option)))
}

/// Returns the option as it should be written, where that is certain.
fn meant(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Option<String> {
    let requested = check.subject.options.settings().versions;
    let names_no_version = requested == Versions::ALL;
    // Alone, `minorversion=1` requests nothing.
    let minor = (token.id() == Some(OptionId::Minorversion) && names_no_version)
        .then(|| token.option.value().and_then(|value| version_word(&format!("nfsvers{value}"))))
        .flatten()
        .filter(|text| text.starts_with("nfsvers=4."));
    minor
        .or_else(|| intended(&token.option))
        .or_else(|| flag_without_value(token))
        // A suggestion must not lead to another denial.
        .filter(|text| !is_denied_word(&MountOption::new(text.as_str())))
}

/// Returns the program that supports a value of this option, if mount.nfs(8) does not.
fn other_value(option: &MountOption<'_>) -> Option<&'static str> {
    let value = option.value()?;
    match option.entry()?.id {
        OptionId::Sec if value.starts_with("ntlm") || value.starts_with("lanman") => {
            Some("it is a value of mount.cifs(8), for SMB")
        }
        OptionId::Vers if matches!(value, "1.0" | "2.0" | "2.1" | "3.02" | "3.1.1" | "default") => {
            Some("it is a version of SMB")
        }
        _ => None,
    }
}

/// Returns the flag without its value where that is what was meant: `hard=1` surely means `hard`, and
/// `nolock=false` may mean either.
fn flag_without_value(token: &Token<'_>) -> Option<String> {
    // `hard=no` may mean the opposite, so only a yes is certain.
    let is_yes = matches!(token.option.value()?, "" | "1" | "true" | "yes" | "on");
    if token.acceptance.refusal != Some(Refusal::FlagWithValue) || !is_yes {
        return None;
    }
    Some(token.option.keyword().to_owned())
}

/// Returns the word for the contrary of a flag whose value says no: `soft=false` may mean `hard`.
fn contrary_of_flag(token: &Token<'_>) -> Option<String> {
    let is_no = matches!(token.option.value()?, "0" | "false" | "no" | "off");
    if token.acceptance.refusal != Some(Refusal::FlagWithValue) || !is_no {
        return None;
    }
    let flag = token.option.keyword();
    let contrary = match (flag, flag.strip_prefix("no")) {
        ("soft" | "softerr", _) => "hard".to_owned(),
        ("hard", _) => return None,
        ("bg", _) => "fg".to_owned(),
        ("sync", _) => "async".to_owned(),
        (_, Some(word)) => word.to_owned(),
        (word, None) => format!("no{word}"),
    };
    let option = MountOption::new(contrary.as_str());
    let is_taken = acceptance::judge(&option).refusal.is_none() && !is_denied_word(&option);
    is_taken.then_some(contrary)
}

fn is_udp(token: &Token<'_>) -> bool {
    acceptance::transport(&token.option) == Some(Transport::Udp)
}

fn needs_ipv6(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    is_ipv6(&token.option)
        && check.subject.server.is_some_and(|server| server.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Returns the version in the spelling for which a driver looks at the beginning of an
/// element, so that it appends none of its own.
fn written_for_the_driver(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Option<Vec<Edit>> {
    let driver = check.subject.driver;
    let spelling = driver.spelling_of_version()?;
    let site = token.site.as_ref()?;
    let is_list = check.subject.carriers.get(site.carrier)?.form == Form::List;
    let is_seen = site.range.start == 0 || driver.cut == Cut::Options;
    let is_spelt = token.option.text().starts_with(spelling);
    if is_seen && is_spelt || !is_seen && !is_list {
        return None;
    }
    let version = match token.option.value() {
        Some(version) => version,
        None => token.option.keyword().strip_prefix('v')?,
    };
    version::parse(version)?;
    if !driver.takes_version(version) {
        return None;
    }
    let written = if is_spelt { None } else { Some(replace(token, format!("{spelling}{version}"))?) };
    let split = Edit::Split { carrier: site.carrier, element: site.element };
    Some(written.into_iter().chain((!is_seen).then_some(split)).collect())
}
