//! What becomes of one subject: the decision of the engine as an answer to the
//! API server and as a record for log and metrics.

use super::json::push_string;
use super::response::{AuditAnnotations, Response, Status, StatusCause, StatusDetails};
use super::wire::Request;
use super::{Answer, Question, Record, answer, message};
use crate::engine::decide::{self, Before, Decision, Outcome};
use crate::engine::fix::{Elements, Scope};
use crate::engine::{Evaluation, Judged, evaluate};
use crate::finding::{Action, Code};
use crate::kind::Kind;
use crate::policy::Mode;
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// One subject, judged.
pub(super) struct Judgement<'j, 'm> {
    pub(super) question: &'j Question<'j>,
    /// Whether only the object's status and metadata change.
    pub(super) is_status: bool,
    pub(super) subject: &'j Subject<'m>,
    pub(super) evaluation: &'j Evaluation,
    pub(super) before: Option<Before<'j, 'm>>,
}

impl Judgement<'_, '_> {
    /// What `/validate` says of the subject: the outcome, and the warnings.
    pub(super) fn validation(&self) -> (Outcome<'_>, Vec<String>) {
        let policy = self.question.policy;
        let mut outcome = decide::validate(policy, self.subject, self.evaluation, self.before);
        let repaired = self.repaired_before_observing(&outcome);
        if repaired.is_some() && outcome.denials.iter().all(|judged| !is_left(repaired.as_ref(), judged)) {
            // With both webhooks the request would have passed.
            outcome.withheld = None;
        }
        let warnings = message::validate_warnings(
            policy,
            self.subject,
            self.evaluation,
            &outcome,
            repaired.as_ref(),
            self.question.today,
        );
        (outcome, warnings)
    }

    /// The causes of a denial.
    pub(super) fn causes(&self, outcome: &Outcome<'_>) -> Vec<StatusCause> {
        message::causes(self.question.policy, self.subject, &outcome.denials, self.question.today)
    }

    pub(super) fn validate<O>(
        &self,
        request: &Request<'_, O>,
        observe: &mut dyn FnMut(&Record<'_>),
    ) -> Answer {
        let (outcome, warnings) = self.validation();
        let is_denied = outcome.decision == Decision::Deny;
        let status = is_denied.then(|| refusal(self.name(request), self.subject.kind, self.causes(&outcome)));
        let said = Said { status, warnings: &warnings, ..Said::default() };
        self.conclude(request, &outcome, said, observe)
    }

    pub(super) fn mutate<O>(&self, request: &Request<'_, O>, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
        let policy = self.question.policy;
        let mutate = if self.is_status { decide::mutate_status } else { decide::mutate };
        let outcome = mutate(policy, self.subject, self.evaluation, self.before);
        let patch = [Some(&outcome.decision), outcome.withheld.as_ref()];
        let elements = patch.into_iter().flatten().find_map(|decision| match decision {
            Decision::Patch(elements) => Some(elements),
            _ => None,
        });
        let Some(elements) = elements else {
            let refused = decide::validate(policy, self.subject, self.evaluation, self.before);
            let warnings = message::mutate_warnings(policy, self.subject, self.evaluation, None, &refused);
            let said = Said { warnings: &warnings, ..Said::default() };
            return self.conclude(request, &outcome, said, observe);
        };
        let patched = self.subject.with_elements(elements);
        let left = evaluate(policy, &patched, self.question.today);
        let refused = decide::validate(policy, &patched, &left, self.before);
        let warnings =
            message::mutate_warnings(policy, self.subject, self.evaluation, Some(&patched), &refused);
        if outcome.withheld.is_some() {
            let said = Said { warnings: &warnings, ..Said::default() };
            return self.conclude(request, &outcome, said, observe);
        }
        let after = patched.effective();
        let patch = json_patch(self.subject, elements);
        let said = Said { status: None, warnings: &warnings, patch: &patch, after: &after };
        self.conclude(request, &outcome, said, observe)
    }

    /// Where the policy only observes and would refuse: what would be said of the
    /// object once the mutating webhook had repaired it.
    fn repaired_before_observing(&self, outcome: &Outcome<'_>) -> Option<Evaluation> {
        let stays = !outcome.denials.is_empty() || !outcome.grandfathered.is_empty();
        (self.question.policy.mode() == Mode::Observe && stays).then_some(())?;
        let scope = if self.is_status { Scope::STATUS } else { Scope::WEBHOOK };
        let elements = decide::repaired(scope, self.subject, self.evaluation, self.before)?;
        Some(evaluate(self.question.policy, &self.subject.with_elements(&elements), self.question.today))
    }

    fn name<'n, O>(&'n self, request: &'n Request<'_, O>) -> &'n str {
        let asked = request.name.as_deref().unwrap_or_default();
        if asked.is_empty() { self.subject.name } else { asked }
    }

    fn conclude<O>(
        &self,
        request: &Request<'_, O>,
        outcome: &Outcome<'_>,
        said: Said<'_>,
        observe: &mut dyn FnMut(&Record<'_>),
    ) -> Answer {
        let Said { status, warnings, patch, after } = said;
        let before = self.subject.effective();
        let rules = each_once(self.evaluation.findings.iter().map(|judged| judged.finding.code));
        let exempted = each_once(self.evaluation.exempted.iter().map(|(finding, _)| finding.code));
        let decision = outcome.decision.as_str();
        observe(&Record {
            kind: self.subject.kind.as_str(),
            name: self.name(request),
            driver: self.subject.driver_name,
            nfs: Some(self.subject.nfs),
            decision,
            withheld: outcome.withheld.as_ref().map(Decision::as_str),
            findings: &self.evaluation.findings,
            rules: &rules,
            exempted: &exempted,
            options_before: &before,
            options_after: if patch.is_empty() { &before } else { after },
            patch,
            disbelieved: self.subject.disbelieved_provisioner().unwrap_or_default(),
            ..Record::of(request, self.question.endpoint)
        });
        answer(&Response {
            uid: &request.uid,
            status,
            patch,
            warnings,
            audit: Some(AuditAnnotations {
                decision,
                rules: &rules,
                exempted: &exempted,
                policy: self.question.policy.fingerprint().as_str(),
            }),
        })
    }
}

/// What an answer holds beside the decision.
#[derive(Default)]
struct Said<'s> {
    status: Option<Status<'s>>,
    warnings: &'s [String],
    patch: &'s str,
    /// The string mount.nfs gets after the patch.
    after: &'s str,
}

/// A denial for these causes.
pub(super) fn refusal(name: &str, kind: Kind, causes: Vec<StatusCause>) -> Status<'_> {
    Status {
        status: "Failure",
        message: message::together(&causes),
        reason: "Invalid",
        code: 422,
        details: StatusDetails {
            name: message::name(name),
            group: kind.group(),
            kind: kind.as_str(),
            causes,
        },
    }
}

/// Whether a denial is still there after the repair.
pub(super) fn is_left(repaired: Option<&Evaluation>, judged: &Judged) -> bool {
    let of = |judged: &Judged| (judged.finding.code, judged.finding.carrier, judged.finding.keyword.clone());
    repaired.is_none_or(|repaired| repaired.with(Action::Deny).any(|left| of(left) == of(judged)))
}

/// Each of some codes once, in order.
pub(super) fn each_once(codes: impl Iterator<Item = Code>) -> Vec<Code> {
    let mut codes: Vec<Code> = codes.collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The patch that turns the subject's carriers into `elements`: one `add` or
/// `replace` a carrier, and never a `test`, whose failure would be an error
/// for the user even where the webhook may be ignored.
fn json_patch(subject: &Subject<'_>, elements: &Elements<'_>) -> String {
    let mut patch = String::with_capacity(256);
    for (carrier, elements) in subject.carriers.iter().zip(elements) {
        let is_same = elements.iter().map(|element| &**element).eq(carrier.elements.iter().copied());
        if is_same || !carrier.place.is_patchable() {
            continue;
        }
        let operation = if carrier.present { "replace" } else { "add" };
        patch.push_str(if patch.is_empty() { "[{\"op\":\"" } else { ",{\"op\":\"" });
        patch.push_str(operation);
        patch.push_str("\",\"path\":");
        push_string(&mut patch, &carrier.place.pointer(None));
        patch.push_str(",\"value\":");
        if carrier.form == Form::List {
            for (index, element) in elements.iter().enumerate() {
                patch.push(if index == 0 { '[' } else { ',' });
                push_string(&mut patch, element);
            }
            patch.push_str(if elements.is_empty() { "[]" } else { "]" });
        } else {
            push_string(&mut patch, elements.first().map_or("", |element| element));
        }
        patch.push('}');
    }
    patch.push_str(if patch.is_empty() { "" } else { "]" });
    patch
}
