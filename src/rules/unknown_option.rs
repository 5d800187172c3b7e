//! NMG011: an option that nothing knows.

use std::fmt::Write as _;

use super::{About, Actions, Check, Example, Rule, offer, replace};
use crate::finding::{Action, Applicability, Code, Grade};
use crate::nfs::catalog;
use crate::nfs::intended::version_word;
use crate::nfs::mount::{Refusal, judge};
use crate::nfs::option::MountOption;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(11),
    name: "unknown-option",
    summary: "an option that no mount.nfs and no kernel knows",
    why: "The kernel refuses the whole mount with \"an incorrect mount option was specified\", and Pods stay in \
ContainerCreating. Options are case-sensitive: `Hard` and `BG` are unknown. Beside `sloppy` the \
option is ignored instead, by every kernel if `sloppy` comes first and else by kernels before 5.6, and what its \
author wanted from it is silently lost.",
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
        "Linux fs/nfs/fs_context.c, nfs_fs_parameters",
        "Linux before 5.6, fs/nfs/super.c, nfs_parse_mount_options",
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

fn check(check: &mut Check<'_, '_>) {
    let is_unknown =
        |token: &&Token<'_>| token.verdict.refusal == Some(Refusal::Unknown) && token.malformation.is_none();
    for (index, token) in check.other_options().filter(is_unknown).enumerate() {
        let suggestion = (index < SUGGESTIONS).then(|| suggestion(token)).flatten();
        let mut message = check.about(token, "is unknown to mount.nfs and to every kernel");
        if let Some(whose) = other_program(token.option.keyword()) {
            // Writing to a string cannot fail.
            let _ = write!(message, "; {whose}");
        } else if let Some(suggestion) = &suggestion {
            // Writing to a string cannot fail.
            let _ = write!(message, "; did you mean {suggestion:?}?");
        }
        let fix = suggestion.and_then(|text| replace(token, text)).map(|edit| offer(vec![edit]));
        // A driver or its helper may take words that mount.nfs does not know.
        let is_certain = token.sloppy.is_none() && check.subject.driver.known.is_read();
        let grade = if is_certain { Grade::CannotMount } else { Grade::Lesser };
        check.report(token, grade, message, fix);
    }
}

/// The option that was probably meant, value included: one keyword of the
/// catalog at the smallest edit distance, if there is only one and the result
/// is an option that every layer takes.
fn suggestion(token: &Token<'_>) -> Option<String> {
    if let Some(text) = version_word(token.option.text()) {
        return Some(text);
    }
    let written = token.option.keyword().to_lowercase();
    let keyword = match written.as_str() {
        // nfsmount.conf has these words for it; nobody else has.
        "foreground" | "background" | "bg" | "nobg" => "fg",
        "version" => "vers",
        "nfsversion" | "nfs_version" | "nfsver" | "nfs_vers" => "nfsvers",
        "protocol" | "transport" => "proto",
        "security" => "sec",
        _ => closest(&written)?,
    };
    // A misspelt `bg` must not be put right.
    let keyword = if keyword == "bg" { "fg" } else { keyword };
    let text = match token.option.value() {
        Some(value) if keyword != "fg" => format!("{keyword}={value}"),
        _ => keyword.to_owned(),
    };
    judge(&MountOption::new(text.as_str())).refusal.is_none().then_some(text)
}

/// Options of exports(5), which a server reads, by their keywords.
const OF_EXPORTS: &[&str] = &[
    "all_squash", "alldirs", "anongid", "anonuid", "auth_nlm", "crossmnt", "fsid", "hide", "insecure",
    "insecure_locks", "mapall", "maproot", "mountpoint", "mp", "no_acl", "no_all_squash", "no_auth_nlm",
    "no_root_squash", "no_subtree_check", "no_wdelay", "nohide", "pnfs", "refer", "replicas", "root_squash",
    "secure", "secure_locks", "security_label", "subtree_check", "wdelay",
];

/// Options of mount.cifs(8), by their keywords.
const OF_SMB: &[&str] = &[
    "cache", "cifsacl", "cred", "credentials", "cruid", "dir_mode", "dom", "domain", "echo_interval",
    "file_mode", "forcegid", "forceuid", "gid", "guest", "handletimeout", "iocharset", "max_credits",
    "mfsymlinks", "multichannel", "nobrl", "nohandlecache", "noperm", "noserverino", "nounix", "pass",
    "password", "persistenthandles", "seal", "serverino", "setuids", "snapshot", "uid", "username",
];

/// What reads an option that is none of mount.nfs(8).
fn other_program(keyword: &str) -> Option<&'static str> {
    if OF_EXPORTS.contains(&keyword) {
        Some("it is an option of exports(5): set it on the NFS server")
    } else if OF_SMB.contains(&keyword) {
        Some("it is an option of mount.cifs(8), for SMB: an NFS mount has no such option")
    } else {
        None
    }
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
        if distance > most || entry.kernels.is_empty() {
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
    best.filter(|_| is_unique).map(|(_, keyword)| keyword)
}

/// The set of characters that occur, by their last five bits.
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
