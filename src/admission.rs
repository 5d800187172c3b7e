//! From the bytes of an AdmissionReview to the bytes of its answer. Pure: who
//! listens, logs and counts is not here.

mod judgement;
pub mod message;
mod path;
#[cfg(test)]
mod quick_reading;
mod record;
pub mod replay;
mod response;
pub mod uid;
mod unreadable;
pub mod wire;
mod workload;

use nfs_mount_guard_json::from_slice;
use serde::Deserialize;
use serde::de::IgnoredAny;
use time::Date;

use crate::engine;
use crate::engine::judge::Case;
pub use crate::engine::judge::Endpoint;
use crate::kind::Kind;
use crate::policy::Policy;
use crate::source::asked::Lack;
use crate::subject::Subject;
use crate::subject::carrier::Carrier;
use crate::subject::driver::Nfs;
use crate::subject::manifest::{Manifest, Metadata};
use judgement::Judgement;
pub use record::Record;
use response::Response;
use unreadable::Fault;
use wire::{API_VERSION, FullReview, Request, Review};

/// A body and how to evaluate it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The body of the HTTP request.
    pub body: &'q [u8],
    /// The policy that holds for this request from beginning to end.
    pub policy: &'q Policy,
    /// The day, for exemptions that end.
    pub today: Date,
}

/// The response to send over HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 with an AdmissionReview, or 400 for a body without a uid.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Returns the answer to a body in which no uid can be found.
pub fn without_uid() -> Answer {
    Answer {
        status: 400,
        body: b"no AdmissionReview with a request.uid could be read in the body\n".to_vec(),
    }
}

/// Answers one body. `observe` gets the decision, once, unless the body has no
/// uid.
pub fn review(question: &Question<'_>, observe: &mut dyn FnMut(&Record<'_>)) -> Answer {
    review_at_most(question, usize::MAX, observe).unwrap_or_else(without_uid)
}

/// Reviews as [`review`] does, where that takes no longer than it does for a list as people write it;
/// `None`, and nothing is observed, where it may.
pub fn review_quickly(question: &Question<'_>, observe: &mut dyn FnMut(&Record<'_>)) -> Option<Answer> {
    review_at_most(question, QUICK_OPTIONS, observe)
}

/// Most bytes of options, in the object and the one before it, that are evaluated
/// quickly. Real lists have 50 to 200.
const QUICK_OPTIONS: usize = 1024;

/// Longest body: 3 MiB a request as the API server takes it, times 6 for JSON
/// escapes, times 2 objects, and a little.
pub const LONGEST_BODY: usize = 48 * 1024 * 1024;

/// Longest uid that is repeated; those of an API server have 36 bytes.
const LONGEST_UID: usize = 1024;

/// Reviews as [`review`] does; `None` where the options have more than `most` bytes.
fn review_at_most(
    question: &Question<'_>,
    most: usize,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Option<Answer> {
    let review = nfs_mount_guard_json::read(question.body).map_or_else(|| from_slice(question.body), Ok);
    Some(match review as serde_json::Result<FullReview<'_>> {
        Ok(review) if review.request.uid.len() > LONGEST_UID => without_uid(),
        Ok(review) if review.api_version.as_deref() == Some(API_VERSION) => {
            let asked = review.request.asked();
            if let Err(lack) = asked.judged_kind() {
                return Some(lacking(question, &review.request, lack, observe));
            }
            // The text is read once more there, as the kind that it is.
            if asked.named_kind().and_then(Kind::pod_spec).is_some() {
                return workload::review(question, most, observe);
            }
            return judge(question, &review.request, most, observe);
        }
        Ok(review) => {
            let version = review.api_version.as_deref().unwrap_or_default();
            let cause = format!("apiVersion {version:?} is not supported");
            let remedy = "set admissionReviewVersions: [v1] in the webhook configuration";
            let fault = Fault::of_request(cause, remedy);
            unreadable::refuse(question, &review.request.uid, UNNAMED, &fault, observe)
        }
        Err(error) => unparsed(question, &error, observe),
    })
}

/// Says of a request that nothing is read of it.
const UNNAMED: (Option<&Request<'_, IgnoredAny>>, &str) = (None, "");

/// Answers a request without a field that every API server sends.
fn lacking(
    question: &Question<'_>,
    request: &Request<'_, Manifest<'_>>,
    lack: Lack<'_>,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    let metadata = request.object.as_ref().and_then(|object| object.metadata.as_ref());
    let name = metadata.map(Metadata::name).unwrap_or_default();
    let fault = Fault::of_request(format!("request.{} {lack}", lack.field()), unreadable::SEND_REVIEW);
    unreadable::refuse(question, &request.uid, (Some(request), name), &fault, observe)
}

/// Returns the uid of a body that is not what the schema wants.
fn uid_of(body: &[u8]) -> Option<String> {
    uid::find_uid(body).filter(|uid| uid.len() <= LONGEST_UID)
}

/// Answers a body of which only the beginning is at hand: too long, or no
/// memory left for it. `reason` says why.
pub fn review_truncated(
    question: &Question<'_>,
    reason: &str,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    match uid_of(question.body) {
        Some(uid) => unreadable::refuse(question, &uid, UNNAMED, &Fault::of_transport(reason), observe),
        None => Answer { status: 413, body: format!("{reason}\n").into_bytes() },
    }
}

/// Returns a body that is not what the schema wants: find out how much can be read.
fn unparsed(
    question: &Question<'_>,
    error: &serde_json::Error,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    let Some(uid) = uid_of(question.body) else {
        return without_uid();
    };
    let envelope = from_slice::<Review<'_, IgnoredAny>>(question.body).ok();
    let request = envelope.as_ref().map(|review| &review.request);
    // The fault may be in anything but the name.
    let named = from_slice::<Review<'_, Named<'_>>>(question.body).ok();
    let named = named.as_ref().and_then(|review| review.request.object.as_ref()?.metadata.as_ref());
    let name = named.map(Metadata::name).unwrap_or_default();
    // An object that is not evaluated is admitted, whatever else is wrong with it.
    if let Some(request) = request.filter(|request| request.asked().judged_kind() == Ok(None)) {
        return pass(question, request, &Passed { name, ..Passed::default() }, observe);
    }
    unreadable::refuse(question, &uid, (request, name), &Fault::of_body(question.body, error), observe)
}

/// An object of which nothing but its metadata is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Named<'a> {
    metadata: Option<Metadata<'a>>,
}

/// Returns the kind of the object that a request creates or updates; `None` where it is not evaluated.
fn judged_kind<O>(request: &Request<'_, O>) -> Option<Kind> {
    request.asked().judged_kind().ok().flatten()
}

fn judge(
    question: &Question<'_>,
    request: &Request<'_, Manifest<'_>>,
    most: usize,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Option<Answer> {
    let (Some(kind), Some(object)) = (judged_kind(request), &request.object) else {
        let metadata = request.object.as_ref().and_then(|object| object.metadata.as_ref());
        let name = metadata.map(Metadata::name).unwrap_or_default();
        return Some(pass(question, request, &Passed { name, ..Passed::default() }, observe));
    };
    let policy = question.policy;
    let user = request.user();
    let lay_out = |object| {
        let mut subject = Subject::of_kind(kind, object, policy.drivers());
        // Anyone who may create a volume may write the annotation that names its provisioner.
        if !policy.believes_provisioner(user) {
            subject.provisioned_by = None;
        }
        subject
    };
    let subject = lay_out(object);
    if subject.nfs == Nfs::No {
        let passed = Passed { name: subject.name, driver: subject.driver_name, nfs: Some(Nfs::No) };
        return Some(pass(question, request, &passed, observe));
    }
    let old = request
        .old_object
        .as_ref()
        // A caller that is no API server may send an old object with a CREATE.
        .filter(|_| request.operation.as_deref() == Some("UPDATE"))
        .map(|old| lay_out(old));
    let carriers = subject.carriers.iter().chain(old.iter().flat_map(|old| &old.carriers));
    let strays = subject.misplaced.iter().chain(old.iter().flat_map(|old| old.misplaced));
    let of_strays = strays.flat_map(|stray| &stray.texts).map(String::len).sum::<usize>();
    // Before the evaluation, whose time grows with the options.
    if carriers.map(Carrier::length).sum::<usize>() + of_strays > most {
        return None;
    }
    let case = Case {
        policy,
        subject: &subject,
        before: old.as_ref(),
        today: question.today,
        endpoint: question.endpoint,
        is_status: request.is_status(),
    };
    let verdict = engine::judge::judge(&case);
    Some(Judgement { question, request, case, verdict }.answer(observe))
}

/// The log entry of an object that is not evaluated; its name counts where the request has none.
#[derive(Debug, Clone, Copy, Default)]
struct Passed<'p> {
    name: &'p str,
    driver: &'p str,
    nfs: Option<Nfs>,
}

/// Allows what is not evaluated.
fn pass<O>(
    question: &Question<'_>,
    request: &Request<'_, O>,
    passed: &Passed<'_>,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    let Passed { name, driver, nfs } = *passed;
    observe(&Record { name: request.name_or(name), driver, nfs, ..Record::of(request, question.endpoint) });
    answer(&Response { uid: &request.uid, status: None, patch: "", warnings: &[], audit: None })
}

fn answer(response: &Response<'_>) -> Answer {
    Answer { status: 200, body: response.to_json() }
}
