//! What becomes of one subject: the decision of the engine as an answer to the
//! API server and as a record for log and metrics.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{AuditAnnotations, PatchOperation, PatchValue, Request, Response, Status, StatusDetails};
use super::{Answer, Question, Record, answer, message};
use crate::engine::decide::{self, Before, Decision, Outcome};
use crate::engine::fix::Elements;
use crate::engine::{Evaluation, evaluate};
use crate::finding::{Action, Code};
use crate::subject::Subject;

/// One subject, judged.
pub(super) struct Judgement<'j, 'm> {
    pub(super) question: &'j Question<'j>,
    pub(super) request: &'j Request<'j, crate::subject::manifest::Manifest<'j>>,
    pub(super) subject: &'j Subject<'m>,
    pub(super) evaluation: &'j Evaluation,
    pub(super) before: Option<Before<'j, 'm>>,
}

impl Judgement<'_, '_> {
    pub(super) fn validate(&self, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
        let policy = self.question.policy;
        let outcome = decide::validate(policy, self.subject, self.evaluation, self.before);
        let warnings =
            message::validate_warnings(policy, self.subject, self.evaluation, &outcome, self.question.today);
        let status = (outcome.decision == Decision::Deny).then(|| {
            let causes = message::causes(policy, self.subject, &outcome.denials, self.question.today);
            let sentences: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
            Status {
                status: "Failure",
                message: sentences.join("; "),
                reason: "Invalid",
                code: 422,
                details: StatusDetails {
                    name: self.name(),
                    group: self.subject.kind.group(),
                    kind: self.subject.kind.as_str(),
                    causes,
                },
            }
        });
        self.conclude(&outcome, self.evaluation, "", "", status, warnings, observe)
    }

    pub(super) fn mutate(&self, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
        let policy = self.question.policy;
        let outcome = decide::mutate(policy, self.subject, self.evaluation, self.before);
        let Decision::Patch(elements) = &outcome.decision else {
            let refused = decide::validate(policy, self.subject, self.evaluation, self.before);
            let warnings = message::mutate_warnings(policy, self.subject, self.evaluation, None, &refused);
            return self.conclude(&outcome, self.evaluation, "", "", None, warnings, observe);
        };
        let patched = self.subject.with_elements(elements);
        let left = evaluate(policy, &patched, self.question.today);
        let refused = decide::validate(policy, &patched, &left, self.before);
        let warnings =
            message::mutate_warnings(policy, self.subject, self.evaluation, Some(&patched), &refused);
        let after = patched.effective();
        let patch = json_patch(self.subject, elements);
        self.conclude(&outcome, self.evaluation, &after, &patch, None, warnings, observe)
    }

    fn name(&self) -> &str {
        let asked = self.request.name.as_deref().unwrap_or_default();
        if asked.is_empty() { self.subject.name } else { asked }
    }

    #[allow(clippy::too_many_arguments, reason = "one call site each for the two endpoints")]
    fn conclude(
        &self,
        outcome: &Outcome<'_, '_>,
        evaluation: &Evaluation,
        after: &str,
        patch: &str,
        status: Option<Status<'_>>,
        warnings: Vec<String>,
        observe: &mut dyn FnMut(&Record<'_>),
    ) -> Answer {
        let before = self.subject.effective();
        let exempted: Vec<Code> = evaluation.exempted.iter().map(|(finding, _)| finding.code).collect();
        let decision = outcome.decision.as_str();
        observe(&Record {
            uid: &self.request.uid,
            endpoint: self.question.endpoint,
            operation: self.request.operation.as_deref().unwrap_or_default(),
            kind: self.subject.kind.as_str(),
            name: self.name(),
            user: self.request.user_info.username.as_deref().unwrap_or_default(),
            dry_run: self.request.dry_run.unwrap_or_default(),
            driver: self.subject.driver_name,
            nfs: Some(self.subject.nfs),
            decision,
            withheld: outcome.withheld.as_ref().map(Decision::as_str),
            findings: &evaluation.findings,
            exempted: &exempted,
            options_before: &before,
            options_after: if patch.is_empty() { &before } else { after },
            patch,
            error: "",
        });
        let codes = |codes: &mut dyn Iterator<Item = Code>| {
            let mut codes: Vec<String> = codes.map(|code| code.to_string()).collect();
            codes.sort_unstable();
            codes.dedup();
            codes.join(",")
        };
        answer(Response {
            uid: &self.request.uid,
            allowed: status.is_none(),
            status,
            patch: (!patch.is_empty()).then(|| STANDARD.encode(patch)),
            patch_type: (!patch.is_empty()).then_some("JSONPatch"),
            warnings,
            audit_annotations: AuditAnnotations {
                decision: Some(decision),
                rules: codes(
                    &mut evaluation
                        .findings
                        .iter()
                        .filter(|judged| judged.action > Action::Off)
                        .map(|judged| judged.finding.code),
                ),
                exempted: codes(&mut exempted.iter().copied()),
                policy: self.question.policy.fingerprint().to_string(),
            },
        })
    }
}

/// The patch that turns the subject's carriers into `elements`: one `add` or
/// `replace` a carrier, and never a `test`, whose failure would be an error
/// for the user even where the webhook may be ignored.
fn json_patch(subject: &Subject<'_>, elements: &Elements<'_>) -> String {
    let operations: Vec<PatchOperation<'_>> = subject
        .carriers
        .iter()
        .zip(elements)
        .filter(|(carrier, elements)| {
            carrier.place.is_patchable()
                && !elements.iter().map(|element| &**element).eq(carrier.elements.iter().copied())
        })
        .map(|(carrier, elements)| PatchOperation {
            op: if carrier.present { "replace" } else { "add" },
            path: carrier.place.pointer(None),
            value: match carrier.form {
                crate::subject::carrier::Form::List => PatchValue::List(elements),
                _ => PatchValue::Text(elements.first().map_or("", |element: &Cow<'_, str>| element)),
            },
        })
        .collect();
    serde_json::to_string(&operations).unwrap_or_default()
}
