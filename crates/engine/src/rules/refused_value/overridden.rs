//! Values that the driver replaces by a later one, so that the mount never gets them.

use super::super::{RuleContext, shortened};
use crate::finding::{Sentence, Severity};
use crate::nfs::acceptance::Refusal;
use crate::subject::effective::Token;

/// Returns true for an option that the driver replaces by a later one with its keyword, and reports a value
/// that the mount would reject.
pub(super) fn is_passed_over(check: &mut RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    if !check.subject.is_overridden(token) {
        return false;
    }
    if token.acceptance.refusal.is_some_and(|refusal| refusal != Refusal::Unknown) {
        let keyword = shortened(token.option.keyword());
        let message =
            format!("{} never reaches the mount: the last {keyword} replaces it", check.quote(token));
        // Without it the last one takes another place, where another option may win: a person drops it.
        check.report(token, Severity::Lesser, Sentence::with_remedy(message, "drop it"), None);
    }
    true
}
