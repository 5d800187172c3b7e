//! Determines the options that win, so that no fix changes more than it is about: an element that
//! is split or written otherwise takes another place where a driver sorts its list, and keeps a driver from
//! adding what it adds to a list without it.

use std::collections::BTreeMap;

use super::{Elements, Plan, Scope, emptied, fix_alone, with_fixes};
use crate::engine::Judged;
use crate::finding::{Applicability, Code, Edit, Finding, Fix};
use crate::nfs::acceptance::{implied_flags, names_version};
use crate::nfs::catalog::{Entry, Group, OptionId};
use crate::nfs::saying::{Saying, is_ipv6};
use crate::nfs::settings::{CACHE_TIMES, Settings};
use crate::nfs::value::kernel_number;
use crate::nfs::version::Versions;
use crate::rules::BACKGROUND_MOUNT;
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// Most fixes of a subject that are tried; the others are left to a person.
const MOST_TRIED: usize = 16;

/// Leaves a fix to `--unsafe-fixes` where another option would win than now, of those
/// that it does not touch. The webhook leaves it too, and the object is rejected: it changes no other option.
pub(in crate::engine) fn demote(subject: &Subject<'_>, findings: &mut [Judged]) {
    let reorders = |fix: &Fix| {
        fix.applicability < Applicability::Unsafe && fix.edits.iter().any(|edit| may_reorder(subject, edit))
    };
    let is_offered = |fix: &Fix| fix.applicability == Applicability::Offer && reorders(fix);
    let driver = subject.driver;
    let adds = driver.adds_by_element();
    // Most drivers keep the order: the layouts below are costly.
    let keeps_order = !driver.sorts() && !driver.keeps_first_of_equal() && !adds;
    if keeps_order || !findings.iter().any(|judged| judged.finding.fix.as_ref().is_some_and(reorders)) {
        return;
    }
    let before = Winners::of(subject);
    // The driver may bring the rival of an option only after the fix.
    if !before.have_rivals && !adds {
        return;
    }
    demote_applied(subject, findings, &before, reorders);
    let fixes = findings.iter_mut().map(|judged| &mut judged.finding);
    let tried = fixes.filter(|finding| finding.fix.as_ref().is_some_and(is_offered));
    for (index, finding) in tried.enumerate() {
        let Some(fix) = &mut finding.fix else { continue };
        // Each try lays out the whole subject again.
        if index < MOST_TRIED && before.survive(subject, fix) {
            continue;
        }
        leave_to_a_person(finding);
    }
    demote_together(subject, findings, &before, reorders);
}

/// Leaves what the webhook writes to `--unsafe-fixes`, all or nothing, where another option would win.
fn demote_applied(
    subject: &Subject<'_>,
    findings: &mut [Judged],
    before: &Winners,
    reorders: impl Fn(&Fix) -> bool,
) {
    let is_applied = |fix: &Fix| fix.applicability == Applicability::Apply && reorders(fix);
    let applied = findings.iter().filter_map(|judged| judged.finding.fix.as_ref());
    let edits: Vec<Edit> = applied.filter(|fix| is_applied(fix)).flat_map(|fix| fix.edits.clone()).collect();
    let together = Fix { applicability: Applicability::Apply, edits };
    if together.edits.is_empty() || before.survive_in_place(subject, &together) {
        return;
    }
    for finding in findings.iter_mut().map(|judged| &mut judged.finding) {
        if finding.fix.as_ref().is_some_and(is_applied) {
            leave_to_a_person(finding);
        }
    }
}

/// Leaves the fix of a finding to `--unsafe-fixes`.
fn leave_to_a_person(finding: &mut Finding) {
    let Some(fix) = &mut finding.fix else { return };
    fix.applicability = Applicability::Unsafe;
    if is_split(fix) {
        finding.message.remedy = Some("as elements of their own, other options would win".into());
    } else if finding.code == BACKGROUND_MOUNT.code {
        let remedy =
            "decide first which options have to win: with fg the element sorts elsewhere, and others would";
        finding.message.remedy = Some(remedy.into());
    }
}

fn is_split(fix: &Fix) -> bool {
    fix.edits.iter().any(|edit| matches!(edit, Edit::Split { .. }))
}

/// Leaves fixes to `--unsafe-fixes` that change a winner together, though each alone does not: what is
/// written otherwise sorts otherwise once it is an element of its own.
fn demote_together(
    subject: &Subject<'_>,
    findings: &mut [Judged],
    before: &Winners,
    reorders: impl Fn(&Fix) -> bool,
) {
    let is_offered = |fix: &Fix| fix.applicability == Applicability::Offer && reorders(fix);
    // The splits first: without them most of what is written otherwise stays in its place.
    for is_demoted in [is_split as fn(&Fix) -> bool, |_| true] {
        let together = one_round(findings);
        let fixes = || findings.iter().filter_map(|judged| judged.finding.fix.as_ref());
        let is_alone = fixes().filter(|fix| reorders(fix)).nth(1).is_none();
        if is_alone || !fixes().any(is_offered) || before.survive(subject, &together) {
            return;
        }
        for finding in findings.iter_mut().map(|judged| &mut judged.finding) {
            if finding.fix.as_ref().is_some_and(|fix| is_offered(fix) && is_demoted(fix)) {
                leave_to_a_person(finding);
            }
        }
    }
}

/// Returns what the fixes of one round do together: by code, each wholly or not at all.
fn one_round(findings: &[Judged]) -> Fix {
    let mut fixes: Vec<(Code, &Fix)> = findings
        .iter()
        .filter(|judged| emptied(&judged.finding).is_none())
        .filter_map(|judged| Some((judged.finding.code, judged.finding.fix.as_ref()?)))
        .filter(|(_, fix)| fix.applicability < Applicability::Unsafe)
        .collect();
    // `fix` carries them out in this order.
    fixes.sort_by_key(|(code, _)| *code);
    let mut plan = Plan::default();
    let mut edits = Vec::new();
    for (_, fix) in fixes {
        if !fix.edits.iter().any(|edit| plan.conflicts(edit)) {
            fix.edits.iter().for_each(|edit| plan.add(edit));
            edits.extend_from_slice(&fix.edits);
        }
    }
    Fix { applicability: Applicability::Offer, edits }
}

/// Returns true if an edit may give another place to an option that stays: not what takes a whole
/// element away.
fn may_reorder(subject: &Subject<'_>, edit: &Edit) -> bool {
    match edit {
        Edit::Append { .. } | Edit::Rename(_) => false,
        Edit::Replace { .. } | Edit::Split { .. } => true,
        Edit::Remove { site } => {
            let carrier = subject.carriers.get(site.carrier);
            let element = carrier.and_then(|carrier| carrier.elements.get(site.element));
            element.is_none_or(|element| site.range != (0..element.len()))
        }
    }
}

/// The value of fg, which every fix may make win.
const FOREGROUND: &str = "fg";

/// The options that win, by their subject.
#[derive(Debug, Default)]
struct Winners {
    by_word: BTreeMap<OptionId, Winner>,
    /// The security flavours in the order in which the kernel tries them, each once.
    flavours: Vec<String>,
    /// True if anything loses.
    have_rivals: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Winner {
    /// The value that it sets, however it is spelled.
    says: String,
    /// The place; `None` for an option that the driver adds.
    site: Option<Site>,
}

impl Winners {
    fn of(subject: &Subject<'_>) -> Self {
        let mut winners = Self::default();
        for token in subject.options.effective().filter(|token| token.acceptance.refusal.is_none()) {
            let Some(entry) = token.entry() else { continue };
            if entry.id == OptionId::Sec {
                winners.try_flavours(token.option.value().unwrap_or_default());
            }
            for (word, says) in sayings(token, entry) {
                let winner = Winner { says, site: token.site.clone() };
                let says = winner.says.clone();
                let loser = winners.by_word.insert(word, winner);
                // Two that say the same may change places.
                winners.have_rivals |= loser.is_some_and(|loser| loser.says != says);
            }
        }
        winners.turn_softreval(subject);
        let locks = |token: &&Token<'_>| token.entry().and_then(Entry::group) == Some(Group::LOCKING);
        let settings = subject.options.settings();
        if subject.options.effective().any(|token| locks(&token))
            && !settings.versions.and(Versions::V3).is_empty()
        {
            let mut locking = subject.options.effective().filter(locks);
            winners.have_rivals |= locking.clone().nth(1).is_some();
            let site = locking.next_back().and_then(|token| token.site.clone());
            let tokens = subject.options.effective().map(|token| &token.option).collect::<Vec<_>>();
            // Lock options add up, so no single one of them is the winner.
            let says = format!("{:?}", Settings::of(tokens.iter().copied()).local_locks);
            winners.by_word.insert(Group::LOCKING.id(), Winner { says, site });
        }
        winners
    }

    /// Adds the state of `softreval`, which some words turn on and `hard` turns off.
    fn turn_softreval(&mut self, subject: &Subject<'_>) {
        let turns = |token: &Token<'_>| match token.id() {
            _ if token.acceptance.refusal.is_some() => None,
            Some(OptionId::Hard) => Some(false),
            Some(OptionId::Softerr | OptionId::Softreval) => Some(true),
            _ => None,
        };
        let mut last: Option<(bool, Option<Site>)> = None;
        for (is_on, token) in subject.options.effective().filter_map(|token| Some((turns(token)?, token))) {
            self.have_rivals |= last.as_ref().is_some_and(|(was_on, _)| *was_on != is_on);
            last = Some((is_on, token.site.clone()));
        }
        if let Some((is_on, site)) = last {
            self.by_word.insert(OptionId::Softreval, Winner { says: is_on.to_string(), site });
        }
    }

    /// Adds the flavours of one `sec=`: NFSv4 mounts with the first that the server takes
    /// ([`nfs4_find_root_sec`](https://github.com/torvalds/linux/blob/v6.12/fs/nfs/nfs4proc.c)).
    fn try_flavours(&mut self, value: &str) {
        for flavour in value.split(':').filter(|flavour| !flavour.is_empty()) {
            if !self.flavours.iter().any(|known| known == flavour) {
                self.have_rivals |= !self.flavours.is_empty();
                self.flavours.push(flavour.to_owned());
            }
        }
    }

    /// Returns true if the flavours that both try are tried in the same order.
    fn agrees_on_flavours(&self, after: &Self) -> bool {
        let ours = self.flavours.iter().filter(|flavour| after.flavours.contains(flavour));
        ours.eq(after.flavours.iter().filter(|flavour| self.flavours.contains(flavour)))
    }

    /// Returns true if a fix changes no winner but those that it touches, as `fix` carries it out.
    fn survive(&self, subject: &Subject<'_>, fix: &Fix) -> bool {
        let fixed = fix_alone(subject, fix, Scope::FILE_UNSAFE);
        fixed.is_none_or(|fixed| self.stay_with(subject, fix, &fixed.elements))
    }

    /// Returns true if a fix changes none, as the webhook carries it out: it takes nothing away.
    fn survive_in_place(&self, subject: &Subject<'_>, fix: &Fix) -> bool {
        self.stay_with(subject, fix, &with_fixes(subject, &[fix]))
    }

    fn stay_with(&self, subject: &Subject<'_>, fix: &Fix, elements: &Elements<'_>) -> bool {
        let touched: Vec<&Site> = fix
            .edits
            .iter()
            .filter_map(|edit| match edit {
                Edit::Replace { site, .. } | Edit::Remove { site } => Some(site),
                Edit::Split { .. } | Edit::Append { .. } | Edit::Rename(_) => None,
            })
            .collect();
        let after = Self::of(&subject.with_elements(elements));
        self.agrees_on_flavours(&after)
            && self.by_word.iter().all(|(word, winner)| {
                let stays = after.by_word.get(word).is_some_and(|after| {
                    // The purpose of most fixes is that fg wins.
                    after.says == winner.says || *word == OptionId::Bg && after.says == FOREGROUND
                });
                stays || winner.site.as_ref().is_some_and(|site| touched.contains(&site))
            })
    }
}

/// Returns the value that an option sets for each word that it is about.
fn sayings(token: &Token<'_>, entry: &'static Entry) -> Vec<(OptionId, String)> {
    let option = &token.option;
    if names_version(entry) {
        // Two of them are refused.
        return Vec::new();
    }
    let number = option.value().and_then(kernel_number).map(|number| number.to_string());
    if entry.id == OptionId::Actimeo {
        return number
            .into_iter()
            .flat_map(|number| CACHE_TIMES.map(|word| (word, number.clone())))
            .collect();
    }
    let flags = [OptionId::Exec, OptionId::Suid, OptionId::Dev];
    if flags.contains(&entry.id) {
        return vec![(entry.id, entry.negated.to_string())];
    }
    let implied = implied_flags(option);
    let mut sayings: Vec<_> = flags
        .into_iter()
        .filter(|word| implied.contains(*word))
        .map(|word| (word, true.to_string()))
        .collect();
    if let Some(group) = entry.group().filter(|group| *group != Group::LOCKING) {
        let says = match number.filter(|_| CACHE_TIMES.contains(&entry.id)) {
            Some(number) => number,
            None if entry.id == OptionId::Fg => FOREGROUND.to_owned(),
            None => format!("{:?}", Saying::of(option)),
        };
        // mount.nfs goes by the last word on the transport, and the kernel by the last proto= for the family of
        // addresses, which tcp leaves open (nfs-utils `nfs_nfs_proto_family`; Linux `Opt_proto`).
        if entry.id == OptionId::Proto {
            sayings.push((group.id(), format!("{says} proto")));
            sayings.push((OptionId::Tcp, is_ipv6(option).to_string()));
        } else {
            sayings.push((group.id(), says));
        }
    }
    sayings
}
