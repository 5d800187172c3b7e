//! Compares decisions of the API server itself with the engine: the `matchConditions` of the
//! webhooks and the admission policies, all of them generated from the driver table.

mod conditions;
mod costs;
mod differences;
mod inline;
mod mutating;
mod policies;
mod samples;
mod updates;
mod validating;
mod workloads;

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use hyper::Method;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::finding::Action;
use nfs_mount_guard::policy::{Builder, Policy};
use nfs_mount_guard::rules::{BACKGROUND_MOUNT, Profile, RULES};
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::Nfs;
use nfs_mount_guard::subject::manifest::Manifest;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::api::{Api, Call};
use crate::cluster::{self, Cluster};
use crate::component;
use crate::objects::{class, documents};

/// Tests of what is generated for the API server.
pub fn trials() -> Vec<Trial> {
    let mut trials = conditions::trials();
    trials.extend(validating::trials());
    trials.extend(mutating::trials());
    trials.extend(policies::trials());
    trials.extend(differences::trials());
    trials.extend(costs::trials());
    trials.extend(inline::trials());
    trials.extend(workloads::trials());
    trials
}

/// A test that takes its turn at the cluster of these tests.
fn trial(name: &str, test: impl FnOnce(&mut Cluster) -> Result<(), Failed> + Send + 'static) -> Trial {
    component::trial(
        format!("apiserver::admission_policy::{name}"),
        cluster::with_policies,
        |mut cluster: MutexGuard<'static, Cluster>| {
            clear(&cluster.connect());
            test(&mut cluster)
        },
    )
}

/// Takes away what the test before left.
pub fn clear(api: &Api) {
    for resource in [
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "mutatingadmissionpolicies",
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ] {
        let said =
            api.send(Call { method: Method::DELETE, path: registrations(resource), body: Value::Null });
        // An older API server knows some of them not.
        assert!(said.passed() || said.status == 404, "{said:?}");
    }
    let probe = class("probe", "nfs.csi.k8s.io", &["bg"]);
    let volume =
        json!({"name": "a", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"mountOptions": "bg"}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {
        "containers": [{"name": "c", "image": "registry.example.com/app"}], "volumes": [volume]}});
    wait("something is still in effect", || {
        let (said, pod) = (api.send(Call::try_create(&probe)), api.send(Call::try_create(&pod)));
        said.body["mountOptions"] == json!(["bg"])
            && said.warnings.is_empty()
            && pod.passed()
            && pod.warnings.is_empty()
    });
}

fn registrations(resource: &str) -> String {
    format!("/apis/admissionregistration.k8s.io/v1/{resource}")
}

/// NMG001 and nothing else: what an admission policy can be compared with.
fn background_mount_only() -> Policy {
    only_background_mount(Builder::new(Profile::default()))
}

fn only_background_mount(mut builder: Builder) -> Policy {
    for rule in RULES.iter().filter(|rule| rule.code != BACKGROUND_MOUNT.code) {
        builder.action(rule, Action::Off);
    }
    builder.build()
}

/// Returns the webhook's response to an object that is created, or that replaces `old`.
fn ask(policy: &Policy, endpoint: Endpoint, object: &Value, old: Option<&Value>) -> Value {
    let kind = object["kind"].as_str().expect("a kind");
    let group = nfs_mount_guard::kind::Kind::parse(kind).expect("a kind that is judged").group();
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "kind": {"group": group, "version": "v1", "kind": kind}, "object": object, "oldObject": old,
        },
    })
    .to_string();
    let today = time::OffsetDateTime::now_utc().date();
    let question = Question { endpoint, body: body.as_bytes(), policy, today };
    let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body).expect("JSON");
    answer["response"].clone()
}

/// Returns true if the guard refuses it.
fn refuses(policy: &Policy, object: &Value, old: Option<&Value>) -> bool {
    ask(policy, Endpoint::Validate, object, old)["allowed"] == false
}

/// Returns the webhook's verdict on whether it is NFS.
fn nfs(policy: &Policy, object: &Value) -> Nfs {
    let text = object.to_string();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let manifest = Manifest::deserialize(&mut deserializer).expect("a manifest");
    Subject::new(&manifest, policy.drivers()).expect("a subject").nfs
}

/// Registers what is generated, and waits until the API server minds it.
pub fn install(api: &Api, manifest: &str) {
    for object in documents(manifest) {
        let resource = match object["kind"].as_str().expect("a kind") {
            "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding" => "validatingadmissionpolicybindings",
            "MutatingAdmissionPolicy" => "mutatingadmissionpolicies",
            "MutatingAdmissionPolicyBinding" => "mutatingadmissionpolicybindings",
            "ValidatingWebhookConfiguration" => "validatingwebhookconfigurations",
            "MutatingWebhookConfiguration" => "mutatingwebhookconfigurations",
            other => panic!("{other}"),
        };
        let said = api.send(Call { method: Method::POST, path: registrations(resource), body: object });
        assert!(said.passed(), "{said:?}");
    }
    // Of this driver, whatever a test declares or exempts, a probe is refused,
    // repaired, warned of, or waits.
    let probe = class("probe", "fuseim.pri/ifs", &["bg"]);
    wait("it is not in effect", || {
        let said = api.send(Call::try_create(&probe));
        !said.passed() || said.body["mountOptions"] == json!(["fg"]) || !said.warnings.is_empty()
    });
}

fn wait(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
