//! NMG011: an option that nothing knows.

mod cut_off;
mod other_program;
mod other_version;

use super::{
    About, Actions, Example, Rule, RuleContext, offer, offer_instead, redirected_mount, remove, replace,
};
use crate::finding::{Action, Applicability, Code, Sentence, Severity};
use crate::nfs::acceptance::{Refusal, Transport, judge, transport};
use crate::nfs::catalog::{self, Effect, OptionId, OptionSet};
use crate::nfs::intended::{TYPOGRAPHIC, version_word};
use crate::nfs::option::MountOption;
use crate::nfs::placeholder::is_leftover;
use crate::nfs::vendor::{self, is_of_client_module};
use crate::nfs::version::Versions;
use crate::subject::effective::Token;
use other_version::version_keyword;
pub use other_program::is_of_another_program;
use other_program::other_program;
pub(super) use other_version::{OtherVersion, names_version};

pub(super) static RULE: Rule = Rule {
    code: Code(11),
    name: "unknown-option",
    title: "Unknown option",
    summary: "an option that no mount.nfs and no kernel supports",
    why: "The kernel refuses the whole mount with \"an incorrect mount option was specified\", and Pods stay in \
ContainerCreating. Options are case-sensitive: `Hard` and `BG` are unknown. With `sloppy`, in any place, \
the option is ignored instead, and what its author wanted from it is silently lost.",
    remedy: "Correct the spelling, or drop it.",
    actions: Actions::all(Action::Deny),
    lesser: Some((
        Actions::all(Action::Warn),
        "a sloppy makes some kernels overlook it, or the source of the driver was not read, which may take the word for itself",
    )),
    fix: Some(Applicability::Offer),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfservers=4.1, hard, fg, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5)",
        "nfs_fs_parameters: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c",
        "nfs_parse_mount_options, before Linux 5.6: https://github.com/torvalds/linux/blob/v5.5/fs/nfs/super.c",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

/// Most options of a subject for which one is sought that was probably meant: as
/// many as an answer shows. To look through the catalog takes longer than all other
/// rules together.
const SUGGESTIONS: usize = 20;

fn check(check: &mut RuleContext<'_, '_>) {
    let is_unknown = |token: &&Token<'_>| {
        token.acceptance.refusal == Some(Refusal::Unknown) && token.malformation.is_none()
    };
    for (index, token) in check.other_options().filter(is_unknown).enumerate() {
        // NMG009 speaks of an option that a backslash ties to another.
        if is_behind_escaped_comma(check, token) {
            continue;
        }
        if cut_off::report(check, token, index < SUGGESTIONS) {
            continue;
        }
        if is_of_client_module(&token.option) {
            let message = check.about(token, "is unknown to the kernel's own NFS client");
            let remedy = "keep it only if each node has the vendor's client module";
            check.report(token, Severity::Lesser, Sentence::with_remedy(message, remedy), None);
            continue;
        }
        let mut message = Sentence::from(format!("unknown option {}", check.quote(token)));
        let mut fix = None;
        if is_leftover(token.option.text()) {
            message.remedy = Some(MISSING_VALUE.into());
        } else if let Some(remedy) = in_tenths(token) {
            message.remedy = Some(remedy.into());
        } else if let Some(whose) = other_program(token.option.keyword()) {
            message.remedy = Some(whose.into());
            // A flag of the command line says nothing of the mount.
            let is_flag = token.option.text() == "-o" || token.option.text() == "--options";
            let is_alone = check.options().nth(1).is_none();
            fix = remove(token).filter(|_| is_flag && !is_alone).map(|edit| offer(vec![edit]));
        } else if let Some(suggestion) = (index < SUGGESTIONS).then(|| suggestion(check, token)).flatten() {
            if let Some(other) = OtherVersion::of(check.subject, token, &suggestion) {
                message.remedy = Some(other.remedy(&suggestion).into());
                fix = if other.makes_needless(&suggestion) {
                    remove(token).map(|edit| offer(vec![edit]))
                } else {
                    // Of two that are misspelt and agree, NMG012 removes one once they are put right.
                    let edit =
                        replace(token, suggestion.clone()).filter(|_| !other.leaves_a_choice(&suggestion));
                    edit.map(|edit| offer_instead(check.subject, token, vec![edit]))
                };
            } else {
                message.remedy = Some(format!("use {suggestion:?}").into());
                fix = replace(token, suggestion).map(|edit| offer_instead(check.subject, token, vec![edit]));
            }
        }
        // A driver or its helper may take words that mount.nfs does not know.
        let is_certain = !token.is_beside_sloppy && check.subject.driver.known.is_read();
        let severity = if is_certain { Severity::CannotMount } else { Severity::Lesser };
        check.report(token, severity, message, fix);
    }
}

/// The remedy for what a template printed in place of nothing.
pub(super) const MISSING_VALUE: &str = "a template printed it for a missing value: set that value";

/// Returns true if a backslash stands before the comma before an option.
fn is_behind_escaped_comma(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    let before = token.site.as_ref().and_then(|site| check.element_at(site)?.get(..site.range.start));
    before.is_some_and(|before| before.ends_with("\\,"))
}

/// Returns the remedy for a number under the name `timeout`: seconds may be meant, and `timeo` counts
/// tenths of one.
fn in_tenths(token: &Token<'_>) -> Option<String> {
    let keyword = token.option.keyword();
    // Most words differ in their beginning already.
    keyword.get(..4).filter(|start| start.eq_ignore_ascii_case("time"))?;
    let value = token.option.value()?;
    let in_seconds = ["seconds", "secs", "sec", "s"].iter().find_map(|unit| value.strip_suffix(unit));
    let seconds: u64 = in_seconds.unwrap_or(value).trim_end().parse().ok()?;
    let keyword = keyword.to_ascii_lowercase().replace(['_', '-'], "");
    let tenths = seconds.checked_mul(10)?;
    (keyword == "timeout").then(|| match in_seconds {
        Some(_) => format!("use timeo={tenths}"),
        None => format!("timeo counts tenths of a second: {seconds} s are timeo={tenths}"),
    })
}

/// Returns the option that was probably meant, value included: one keyword of the
/// catalog at the smallest edit distance, if there is only one and the result
/// is an option that every layer takes.
fn suggestion(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Option<String> {
    if let Some(text) = version_word(token.option.text()) {
        return Some(text);
    }
    let quoted = token.option.text().contains(TYPOGRAPHIC);
    let plain = quoted.then(|| token.option.text().replace(TYPOGRAPHIC, ""));
    if let Some(text) = plain.filter(|text| is_taken(check, text)) {
        return Some(text);
    }
    // A map that was printed; of one that is cut at a comma a part alone is not put right.
    match token.option.text().strip_prefix('{').map(|text| text.strip_suffix('}')) {
        Some(Some("bg")) => return Some("fg".to_owned()),
        Some(Some(bare)) if is_taken(check, bare) => return Some(bare.to_owned()),
        None if !token.option.text().ends_with('}') => {}
        _ => return None,
    }
    let written = token.option.keyword().to_lowercase();
    // mount.nfs has `tcp`, and the other address family only as a value.
    if matches!(written.as_str(), "tcp6" | "rdma6") && token.option.value().is_none() {
        return Some(format!("proto={written}")).filter(|text| is_taken(check, text));
    }
    let keyword = match written.as_str() {
        // Only nfsmount.conf has these words for it.
        "foreground" | "background" | "bg" | "nobg" | "--bg" | "-bg" => "fg",
        "protocol" | "transport" => "proto",
        "security" => "sec",
        "lookup" => "lookupcache",
        "readonly" | "read-only" | "read_only" => "ro",
        "readwrite" | "read-write" | "read_write" => "rw",
        _ => {
            version_keyword(&written).or_else(|| in_small_letters(&written)).or_else(|| closest(&written))?
        }
    };
    // A misspelt `bg` must not be put right.
    let keyword = if keyword == "bg" { "fg" } else { keyword };
    let text = match token.option.value() {
        Some(value) if keyword != "fg" => format!("{keyword}={value}"),
        _ => keyword.to_owned(),
    };
    is_taken(check, &text).then_some(text)
}

/// Returns true if the list would be better with this option: every layer takes it beside the
/// others, it does something, and no rule refuses it.
fn is_taken(check: &RuleContext<'_, '_>, text: &str) -> bool {
    let option = MountOption::new(text);
    let verdict = judge(&option);
    let requested = check.subject.options.settings().versions;
    let is_refused = is_denied_word(&option);
    // Several connections of a session: NFSv4.1 and newer.
    let is_too_new = option.entry().is_some_and(|entry| entry.id == OptionId::MaxConnect)
        && requested.and(Versions::V41).is_empty()
        && requested.and(Versions::V42).is_empty();
    let fits = verdict.refusal.is_none() && !requested.and(verdict.versions).is_empty() && !is_too_new;
    fits && has_effect(check, &option) && !is_refused
}

/// Returns true if an option does something in the versions that are requested.
pub(super) fn has_effect(check: &RuleContext<'_, '_>, option: &MountOption<'_>) -> bool {
    let requested = check.subject.options.settings().versions;
    option.entry().is_some_and(|entry| match entry.effect {
        Effect::Active => true,
        Effect::NoneOnV4(_) => !requested.and(Versions::V3).is_empty(),
        Effect::None(_) => false,
    })
}

/// Returns true if a rule refuses an option for what it does: it must not be advised.
pub(super) fn is_denied_word(option: &MountOption<'_>) -> bool {
    let is_of = |words: OptionSet| option.entry().is_some_and(|entry| words.contains(entry.id));
    is_of(redirected_mount::WORDS)
        || is_of(OptionSet::of(&[OptionId::Sloppy]))
        || transport(option) == Some(Transport::Udp)
}

/// Returns the keyword that is the same but for its case.
fn in_small_letters(written: &str) -> Option<&'static str> {
    catalog::entries().find(|(keyword, _)| *keyword == written).map(|(keyword, _)| keyword)
}

fn closest(written: &str) -> Option<&'static str> {
    // The distance of a text of a mebibyte to every keyword takes seconds.
    const LONGEST: usize = 32;
    let most = match written.len() {
        0..=2 | LONGEST.. => return None,
        3..=5 => 1,
        _ => 2,
    };
    let mut best: Option<(usize, &'static str)> = None;
    let mut is_unique = true;
    let (length, letters) = (written.chars().count(), letters_of(written));
    for (keyword, entry) in catalog::entries() {
        // An edit adds or takes one letter, or changes one for another.
        let is_far = keyword.len().abs_diff(length) > most
            || (letters ^ letters_of(keyword)).count_ones() as usize > 2 * most;
        if is_far {
            continue;
        }
        let distance = strsim::osa_distance(written, keyword);
        // A word without effect is no useful suggestion.
        if distance > most || entry.kernels.is_empty() || matches!(entry.effect, Effect::None(_)) {
            continue;
        }
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, _)) if distance == least => is_unique = false,
            _ => {
                best = Some((distance, keyword));
                is_unique = true;
            }
        }
    }
    // A word of a vendor's client module may be meant as well.
    let may_be_vendors = best.is_some_and(|(least, _)| {
        vendor::words()
            .any(|word| word.len().abs_diff(length) <= least && strsim::osa_distance(written, word) <= least)
    });
    // `nosoft` is no misspelt `soft`: the one is the opposite of the other. In three
    // letters another one is another word; a missing one is not.
    let is_alike = |keyword: &str| {
        let is_negation =
            ["un", "non", "not", "dis"].iter().any(|no| written.strip_prefix(no) == Some(keyword));
        keyword.starts_with("no") == written.starts_with("no")
            && !is_negation
            && (written.len() > 3 || keyword.len() > written.len())
    };
    best.filter(|_| is_unique && !may_be_vendors)
        .map(|(_, keyword)| keyword)
        .filter(|keyword| is_alike(keyword))
}

/// Returns the set of characters that occur, by their last five bits.
fn letters_of(text: &str) -> u32 {
    text.chars().fold(0, |letters, character| letters | 1 << (u32::from(character) & 31))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_texts_at_a_distance_differ_in_twice_as_many_letters_at_most(one in "[a-zä-ö0-9_.-]{0,9}", other in "[a-z0-9_.-]{0,9}") {
            let distance = strsim::osa_distance(&one, &other);
            prop_assert!((letters_of(&one) ^ letters_of(&other)).count_ones() as usize <= 2 * distance);
            prop_assert!(one.chars().count().abs_diff(other.len()) <= distance);
        }
    }
}
