//! Warnings: whole sentences of a length that every client shows.
//!
//! The admission API recommends at most 120 characters a warning; longer ones may be
//! cut by the API server, and then the end is lost where it hurts most.

use std::fmt::Display;
use std::ops::Range;

use super::{WHO, at_most};
use crate::engine::Judged;
use crate::finding::Sentence;
use crate::rules::Rule;

/// Most characters of a warning: what every client shows whole.
pub const WARNING_LENGTH: usize = 120;

/// The beginnings of parts that a sentence can do without: the remedy, the reason, the consequence.
const LINKS: [&str; 13] = [
    "; ", ": ", ", not ", ", and ", ", which ", ", where ", ", so ", ", for ", ", because ", ", before ",
    ", although ", ", but ", " (",
];

/// Returns `NMG001 background-mount: sentence`, with `would` before the sentence.
pub(super) fn warning(judged: &Judged, would: &str) -> String {
    of_finding(judged.rule, &judged.finding.message, would)
}

/// Returns the warning of one finding. If it is too long it loses its remedy, then the name of its rule,
/// which the code implies: the fault and its consequence stay as long as they fit.
pub fn of_finding(rule: &Rule, message: &Sentence, would: &str) -> String {
    let sentence = message.to_string();
    let mut head = String::with_capacity(2 * WARNING_LENGTH);
    rule.code.push_to(&mut head);
    let code = head.len();
    for part in [" ", rule.name, ": ", would] {
        head.push_str(part);
    }
    // Nearly every warning fits, and needs none of the shorter forms.
    if fits(&head) && head.len() + sentence.len() <= WARNING_LENGTH {
        head.push_str(&sentence);
        return head;
    }
    let short = format!("{}: {would}", head.get(..code).unwrap_or_default());
    let alone = without_elements(&sentence);
    let least = without_elements(&message.what).len();
    let whole = |head: &str| {
        let joined = |sentence: &str| Some(format!("{head}{sentence}")).filter(|text| fits(text));
        let parts = ends(&alone).into_iter().rev().filter(|end| *end >= least);
        joined(&sentence)
            .or_else(|| joined(&alone))
            .or_else(|| parts.filter_map(|end| alone.get(..end)).find_map(joined))
    };
    let shortened = || with_room(&short, alone.get(..least)?);
    whole(&head).or_else(|| whole(&short)).or_else(shortened).unwrap_or_else(|| fitted(&short, &sentence))
}

/// Fewest characters that are left of a quotation, so that the option in it is known.
const LEAST_QUOTED: usize = 26;

/// Returns a sentence with its longest quotation shortened to what one warning has room for; `None` if too
/// little of it would be left.
fn with_room(head: &str, sentence: &str) -> Option<String> {
    let surplus = (head.chars().count() + sentence.chars().count()).checked_sub(WARNING_LENGTH)?;
    let longest = quotes(sentence).into_iter().max_by_key(ExactSizeIterator::len)?;
    let length = sentence.get(longest)?.chars().count();
    // Three dots and two quotes.
    if length < surplus + LEAST_QUOTED + 5 {
        return None;
    }
    Some(format!("{head}{}", with_short_quotes(head, sentence))).filter(|text| fits(text))
}

/// Returns `nfs-mount-guard: the exemption for NAME expires in 3 days (reason)`, without the reason if that
/// is too long.
pub(super) fn exemption_ends(name: &str, days: impl Display, reason: &str) -> String {
    let tail = format!(" expires in {days}");
    let head = format!("{WHO}: the exemption for ");
    let room = WARNING_LENGTH.saturating_sub(head.chars().count() + tail.chars().count());
    let short = format!("{head}{}{tail}", at_most(name.to_owned(), room));
    let whole = format!("{short} ({reason})");
    if fits(&whole) { whole } else { short }
}

/// Returns `HEAD: no exemption covers them; set KEYS`, with fewer words if that is too long: a name may be.
pub(super) fn exempt_without_its_pods(head: &str, keys: &[String]) -> String {
    let set = keys.join(", ");
    let forms = [
        format!("{head}: no exemption covers them; set {set}"),
        format!("{head}; set {set}"),
        format!("{head}; set kind: Pod and their names"),
    ];
    let shortest = format!("{head}: no exemption covers them");
    forms.into_iter().find(|text| !keys.is_empty() && fits(text)).unwrap_or(shortest)
}

/// Returns `head` and as much of a sentence as one warning has room for. Drops first the element around an
/// option, then parts from the end, then the middle of a quotation: no other word is cut in two.
pub fn fitted(head: &str, sentence: &str) -> String {
    let joined = |sentence: &str| format!("{head}{sentence}");
    let whole = joined(sentence);
    if fits(&whole) {
        return whole;
    }
    let alone = without_elements(sentence);
    let shorter = joined(&alone);
    if fits(&shorter) {
        return shorter;
    }
    let parts = || ends(&alone).into_iter().rev().filter_map(|end| alone.get(..end));
    let or_shorter =
        |part: &str| Some(joined(part)).filter(|text| fits(text)).or_else(|| with_room(head, part));
    if let Some(part) = parts().find_map(or_shorter) {
        return part;
    }
    let least = ends(&alone).first().and_then(|end| alone.get(..*end)).unwrap_or(&alone);
    at_most(joined(&with_short_quotes(head, least)), WARNING_LENGTH)
}

fn fits(text: &str) -> bool {
    // Bytes are never fewer than characters, and cost nothing to count.
    text.len() <= WARNING_LENGTH || text.chars().count() <= WARNING_LENGTH
}

/// Returns a sentence that names options alone: `"bg" in "hard,bg"` is `"bg"`.
fn without_elements(sentence: &str) -> String {
    let mut kept = String::with_capacity(sentence.len());
    let mut end = 0;
    for quote in quotes(sentence) {
        let between = sentence.get(end..quote.start).unwrap_or_default();
        // The word in the element stays: the first quotation is the option.
        if between == " in " && end > 0 {
            end = quote.end;
            continue;
        }
        kept.push_str(between);
        kept.push_str(sentence.get(quote.clone()).unwrap_or_default());
        end = quote.end;
    }
    kept.push_str(sentence.get(end..).unwrap_or_default());
    kept
}

/// Returns the places where a sentence can end: before each part that it can do without.
fn ends(sentence: &str) -> Vec<usize> {
    let quotes = quotes(sentence);
    let mut depth = 0_usize;
    let mut ends = Vec::new();
    for (at, character) in sentence.char_indices() {
        if quotes.iter().any(|quote| quote.contains(&at)) {
            continue;
        }
        let rest = sentence.get(at..).unwrap_or_default();
        // `accessModes: "ReadOnlyMany" is refused` names a field, and says nothing yet.
        let is_link = LINKS.iter().any(|link| rest.starts_with(link)) && !rest.starts_with(": \"");
        if is_link && depth == 0 && at > 0 {
            ends.push(at);
        }
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    ends
}

/// Returns a sentence with its longest quotation cut to what one warning has room for.
fn with_short_quotes(head: &str, sentence: &str) -> String {
    let surplus = (head.chars().count() + sentence.chars().count()).saturating_sub(WARNING_LENGTH);
    let longest = quotes(sentence).into_iter().max_by_key(ExactSizeIterator::len);
    let parts = longest.and_then(|quote| {
        let inner = sentence.get(quote.start + 1..quote.end.saturating_sub(1))?;
        Some((sentence.get(..quote.start)?, inner, sentence.get(quote.end..)?))
    });
    match parts {
        Some((before, inner, after)) => {
            let room = inner.chars().count().saturating_sub(surplus);
            format!("{before}\"{}\"{after}", at_most(inner.to_owned(), room))
        }
        None => sentence.to_owned(),
    }
}

/// Returns the quotations of a sentence, as `{:?}` writes them, with their marks.
fn quotes(sentence: &str) -> Vec<Range<usize>> {
    let mut quotes = Vec::new();
    let (mut start, mut is_escaped) = (None, false);
    for (at, byte) in sentence.bytes().enumerate() {
        match (byte, start) {
            _ if is_escaped => is_escaped = false,
            (b'\\', Some(_)) => is_escaped = true,
            (b'"', None) => start = Some(at),
            (b'"', Some(from)) => {
                quotes.push(from..at + 1);
                start = None;
            }
            _ => {}
        }
    }
    quotes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_that_cannot_be_read_keeps_its_fault() {
        let value = "nfsvers=4.1,hard,timeo=600,retrans=2,rsize=1048576,wsize=1048576,bg";
        let fault = format!(
            "cannot read the request: mountOptions must be a list of strings, not {value:?}; correct the field"
        );
        let warning = fitted("nfs-mount-guard: would be denied: ", &fault);
        assert!(warning.ends_with("mountOptions must be a list of strings"), "{warning}");
    }

    #[test]
    fn a_sentence_loses_its_last_parts_and_no_word_is_cut() {
        let head = "NMG020 unread-options: ";
        for (sentence, fitted_to) in [
            ("it is so; use this", "it is so; use this"),
            (
                "the driver does not read volumeAttributes.options, so its options are lost; use spec.mountOptions: [nfsvers=4.1, hard]",
                "the driver does not read volumeAttributes.options, so its options are lost; use spec.mountOptions",
            ),
            (
                "\"nolock\" in \"nfsvers=3,nolock,nconnect=8\" hides locks from other nodes; without it rpc.statd must run elsewhere",
                "\"nolock\" hides locks from other nodes; without it rpc.statd must run elsewhere",
            ),
            (
                "invalid \"sec=ntlmssp\": must be one of none, null, sys, krb5, krb5i, krb5p; it is a value of mount.cifs(8), for SMB",
                "invalid \"sec=ntlmssp\": must be one of none, null, sys, krb5, krb5i, krb5p",
            ),
        ] {
            assert_eq!(fitted(head, sentence), format!("{head}{fitted_to}"));
        }
    }

    #[test]
    fn a_long_quotation_is_cut_inside_its_marks() {
        let sentence = format!("accessModes: \"{}; b: \\\"c\" is refused; write less", "a".repeat(200));
        let fitted = fitted("NMG012 refused-value: ", &sentence);
        assert_eq!(fitted.chars().count(), WARNING_LENGTH);
        assert!(fitted.ends_with("aaa...\" is refused"), "{fitted}");
    }

    #[test]
    fn an_exemption_keeps_its_last_day_whatever_its_name_is() {
        assert!(
            exemption_ends("a", "3 days", "moved soon").ends_with("for a expires in 3 days (moved soon)")
        );
        let long = exemption_ends(&"n".repeat(253), "1 day", &"r".repeat(300));
        assert!(long.chars().count() <= WARNING_LENGTH && long.ends_with("n... expires in 1 day"), "{long}");
    }

    proptest! {
        #[test]
        fn no_warning_is_too_long(head in "[ -~]{0,60}", sentence in "[a-z \";:,(\\\\€]{0,300}") {
            prop_assert!(fits(&fitted(&head, &sentence)));
        }
    }
}
