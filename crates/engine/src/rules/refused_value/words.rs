//! Texts that a shell of the driver's makes several words of its mount command of.

use super::super::{RuleContext, shortened};
use crate::finding::{Sentence, Severity};
use crate::nfs::reading;
use crate::subject::effective::Token;

/// Reports options that a shell of the driver's splits into several arguments of mount.
pub(super) fn check_words(check: &mut RuleContext<'_, '_>) {
    if check.subject.runs_a_shell() {
        check_added(check);
    }
    if !check.subject.options.is_several_words() {
        return;
    }
    let has_blank = |token: &&Token<'_>| {
        let element = check.element(token).unwrap_or_default();
        token.is_written() && element.contains(char::is_whitespace)
    };
    let message = "becomes two words of the driver's shell command, and mount rejects them";
    let written = check.subject.options.tokens().iter().find(has_blank);
    if let Some(token) = written {
        let message = check.about(token, message);
        check.report(token, Severity::CannotMount, message, None);
    }
}

/// Reports text that adds options to the driver's mount command, with a `-o` of its own.
fn check_added(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    for (index, carrier) in subject.carriers.iter().enumerate().filter(|(_, carrier)| carrier.in_force) {
        // NMG001 speaks of one with bg.
        let adds = |element: &&&str| {
            let further: Vec<&str> = reading::further_options(element).map(|piece| piece.text).collect();
            !further.is_empty() && !further.iter().any(|text| reading::mentions_background(text))
        };
        let Some(element) = carrier.elements.iter().find(adds) else { continue };
        let message = format!("{:?} adds further options to the driver's mount command", shortened(element));
        let remedy = "write each option as one of its own";
        check.report_carrier(index, Severity::Lesser, Sentence::with_remedy(message, remedy));
    }
}
