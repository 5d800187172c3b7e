//! Requests for Pods and for what makes Pods: each inline CSI volume is evaluated,
//! and nothing is ever patched, for a Pod that differs from its template is
//! taken for outdated by its controller.

mod said;

use nfs_mount_guard_json::from_slice;

use super::judgement::{each_once, refusal};
use super::response::{AuditAnnotations, Response};
use super::wire::{API_VERSION, Request, Review};
use super::{Answer, Endpoint, Passed, Question, Record, answer, judged_kind, message, pass, unparsed};
use crate::engine;
use crate::engine::judge::Case;
use crate::kind::{Kind, Reach};
use crate::policy::Mode;
use crate::site::InlineVolume;
use crate::subject::carrier::Carrier;
use crate::subject::driver::Nfs;
use crate::subject::manifest::Metadata;
use crate::subject::workload::{Inline, Workload};
use crate::subject::{DriverSetting, Subject};
use said::Said;

/// Answers a review of a workload; `None` where its options have more than
/// `most` bytes.
pub(super) fn review(
    question: &Question<'_>,
    most: usize,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Option<Answer> {
    match from_slice::<Review<'_, Workload<'_>>>(question.body) {
        Ok(review) if review.api_version.as_deref() == Some(API_VERSION) => {
            judge(question, review.request, most, observe)
        }
        // It was read once already: the version is the one that is spoken.
        Ok(review) => Some(pass(question, &review.request, &Passed::default(), observe)),
        Err(error) => Some(unparsed(question, &error, observe)),
    }
}

/// An inline volume with the one of the same name before the update.
struct Pair<'p> {
    volume: InlineVolume,
    new: Inline<'p>,
    old: Option<Inline<'p>>,
}

impl Pair<'_> {
    /// Returns the words before a warning that tell the volume from the others: its name, or its place where
    /// the name would leave too little room for the fault.
    fn words(&self) -> String {
        const LONGEST: usize = 30;
        match self.new.name.as_deref() {
            Some(name) if (1..=LONGEST).contains(&name.len()) => format!("volume {name}: "),
            _ => format!("volumes[{}]: ", self.new.index),
        }
    }
}

fn judge(
    question: &Question<'_>,
    mut request: Request<'_, Workload<'_>>,
    most: usize,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Option<Answer> {
    let kind = judged_kind(&request);
    let metadata = request.object.as_ref().and_then(|object| object.metadata.as_ref());
    // Most requests have a name: only one without is given that of its object.
    let own_name = metadata.map(Metadata::name).filter(|_| request.name_or("").is_empty());
    let own_name = own_name.unwrap_or_default().to_owned();
    let passed = Passed { name: &own_name, ..Passed::default() };
    let (object, old) = (request.object.take(), request.old_object.take());
    let is_update = request.operation.as_deref() == Some("UPDATE");
    // An old object of another operation, such as a deletion, is no former state.
    let pairs = kind.zip(object).map(|(kind, object)| pairs(kind, *object, old.filter(|_| is_update)));
    let (Some(kind), Some(pairs), Endpoint::Validate) = (kind, pairs, question.endpoint) else {
        return Some(pass(question, &request, &passed, observe));
    };
    let inline = InlineVolumes {
        settings: question.policy.drivers(),
        // The request is about one namespace, which its object may leave out.
        namespace: request.namespace.as_deref(),
    };
    // One at a time: together hundreds of long lists would fill the memory.
    let mut bytes = 0;
    let mut of_nfs = Vec::new();
    for pair in &pairs {
        let (new, old) = inline.subjects(pair);
        // Most Pods have none left, and get the shortest answer.
        if new.nfs != Nfs::No {
            let both = std::iter::once(&new).chain(&old);
            bytes += both.flat_map(|subject| &subject.carriers).map(Carrier::length).sum::<usize>();
            of_nfs.push(pair);
        }
    }
    if of_nfs.is_empty() {
        return Some(pass(question, &request, &passed, observe));
    }
    if bytes > most {
        return None;
    }
    Some(decide(question, &request, kind, &inline, &of_nfs, observe))
}

/// The facts that the inline volumes of a request share.
struct InlineVolumes<'s> {
    settings: &'s [DriverSetting],
    namespace: Option<&'s str>,
}

impl<'s> InlineVolumes<'s> {
    /// Returns an inline volume and the one of the same name before the update.
    fn subjects<'p>(&self, pair: &'p Pair<'p>) -> (Subject<'p>, Option<Subject<'p>>)
    where
        's: 'p,
    {
        let of = |inline| {
            let mut subject = Subject::of_inline_volume(pair.volume, inline, self.settings);
            subject.namespace = self.namespace.or(subject.namespace);
            subject
        };
        (of(&pair.new.manifest), pair.old.as_ref().map(|old| of(&old.manifest)))
    }
}

/// Returns the inline volumes of an object, each with the one that it was.
fn pairs<'p>(kind: Kind, object: Workload<'p>, old: Option<Box<Workload<'p>>>) -> Vec<Pair<'p>> {
    let Some(at) = kind.pod_spec() else { return Vec::new() };
    let mut old = old.map(|old| old.inline_volumes(at)).unwrap_or_default();
    let pair = |new: Inline<'p>| {
        let same = old.iter().position(|old| old.name == new.name);
        let volume = InlineVolume { kind, index: new.index };
        // By name: the order of volumes may change in an update.
        Pair { volume, new, old: same.map(|same| old.swap_remove(same)) }
    };
    object.inline_volumes(at).into_iter().map(pair).collect()
}

fn decide(
    question: &Question<'_>,
    request: &Request<'_, Workload<'_>>,
    kind: Kind,
    inline: &InlineVolumes<'_>,
    pairs: &[&Pair<'_>],
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    let policy = question.policy;
    let decides = kind.row().reach == Reach::Decides;
    let may_deny = decides && policy.mode() == Mode::Enforce;
    let mut said = Said::default();
    for pair in pairs {
        // A denial needs no further causes, and a hostile object has thousands of volumes.
        if said.is_settled(may_deny) {
            break;
        }
        let (subject, old) = inline.subjects(pair);
        let (today, endpoint) = (question.today, question.endpoint);
        let case =
            Case { policy, subject: &subject, before: old.as_ref(), today, endpoint, is_status: false };
        let of = if pairs.len() > 1 { pair.words() } else { String::new() };
        said.add(&case, engine::judge::judge(&case), decides, &of);
    }
    let is_denied = !said.causes.is_empty();
    let exempted = each_once(said.exempted.into_iter());
    let rules = each_once(said.findings.iter().map(|judged| judged.finding.code));
    let (drivers, options) = (said.drivers.join(" | "), said.options.join(" | "));
    let decision = if is_denied { "deny" } else { "allow" };
    let own_name = said.name.unwrap_or_default();
    let name = request.name_or(&own_name);
    observe(&Record {
        name,
        driver: &drivers,
        nfs: said.nfs,
        decision,
        would_be: said.is_withheld.then_some("deny"),
        findings: &said.findings,
        treatments: &said.treatments,
        rules: &rules,
        exempted: &exempted,
        options_before: &options,
        options_after: &options,
        ..Record::of(request, question.endpoint)
    });
    let status = is_denied.then(|| refusal(name, kind, said.causes.limited()));
    let warnings = message::limited(said.warnings);
    answer(&Response {
        uid: &request.uid,
        status,
        patch: "",
        warnings: &warnings,
        audit: Some(AuditAnnotations {
            decision,
            rules: &rules,
            exempted: &exempted,
            policy: policy.fingerprint().as_str(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::said::MOST_FINDINGS;
    use super::*;
    use crate::admission::review as answer_to;
    use crate::policy::Policy;

    fn ask(
        endpoint: Endpoint,
        policy: &Policy,
        kind: Kind,
        operation: &str,
        objects: [Value; 2],
    ) -> (Value, String) {
        let [object, old_object] = objects;
        let body = json!({"apiVersion": API_VERSION, "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "name": "web",
            "kind": {"group": kind.group(), "version": "v1", "kind": kind.as_str()},
            "object": object, "oldObject": old_object}})
        .to_string();
        let today = time::macros::date!(2026 - 11 - 28);
        let mut told = String::new();
        let question = Question { endpoint, body: body.as_bytes(), policy, today };
        let answer = answer_to(&question, &mut |record| {
            told = format!("{} {} {:?}", record.driver, record.options_before, record.would_be);
        });
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        (answer["response"].clone(), told)
    }

    fn object(kind: Kind, volumes: &[(&str, &str)]) -> Value {
        let volumes: Vec<Value> = volumes
            .iter()
            .map(|(name, options)| {
                json!({"name": name, "csi": {"driver": "nfs.csi.k8s.io",
                    "volumeAttributes": {"mountOptions": options}}})
            })
            .collect();
        let path = kind.pod_spec().expect("a workload").path();
        path.iter().rev().fold(json!({ "volumes": volumes }), |inner, step| json!({ (*step): inner }))
    }

    #[test]
    fn a_pod_is_refused_and_a_template_warned_about() {
        let policy = Policy::default();
        let bad = [("a", "fg,hard"), ("b", "hard,bg"), ("c", "bg")];
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.pod_spec().is_some()) {
            let create = |endpoint| ask(endpoint, &policy, kind, "CREATE", [object(kind, &bad), Value::Null]);
            let (response, told) = create(Endpoint::Validate);
            let path = kind.pod_spec().expect("a workload").path().join(".");
            assert_eq!(told, "nfs.csi.k8s.io | nfs.csi.k8s.io | nfs.csi.k8s.io fg,hard | hard,bg | bg None");
            if kind == Kind::Pod {
                assert_eq!(response["allowed"], false);
                let causes = response["status"]["details"]["causes"].as_array().expect("causes");
                let fields: Vec<&Value> = causes.iter().map(|cause| &cause["field"]).collect();
                let field = |index| format!("{path}.volumes[{index}].csi.volumeAttributes[mountOptions]");
                assert_eq!(fields, [&json!(field(1)), &json!(field(2))]);
            } else {
                assert_eq!(response["allowed"], true, "{kind}");
                let warnings = response["warnings"].as_array().expect("warnings");
                let denied = |warning: &&Value| {
                    let text = warning.as_str().unwrap_or_default();
                    text.starts_with("NMG001: volume ") && text.contains(": its Pods will be denied: ")
                };
                assert_eq!(warnings.iter().filter(denied).count(), 2, "{warnings:#?}");
            }
            let (response, _) = create(Endpoint::Mutate);
            assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
        }
    }

    #[test]
    fn a_warning_names_its_volume_where_there_are_several() {
        let long = "logs-of-a-name-that-leaves-no-room-for-the-fault";
        let warnings = |kind, volumes: &[(&str, &str)]| -> Vec<String> {
            let objects = [object(kind, volumes), Value::Null];
            let (response, _) = ask(Endpoint::Validate, &Policy::default(), kind, "CREATE", objects);
            let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
            warnings.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        };
        let said = warnings(Kind::Deployment, &[("data", "fg,bg"), (long, "fg,bg")]);
        let of_bg: Vec<&str> =
            said.iter().map(String::as_str).filter(|text| text.starts_with("NMG001")).collect();
        assert!(
            of_bg.iter().any(|text| text.contains(" volume data: its Pods will be denied: ")),
            "{said:?}"
        );
        assert!(of_bg.iter().any(|text| text.contains(" volumes[1]: its Pods will be denied: ")), "{said:?}");
        assert!(said.iter().all(|text| text.chars().count() <= message::WARNING_LENGTH), "{said:?}");
        let mut different = said.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), said.len(), "{said:?}");
        let said = warnings(Kind::Pod, &[("data", "fg,retrans=2"), ("logs", "fg,retrans=2")]);
        assert!(said.iter().any(|text| text.contains(" volume logs: timeo is not set")), "{said:?}");
        let alone = warnings(Kind::Deployment, &[("data", "fg,bg")]);
        assert!(alone.iter().all(|text| !text.contains("volume data")), "{alone:?}");
    }

    #[test]
    fn of_a_template_the_warning_is_about_its_pods_in_each_mode() {
        let bad = object(Kind::Deployment, &[("a", "bg")]);
        for (mode, said, stays) in [
            (
                Mode::Enforce,
                "NMG001: its Pods will be denied: ",
                "NMG001: already present: new Pods denied: \"bg\" makes a failed mount look successful: Pods write to",
            ),
            (
                Mode::Observe,
                "NMG001: its Pods would be denied: ",
                "NMG001 background-mount: already present: \"bg\" makes a failed mount",
            ),
        ] {
            let mut builder = Policy::default().to_builder();
            builder.mode(mode);
            let policy = builder.build();
            for (operation, old, said) in [
                ("CREATE", Value::Null, said),
                // The ratchet leaves what the template had, as the generated policy does.
                ("UPDATE", bad.clone(), stays),
            ] {
                let objects = [bad.clone(), old];
                let (response, _) = ask(Endpoint::Validate, &policy, Kind::Deployment, operation, objects);
                assert_eq!(response["allowed"], true);
                let warnings = response["warnings"].as_array().expect("warnings");
                let of_bg =
                    warnings.iter().filter_map(Value::as_str).filter(|text| text.starts_with("NMG001"));
                let of_bg: Vec<&str> = of_bg.collect();
                assert!(
                    matches!(of_bg.as_slice(), [one] if one.starts_with(said)),
                    "{operation}: {warnings:?}"
                );
            }
        }
    }

    #[test]
    fn a_pod_of_many_long_lists_is_refused_with_a_bounded_record() {
        let list = "bg,".repeat(1_300);
        let names: Vec<String> = (0..50).map(|index| format!("v{index}")).collect();
        let volumes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), list.as_str())).collect();
        let body = json!({"apiVersion": API_VERSION, "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "name": "web",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": object(Kind::Pod, &volumes)}})
        .to_string();
        let today = time::macros::date!(2026 - 11 - 28);
        for mode in [Mode::Enforce, Mode::Observe] {
            let mut builder = Policy::default().to_builder();
            builder.mode(mode);
            let policy = builder.build();
            let question =
                Question { endpoint: Endpoint::Validate, body: body.as_bytes(), policy: &policy, today };
            let mut kept = (0, 0);
            let answer = answer_to(&question, &mut |record| {
                kept = (record.findings.len(), record.treatments.len());
                assert_eq!(record.would_be.is_some(), policy.mode() == Mode::Observe);
            });
            assert_eq!(kept, (MOST_FINDINGS, MOST_FINDINGS));
            let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(answer["response"]["allowed"], policy.mode() == Mode::Observe);
        }
        // A bg of the last of many volumes is refused, whatever is warned of before.
        let soft = "soft,".repeat(1_000);
        let mut volumes: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), soft.as_str())).collect();
        volumes.push(("last", "bg"));
        let objects = [object(Kind::Pod, &volumes), Value::Null];
        let (response, _) = ask(Endpoint::Validate, &Policy::default(), Kind::Pod, "CREATE", objects);
        assert_eq!(response["allowed"], false);
    }

    #[test]
    fn what_a_pod_had_before_stays_wherever_it_moves() {
        let policy = Policy::default();
        let update = |new: &[(&str, &str)], old: &[(&str, &str)]| {
            let objects = [object(Kind::Pod, new), object(Kind::Pod, old)];
            ask(Endpoint::Validate, &policy, Kind::Pod, "UPDATE", objects).0["allowed"] == true
        };
        assert!(update(&[("b", "bg"), ("a", "fg")], &[("a", "fg"), ("b", "bg")]));
        assert!(!update(&[("b", "bg"), ("a", "bg")], &[("a", "fg"), ("b", "bg")]));
    }

    #[test]
    fn an_observing_policy_tells_and_refuses_nothing() {
        let policy = Policy::default();
        let mut builder = policy.to_builder();
        builder.mode(Mode::Observe);
        let objects = [object(Kind::Pod, &[("a", "bg")]), Value::Null];
        let (response, told) = ask(Endpoint::Validate, &builder.build(), Kind::Pod, "CREATE", objects);
        assert_eq!(response["allowed"], true);
        assert!(told.ends_with("Some(\"deny\")"), "{told}");
        let warnings = response["warnings"].to_string();
        assert!(warnings.contains("NMG001 background-mount: would be denied: "), "{warnings}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_as_any_object() {
        let policy = Policy::default();
        let wrong = json!({"spec": {"volumes": [{"name": "a", "csi": {"driver": 5}}]}});
        let (response, _) = ask(Endpoint::Validate, &policy, Kind::Pod, "CREATE", [wrong, Value::Null]);
        assert_eq!(response["allowed"], false);
        let other = json!({"spec": {"containers": [5], "volumes": [{"name": "a", "emptyDir": 5}]}});
        let (response, _) = ask(Endpoint::Validate, &policy, Kind::Pod, "CREATE", [other, Value::Null]);
        assert_eq!(response["allowed"], true, "no inline volume");
    }
}
