//! NMG005: `soft` or `softerr` on something that is written to.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Sentence, Severity};
use crate::nfs::catalog::{Entry, Group, OptionId};
use crate::nfs::settings::Recovery;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(5),
    name: "soft-mount",
    title: "Soft mount on a writable volume",
    summary: "soft or softerr on a writable volume: I/O fails when the server does not respond",
    why: "A soft mount gives up: at the major timeout a read or a write fails with an error (`softerr`: another \
error). The kernel then drops data that it had not sent yet, and reports the error once, at the next fsync or \
close. Programs that do not check it lose data silently. nfs(5) warns of silent data corruption.",
    remedy: "Use `hard`. If a hanging server must not hold a Pod indefinitely, keep `soft` and give it time: \
see soft-mount-gives-up-early.",
    actions: Actions::all(Action::Warn).strict(Action::Deny),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, soft, fg, timeo=600, retrans=2]
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
        "nfs(5), soft / softerr / hard",
        "nfs_write_error: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/write.c",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    // Without writes there is no data that could be dropped.
    if !check.subject.is_writable() {
        return;
    }
    let Some(token) = soft_option(check) else {
        return;
    };
    let message = check
        .about(token, "fails writes when the server is away; programs that ignore fsync errors lose data");
    let soft = written(check);
    let message = if is_hard_without(check, &soft) {
        Sentence::with_remedy(message, format!("drop {}, so that hard takes effect", names(&soft)))
    } else {
        message.into()
    };
    check.report(token, Severity::Proper, message, None);
}

/// Returns every `soft` and `softerr` that the user wrote.
pub(super) fn written<'c, 'm>(check: &RuleContext<'c, 'm>) -> Vec<&'c Token<'m>> {
    let is_soft = |token: &&Token<'_>| {
        matches!(token.id(), Some(OptionId::Soft | OptionId::Softerr)) && token.acceptance.refusal.is_none()
    };
    check.options().filter(is_soft).collect()
}

/// Returns true if a `hard` of the user's takes effect once these options are gone.
pub(super) fn is_hard_without(check: &RuleContext<'_, '_>, soft: &[&Token<'_>]) -> bool {
    let goes = |token: &Token<'_>| soft.iter().any(|gone| std::ptr::eq(*gone, token));
    let is_of_group = |token: &&Token<'_>| {
        token.entry().and_then(Entry::group) == Some(Group::RECOVERY) && token.acceptance.refusal.is_none()
    };
    let last =
        check.subject.options.effective().filter(|token| !goes(token)).rfind(|token| is_of_group(token));
    last.is_some_and(|token| token.id() == Some(OptionId::Hard) && token.site.is_some())
}

/// Returns the options in a row, each once: all of a kind have to go.
pub(super) fn names(tokens: &[&Token<'_>]) -> String {
    let mut names: Vec<(&str, bool)> = Vec::new();
    for token in tokens {
        let text = token.option.text();
        match names.iter_mut().find(|(name, _)| *name == text) {
            Some((_, is_repeated)) => *is_repeated = true,
            None => names.push((text, false)),
        }
    }
    let name = |(name, is_repeated): &(&str, bool)| {
        if *is_repeated { format!("every {name}") } else { (*name).to_owned() }
    };
    names.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// Returns the user's option that makes the mount a soft one; `None` where the mount
/// is hard, or soft by the driver's own doing.
pub(super) fn soft_option<'c, 'm>(check: &RuleContext<'c, 'm>) -> Option<&'c Token<'m>> {
    if check.subject.options.settings().recovery == Recovery::Hard {
        return None;
    }
    // The kernel takes the last of hard, soft and softerr.
    let winner = check
        .subject
        .options
        .effective()
        .filter(|token| token.acceptance.refusal.is_none())
        .rfind(|token| token.entry().and_then(Entry::group) == Some(Group::RECOVERY))?;
    // One without a site is added by the driver: no author can drop it.
    winner.site.is_some().then_some(winner)
}
