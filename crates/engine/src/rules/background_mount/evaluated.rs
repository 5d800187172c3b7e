//! Finds text that a program on the node evaluates: it may make a `bg` of it.

use crate::finding::{Finding, Severity};
use crate::nfs::option::Piece;
use crate::nfs::reading;
use crate::rules::{RuleContext, about};
use crate::site::Site;
use crate::subject::driver::Driver;
use crate::subject::driver::refusal::Refused;

/// Reports text of the mount command of which a shell may make anything: a variable, a quote or a further
/// command in a `volumeHandle` or a path.
pub(super) fn check_shell(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    for (index, carrier) in subject.carriers.iter().enumerate() {
        let is_word = carrier.refused.is_some_and(Refused::is_for_shell);
        let text = carrier.elements.first().copied().unwrap_or_default();
        let is_told = check.findings.iter().any(|finding| {
            finding.code == check.rule.code && finding.site.as_ref().is_some_and(|site| site.carrier == index)
        });
        if !is_word || is_told || !(reading::is_shell(text) || reading::has_marks(text)) {
            continue;
        }
        let site = Site { carrier: index, element: 0, range: 0..text.len() };
        let what = "may be a background mount: a shell on the node makes words and commands of it";
        report(check, site, text, what);
    }
}

/// Reports text of an option with which the script of a mount helper changes other options than its own: it
/// takes its words out wherever they stand in the text, and the value of `sec=` is a part of a command for sed.
pub(super) fn check_script(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    if !subject.driver.edited_as_text {
        return;
    }
    for (index, carrier) in subject.carriers.iter().enumerate().filter(|(_, carrier)| carrier.in_force) {
        for (element_index, element) in carrier.elements.iter().enumerate() {
            let seen = carrier.seen(element);
            for Piece { text, range } in reading::every_piece(&seen) {
                let site = Site { carrier: index, element: element_index, range };
                let is_told = check
                    .findings
                    .iter()
                    .any(|finding| finding.code == check.rule.code && finding.site.as_ref() == Some(&site));
                if is_told || !is_edited(subject.driver, text) {
                    continue;
                }
                let what =
                    "may be a background mount: the script of the driver's mount helper edits the text";
                report(check, site, text, what);
            }
        }
    }
}

/// Reports text of which a program may make a `bg`; there is no other text to write.
fn report(check: &mut RuleContext<'_, '_>, site: Site, text: &str, what: &str) {
    check.findings.push(Finding {
        code: check.rule.code,
        severity: Severity::Proper,
        carrier: site.carrier,
        place: None,
        keyword: "bg".into(),
        message: about(text, None, what).into(),
        site: Some(site),
        fix: None,
    });
}

/// Returns true if a script finds one of its words within an option, or characters that sed and a shell
/// evaluate.
fn is_edited(driver: &Driver, option: &str) -> bool {
    let is_evaluated = |byte: u8| b"\\*[]^#".contains(&byte);
    // A file's path has slashes, and they end a command of sed.
    let ends_command = || option.contains('/') && option.starts_with("sec=");
    let bytes = option.as_bytes();
    let within = |word: &str| {
        option.match_indices(word).map(|(at, _)| (at, at + word.len())).filter(|(at, _)| *at > 0).any(
            |(at, end)| match bytes.get(end) {
                // Within a word sed finds no `\<sec\>`: not in xprtsec=tls.
                Some(b'=') => word != "sec" || !bytes.get(at - 1).is_some_and(u8::is_ascii_alphanumeric),
                // Of tls and sec it looks for those with a value.
                None => !matches!(word, "tls" | "sec"),
                Some(_) => false,
            },
        )
    };
    reading::is_shell(option)
        || option.bytes().any(is_evaluated)
        || ends_command()
        || within("sec")
        || driver.own_words.iter().any(|word| within(word))
}
