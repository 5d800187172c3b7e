//! `hard`, `soft` and `softerr`, and the `softreval` that `softerr` turns on and `hard` turns off.

use super::super::{RuleContext, offer, remove, soft_mount};
use crate::finding::{Edit, Severity};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::option::MountOption;
use crate::nfs::settings::Settings;
use crate::site::Site;
use crate::subject::effective::Token;

/// Reports a `softreval` that a `hard` after it turns off (Linux `fs/nfs/fs_context.c`, `Opt_hard`; measured:
/// `softreval,hard` is `hard`).
pub(super) fn check_softreval(check: &mut RuleContext<'_, '_>) {
    let is_on = check.subject.options.settings().softreval;
    if is_on || !check.speaks_of(OptionSet::of(&[OptionId::Softreval])) {
        return;
    }
    let effective = || check.subject.options.effective().filter(|token| token.acceptance.refusal.is_none());
    let is = |id: OptionId| move |token: &&Token<'_>| token.id() == Some(id);
    let Some(said) = effective().rfind(is(OptionId::Softreval)) else { return };
    let Some(undone_by) = effective().rfind(is(OptionId::Hard)) else { return };
    let order = |token: &Token<'_>| token.site.as_ref().map(Site::order);
    let is_written_last = order(said) > order(undone_by);
    let severity = if is_written_last { Severity::Proper } else { Severity::Lesser };
    let message =
        format!("{:?} turns off {:?}, and is read after it", undone_by.option.text(), said.option.text());
    let without = effective().filter(|token| !std::ptr::eq(*token, said)).map(|token| &token.option);
    // A driver may add a default once the option is gone, and the mount would be another one.
    let is_needed = check.subject.driver.depends_on(&said.option, without);
    let fix = remove(said).filter(|_| !is_needed).map(|edit| offer(vec![edit]));
    check.report(said, severity, message, fix);
}

/// Returns the option that is named as the one that loses: the `hard` of which a `soft` takes the place.
pub(super) fn first_loser<'t, 'm>(losers: &[&'t Token<'m>]) -> Option<&'t Token<'m>> {
    losers.iter().find(|token| is_hard(token)).or_else(|| losers.first()).copied()
}

fn is_hard(token: &Token<'_>) -> bool {
    token.id() == Some(OptionId::Hard)
}

/// The words on a conflict, and the edits that drop what loses.
pub(super) struct Way {
    pub(super) remedy: Option<String>,
    pub(super) fix: Option<Vec<Edit>>,
}

/// Returns the way out of a conflict. Between `hard` and a `soft` that takes effect, of which NMG005 speaks,
/// a person chooses; and none is dropped on which `softreval` depends.
pub(super) fn way_out(check: &RuleContext<'_, '_>, losers: &[&Token<'_>], winner: &Token<'_>) -> Way {
    let hard: Vec<&Token<'_>> = losers.iter().copied().filter(|token| is_hard(token)).collect();
    if !hard.is_empty() && winner.site.is_some() && check.subject.is_writable() {
        let soft = soft_mount::written(check);
        let remedy = soft_mount::is_hard_without(check, &soft).then(|| {
            let (soft, hard) = (soft_mount::names(&soft), soft_mount::names(&hard));
            format!("drop {soft} to keep every write, or drop {hard} to accept errors")
        });
        return Way { remedy, fix: None };
    }
    let stays = |token: &&Token<'_>| !losers.iter().any(|loser| std::ptr::eq(*loser, *token));
    let left: Vec<&MountOption<'_>> =
        check.subject.options.effective().filter(stays).map(|token| &token.option).collect();
    let is_on = check.subject.options.settings().softreval;
    if Settings::of(left).softreval == is_on {
        let fix = losers.iter().filter_map(|token| remove(token)).collect();
        return Way { remedy: None, fix: Some(fix) };
    }
    let remedy = is_on.then(|| {
        let winner = winner.option.text();
        format!("keep one of them; softerr leaves softreval on since Linux 5.6: write it next to {winner}")
    });
    Way { remedy, fix: None }
}
