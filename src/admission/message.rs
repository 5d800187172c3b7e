//! The sentences people read: causes of a denial, and warnings.

mod proposal;
pub mod remedy;
mod repairs;
mod warning;

use super::response::StatusCause;
use crate::count::{self, counted};
use crate::engine::decide::Decision;
use crate::engine::judge::{Case, Treatment, Verdict, proposal};
use crate::engine::{Evaluation, Exempt, Judged, exempt_without_pods};
use crate::policy::exemption::unknown_names;
use crate::rules::BACKGROUND_MOUNT;
use nfs_mount_guard_json::length_within;
pub use proposal::lists;
pub use warning::{WARNING_LENGTH, fitted, of_finding};
use warning::{exempt_without_its_pods, exemption_ends, warning};

/// Most warnings of one answer.
const MOST_WARNINGS: usize = 20;

/// Most causes of one denial: more would hide the first, and an answer must not
/// grow with the square of the list.
const MOST_CAUSES: usize = 20;

/// Most bytes of all causes of one denial as they are sent; its message repeats
/// them.
const MOST_BYTES: usize = 16 * 1024;

/// Most characters of a cause, beside a list that is proposed.
const LONGEST_CAUSE: usize = 1000;

/// Longest name of an object, or of a kind, that is repeated: what the API server
/// takes.
// A DNS subdomain, the longest name that Kubernetes accepts (RFC 1123).
const LONGEST_NAME: usize = 253;

/// The words before a finding that a policy in mode observe does not deny.
const WOULD_BE_DENIED: &str = "would be denied: ";

/// The name of the sender, in a message that stands alone.
const WHO: &str = "nfs-mount-guard";

/// Returns the sentence about a request that cannot be read, with what becomes of it before the
/// fault.
pub fn unreadable(would: &str, fault: &str) -> String {
    at_most(format!("{WHO}: {would}{fault}"), 500)
}

/// Returns the beginning of the name of an object or of a kind, as an answer repeats it.
pub(super) fn name(text: &str) -> &str {
    text.char_indices().nth(LONGEST_NAME).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Returns one cause a denial. kubectl prints nothing but these, so each stands alone: the rule,
/// the element, why, and the way out. The list that would pass stands in the first of each carrier.
pub(super) fn causes(case: &Case<'_, '_>, verdict: &Verdict) -> Causes {
    let subject = case.subject;
    let mut denials: Vec<&Judged> = verdict.with(Treatment::Denied).collect();
    if denials.len() > MOST_CAUSES {
        // Those that lose data are among those that are shown.
        denials.sort_by_key(|judged| judged.rule != BACKGROUND_MOUNT);
    }
    let mut proposal = proposal(case).map(|elements| lists(subject, &elements)).unwrap_or_default();
    let mut causes = Vec::new();
    let mut bytes = 0;
    for judged in denials.iter().take(MOST_CAUSES) {
        let finding = &judged.finding;
        let place = subject.place(finding);
        let element = finding.site.as_ref().map(|site| site.element);
        let list =
            proposal.get_mut(finding.carrier).filter(|_| finding.place.is_none()).and_then(Option::take);
        let message = match list {
            Some(list) => {
                let field = subject.carriers.get(finding.carrier).map(|carrier| carrier.place.short());
                let field = field.unwrap_or_default();
                format!("{}; set {field}: {list}", at_most(headline(judged), LONGEST_CAUSE))
            }
            None => {
                at_most(format!("{}; {}", headline(judged), remedy::advice(subject, judged)), LONGEST_CAUSE)
            }
        };
        let field = place.map(|place| place.field(element)).unwrap_or_default();
        let field = at_most(field, LONGEST_CAUSE);
        bytes += length_within(&message) + length_within(&field);
        // At least one is shown: a denial without a cause helps no user.
        if bytes > MOST_BYTES && !causes.is_empty() {
            break;
        }
        // A missing option has a keyword, and neither site nor place.
        let is_there = finding.site.is_some() || finding.place.is_some() || finding.keyword.is_empty();
        let reason = if is_there { "FieldValueInvalid" } else { "FieldValueRequired" };
        causes.push(StatusCause { reason, message, field });
    }
    Causes { further: denials.len() - causes.len(), shown: causes }
}

/// The causes of a denial.
#[derive(Default)]
pub(super) struct Causes {
    shown: Vec<StatusCause>,
    /// The number of further ones.
    further: usize,
}

impl Causes {
    pub(super) const fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Returns true if no further one is shown.
    pub(super) const fn is_full(&self) -> bool {
        self.shown.len() >= MOST_CAUSES
    }

    /// Counts so many more.
    pub(super) const fn count_further(&mut self, more: usize) {
        self.further += more;
    }

    /// Adds those of another subject of the object.
    pub(super) fn append(&mut self, mut other: Self) {
        self.shown.append(&mut other.shown);
        self.further += other.further;
    }

    /// Returns as many causes as one denial has: if there are more, the last one has their number.
    pub(super) fn limited(mut self) -> Vec<StatusCause> {
        let room = if self.further > 0 { MOST_CAUSES - 1 } else { MOST_CAUSES };
        if self.shown.len() > room {
            // The last place is for the count of the others.
            self.further += self.shown.len() + 1 - MOST_CAUSES;
            self.shown.truncate(MOST_CAUSES - 1);
        }
        if self.further > 0 {
            self.shown.push(StatusCause {
                reason: "FieldValueInvalid",
                message: format!(
                    "{WHO}: {} denied too; nfs-mount-guard check lists all",
                    count::named(self.further, "further finding is", "further findings are")
                ),
                field: String::new(),
            });
        }
        self.shown
    }
}

/// Returns all causes in one text, for a controller's log.
pub(super) fn together(causes: &[StatusCause]) -> String {
    let sentences: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
    sentences.join("; ")
}

/// Returns `NMG001 background-mount`, with room for a sentence.
fn named(judged: &Judged) -> String {
    let mut text = String::new();
    judged.finding.code.push_to(&mut text);
    text.push(' ');
    text.push_str(judged.rule.name);
    text
}

/// Returns `NMG001 background-mount (nfs-mount-guard): what is wrong`.
fn headline(judged: &Judged) -> String {
    let mut text = named(judged);
    for part in [" (", WHO, "): ", &judged.finding.message.what] {
        text.push_str(part);
    }
    text
}

/// Returns the warnings of `/validate`: findings that only warn, denials that an update may keep or
/// that are only observed, exemptions that expire. Those of findings begin with the words of `of`.
pub(super) fn validate_warnings(case: &Case<'_, '_>, verdict: &Verdict, of: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |treatment, what| told.extend(verdict.with(treatment).map(|judged| (judged, what)));
    if verdict.decision != Decision::Deny {
        tell(Treatment::Denied, WOULD_BE_DENIED);
    }
    tell(Treatment::Repaired, "would be repaired: ");
    tell(Treatment::AlreadyPresent, "already present: ");
    tell(Treatment::Warned, "");
    told.extend(verdict.left.iter().map(|judged| (judged, WOULD_BE_DENIED)));
    warnings(Vec::new(), (of, &told), ending_exemptions(case, &verdict.evaluation))
}

/// Returns the warnings of `/mutate`: the danger that it removed, and the findings that `/validate`
/// will refuse.
pub(super) fn mutate_warnings(case: &Case<'_, '_>, verdict: &Verdict) -> Vec<String> {
    let mut done = Vec::new();
    if let Some(patch) = verdict.patch() {
        let carriers = case.subject.carriers.iter().zip(patch).enumerate();
        done.extend(carriers.flat_map(|(index, (carrier, elements))| {
            let of = repairs::Carried { carrier, index, defaults: case.subject.defaults };
            repairs::sentences(&verdict.evaluation, of, elements, verdict.is_enforced)
        }));
    }
    let would = if verdict.is_enforced { "will be denied: " } else { WOULD_BE_DENIED };
    let left: Vec<(&Judged, &str)> = verdict.left.iter().map(|judged| (judged, would)).collect();
    warnings(done, ("", &left), Vec::new())
}

/// Warnings of findings, each with the words before its sentence, between others. Only
/// those that are shown are written: there may be a thousand.
fn warnings(
    mut before: Vec<String>,
    (of, told): (&str, &[(&Judged, &str)]),
    after: Vec<String>,
) -> Vec<String> {
    let all = before.len() + told.len() + after.len();
    let room = MOST_WARNINGS.saturating_sub(before.len());
    let mut told: Vec<&(&Judged, &str)> = told.iter().collect();
    if told.len() > room {
        // The sort is stable: the others keep the order of the object.
        told.sort_by_key(|(judged, _)| judged.rule != BACKGROUND_MOUNT);
    }
    before.extend(told.iter().take(room).map(|(judged, what)| warning(judged, &format!("{of}{what}"))));
    before.extend(after);
    limited_of(before, all)
}

/// Returns the warnings of exemptions that end soon, and of names that exempt nothing.
fn ending_exemptions(case: &Case<'_, '_>, evaluation: &Evaluation) -> Vec<String> {
    let Case { policy, subject, today, .. } = *case;
    let mut used: Vec<usize> = evaluation
        .exempted
        .iter()
        .filter_map(|(_, exempt)| match exempt {
            Exempt::ByPolicy(index) => Some(*index),
            Exempt::ByAnnotation => None,
        })
        .collect();
    used.sort_unstable();
    // One warning for each exemption, however many findings it covers.
    used.dedup();
    used.iter()
        .filter_map(|index| {
            let exemption = policy.exemptions().get(*index)?;
            let days = exemption.days_left(today)?;
            Some(exemption_ends(subject.name, counted(days, "day"), &exemption.reason))
        })
        .chain(unknown_names(policy, subject).iter().map(|text| fitted(&format!("{WHO}: "), text)))
        .collect()
}

/// Returns the warnings for a template: it passes, and its Pods will not. Those of findings begin with the
/// words of `of`.
pub(super) fn template_warnings(case: &Case<'_, '_>, verdict: &Verdict, of: &str) -> Vec<String> {
    let is_enforced = verdict.is_enforced;
    let denied = if is_enforced { "its Pods will be denied: " } else { "its Pods would be denied: " };
    let mut told = Vec::new();
    let mut tell = |treatment, what| told.extend(verdict.with(treatment).map(|judged| (judged, what)));
    // An update of the template is evaluated by what it makes worse, and a new Pod has no past.
    let stays = if is_enforced { "already present: new Pods denied: " } else { "already present: " };
    tell(Treatment::Denied, denied);
    tell(Treatment::AlreadyPresent, stays);
    tell(Treatment::Warned, "");
    let mut others = exempt_templates(case, verdict);
    others.extend(ending_exemptions(case, &verdict.evaluation));
    warnings(Vec::new(), (of, &told), others)
}

/// Returns the warnings of findings that are exempt in a template and not in its Pods.
fn exempt_templates(case: &Case<'_, '_>, verdict: &Verdict) -> Vec<String> {
    let Case { policy, subject, today, .. } = *case;
    let denied = if verdict.is_enforced { "will be denied" } else { "would be denied" };
    let exempt = exempt_without_pods(policy, subject, &verdict.evaluation, today).into_iter();
    exempt
        .map(|(rule, by)| match by {
            Exempt::ByPolicy(index) => {
                let exemption = policy.exemptions().get(index);
                let keys = exemption.map(|exemption| exemption.keys_for_pods(subject)).unwrap_or_default();
                let head = format!("{} {}: exempt, but its Pods {denied}", rule.code, rule.name);
                exempt_without_its_pods(&head, &keys)
            }
            Exempt::ByAnnotation => format!(
                "{} {}: exempt, but its Pods {denied} without the annotation in their template",
                rule.code, rule.name
            ),
        })
        .collect()
}

/// Returns as many warnings as one response has: if there are more, the last one has their number.
pub(super) fn limited(warnings: Vec<String>) -> Vec<String> {
    let all = warnings.len();
    limited_of(warnings, all)
}

/// Returns the same of the first of `all` warnings.
fn limited_of(mut warnings: Vec<String>, all: usize) -> Vec<String> {
    if all > MOST_WARNINGS {
        warnings.truncate(MOST_WARNINGS - 1);
        let left = all - warnings.len();
        warnings.push(format!(
            "{WHO}: {} not shown",
            count::named(left, "further finding is", "further findings are")
        ));
    }
    warnings
}

/// Returns the beginning of `text`, at most `most` characters long. No escape, as `{:?}` writes
/// them, is cut in two.
pub fn at_most(text: String, most: usize) -> String {
    if text.len() <= most || text.chars().count() <= most {
        return text;
    }
    // Room for the dots.
    let most = most.saturating_sub(3);
    let (mut end, mut kept) = (0, 0);
    let mut rest = text.as_str();
    while let Some(length) = unit(rest) {
        let unit = rest.get(..length).unwrap_or_default();
        kept += unit.chars().count();
        if kept > most {
            break;
        }
        end += length;
        rest = rest.get(length..).unwrap_or_default();
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// Returns bytes of the character that `text` begins with, or of its escape.
fn unit(text: &str) -> Option<usize> {
    let mut characters = text.chars();
    let first = characters.next()?;
    let Some(second) = characters.next().filter(|_| first == '\\') else {
        return Some(first.len_utf8());
    };
    // The longest is \u{10ffff}.
    let code = text.strip_prefix("\\u{").and_then(|code| code.find('}')).filter(|digits| *digits <= 6);
    Some(code.map_or(1 + second.len_utf8(), |digits| "\\u{}".len() + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_escapes() {
        let cut = |text: &str, most| at_most(text.to_owned(), most);
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("äöüß€éàè", 6), "äöü...");
        assert_eq!(cut("ab\\u{1b}cdefgh", 9), "ab...");
        assert_eq!(cut("ab\\u{1b}cdefgh", 11), "ab\\u{1b}...");
        assert_eq!(cut("ab\\\\\\\\cdef", 6), "ab...");
        assert_eq!(cut("ab\\\\\\\\cdef", 8), "ab\\\\...");
        assert_eq!(cut("ab\\", 2), "...");
        assert_eq!(cut(&"\\u{".repeat(9), 8).len(), 8);
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(name("a"), "a");
        assert_eq!(name(&"€".repeat(300)), "€".repeat(253));
    }

    #[test]
    fn a_denial_has_twenty_causes_and_the_last_says_how_many_more_there_are() {
        let cause =
            || StatusCause { reason: "FieldValueInvalid", message: "m".to_owned(), field: String::new() };
        let causes =
            |shown, further| Causes { shown: std::iter::repeat_with(cause).take(shown).collect(), further };
        for (each, shown, last) in [
            (vec![causes(3, 0)], 3, None),
            (vec![causes(20, 0)], 20, None),
            (vec![causes(20, 20)], 20, Some(21)),
            (vec![causes(12, 0), causes(12, 0)], 20, Some(5)),
            (vec![causes(5, 7), causes(12, 0)], 18, Some(7)),
            (vec![causes(20, 5), causes(20, 1)], 20, Some(27)),
        ] {
            let mut all = Causes::default();
            for causes in each {
                all.append(causes);
            }
            let limited = all.limited();
            assert_eq!(limited.len(), shown);
            let said = limited.last().map(|cause| cause.message.clone()).unwrap_or_default();
            let wanted = last.map(|count| {
                format!("{WHO}: {count} further findings are denied too; nfs-mount-guard check lists all")
            });
            assert_eq!(said, wanted.unwrap_or_else(|| "m".to_owned()));
        }
    }
}
