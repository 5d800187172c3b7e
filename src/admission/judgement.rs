//! Renders the verdict on one subject: the decision of the engine as an answer to the API server
//! and as a record for log and metrics.

use super::response::{AuditAnnotations, Response, Status, StatusCause, StatusDetails};
use super::wire::Request;
use super::{Answer, Endpoint, Question, Record, answer, message};
use crate::engine::decide::Decision;
use crate::engine::fix::Elements;
use crate::engine::judge::{Case, Verdict};
use crate::finding::Code;
use crate::kind::Kind;
use crate::subject::Subject;
use crate::subject::carrier::Form;
use nfs_mount_guard_json::push_string;

/// One subject, evaluated: the request that it came with, and the verdict.
pub(super) struct Judgement<'j, 'm, O> {
    pub(super) question: &'j Question<'j>,
    pub(super) request: &'j Request<'j, O>,
    pub(super) case: Case<'j, 'm>,
    pub(super) verdict: Verdict,
}

impl<O> Judgement<'_, '_, O> {
    /// Builds the answer to the API server; `observe` gets the decision.
    pub(super) fn answer(&self, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
        let Self { case, verdict, .. } = self;
        let is_denied = verdict.decision == Decision::Deny;
        let status = is_denied
            .then(|| refusal(self.name(), case.subject.kind, message::causes(case, verdict).limited()));
        let warnings = match case.endpoint {
            Endpoint::Validate => message::validate_warnings(case, verdict, ""),
            Endpoint::Mutate => message::mutate_warnings(case, verdict),
        };
        let patch = match &verdict.decision {
            Decision::Patch(elements) => json_patch(case.subject, elements),
            Decision::Allow | Decision::Deny => String::new(),
        };
        self.conclude(Said { status, warnings: &warnings, patch: &patch }, observe)
    }

    fn name(&self) -> &str {
        self.request.name_or(self.case.subject.name)
    }

    fn conclude(&self, said: Said<'_>, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
        let Self { case: Case { subject, .. }, verdict: Verdict { evaluation, .. }, .. } = self;
        let Said { status, warnings, patch } = said;
        let before = subject.effective();
        let after = self.verdict.effective_after.as_deref().filter(|_| !patch.is_empty());
        let rules = each_once(evaluation.findings.iter().map(|judged| judged.finding.code));
        let exempted = each_once(evaluation.exempted.iter().map(|(finding, _)| finding.code));
        let decision = self.verdict.decision.as_str();
        observe(&Record {
            kind: subject.kind.as_str(),
            name: self.name(),
            driver: subject.driver_name,
            nfs: Some(subject.nfs),
            decision,
            would_be: self.verdict.would_be.as_ref().map(Decision::as_str),
            findings: &evaluation.findings,
            treatments: &self.verdict.treatments,
            rules: &rules,
            exempted: &exempted,
            options_before: &before,
            options_after: after.unwrap_or(&before),
            patch,
            disbelieved: subject.disbelieved_provisioner().unwrap_or_default(),
            ..Record::of(self.request, self.question.endpoint)
        });
        answer(&Response {
            uid: &self.request.uid,
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

/// The parts of a response other than the decision.
struct Said<'s> {
    status: Option<Status<'s>>,
    warnings: &'s [String],
    patch: &'s str,
}

/// Returns a denial for these causes.
pub(super) fn refusal(name: &str, kind: Kind, causes: Vec<StatusCause>) -> Status<'_> {
    Status {
        status: "Failure",
        message: message::together(&causes),
        // The API server's own validation answers so: kubectl then prints the causes, one a line.
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

/// Returns each of some codes once, in order.
pub(super) fn each_once(codes: impl Iterator<Item = Code>) -> Vec<Code> {
    let mut codes: Vec<Code> = codes.collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Returns the patch that turns the subject's carriers into `elements`: one `add` or `replace` a
/// carrier, and never a `test`, whose failure would be an error for the user even where the webhook
/// may be ignored.
fn json_patch(subject: &Subject<'_>, elements: &Elements<'_>) -> String {
    // Room for the usual list of five or six options without a second allocation.
    let mut patch = String::with_capacity(256);
    for (carrier, elements) in subject.carriers.iter().zip(elements) {
        let is_same = elements.iter().map(|element| &**element).eq(carrier.elements.iter().copied());
        if is_same || !carrier.place.is_patchable() {
            continue;
        }
        // `replace` of a member that is not there is an error (RFC 6902, 4.3), `add` of one that is
        // there replaces it.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::date;

    use super::super::{Endpoint, Question, review};
    use crate::policy::Policy;

    /// Returns the name in the log and the answer to a request that has none.
    fn named(kind: &Value, object: &Value) -> (String, Value) {
        let request = json!({"uid": "u", "operation": "CREATE", "kind": kind, "object": object});
        let body =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let (body, policy) = (body.to_string(), Policy::default());
        let endpoint = Endpoint::Validate;
        let question =
            Question { endpoint, body: body.as_bytes(), policy: &policy, today: date!(2026 - 11 - 30) };
        let mut name = String::new();
        let answer = review(&question, &mut |record| record.name.clone_into(&mut name));
        (name, serde_json::from_slice(&answer.body).expect("JSON"))
    }

    #[test]
    fn an_object_that_the_server_names_is_called_by_the_beginning_of_its_name() {
        let group = json!({"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"});
        for metadata in [json!({"generateName": "fast-"}), json!({"generateName": "fast-", "name": ""})] {
            for (provisioner, options) in [
                ("nfs.csi.k8s.io", json!(["bg"])),
                ("nfs.csi.k8s.io", json!(["hard", "fg", "timeo=600", "retrans=2"])),
                ("ebs.csi.aws.com", json!(["noatime"])),
                ("nfs.csi.k8s.io", json!(5)),
            ] {
                let class =
                    json!({"metadata": metadata, "provisioner": provisioner, "mountOptions": options});
                let (name, answer) = named(&group, &class);
                assert_eq!(name, "fast-", "{class}");
                let is_denied = answer["response"]["allowed"] == false;
                let told = &answer["response"]["status"]["details"]["name"];
                assert!(!is_denied || *told == "fast-", "{answer}");
            }
        }
        let pod =
            |volumes: Value| json!({"metadata": {"generateName": "web-"}, "spec": {"volumes": volumes}});
        let of_pods = json!({"group": "", "version": "v1", "kind": "Pod"});
        let bg = json!([{"name": "a", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"mountOptions": "bg"}}}]);
        for volumes in [bg, json!([]), json!([{"name": "a", "csi": {"driver": 5}}])] {
            let (name, answer) = named(&of_pods, &pod(volumes));
            assert_eq!(name, "web-", "{answer}");
        }
        let claim = json!({"group": "", "version": "v1", "kind": "PersistentVolumeClaim"});
        assert_eq!(named(&claim, &json!({"metadata": {"generateName": "data-"}})).0, "data-");
    }
}
