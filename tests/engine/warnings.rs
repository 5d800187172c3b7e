//! Warnings of both webhooks, for every fixture, under every profile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nfs_mount_guard::admission::message::of_finding;
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::finding::{Action, Applicability};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use nfs_mount_guard::rules::Profile;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::manifest::Manifest;
use serde_json::{Value, json};

use crate::fixture::{TODAY, path};

/// Adds every YAML object below a directory of the tests; what holds no object, or is no
/// YAML, is no fixture for a webhook.
fn collect(folder: &Path, objects: &mut Vec<Value>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        if file.is_dir() {
            collect(&file, objects);
        } else if file.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&file).expect("a text");
            let parsed: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap_or_default();
            objects.extend(parsed.into_iter().filter(|object| object["kind"].is_string()));
        }
    }
}

fn warnings(object: &Value, policy: &str, endpoint: Endpoint) -> Vec<String> {
    let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{policy}\n");
    let policy = policy_file::parse(&text, "policy.yaml").expect("a policy");
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": "CREATE", "object": object, "name": object["metadata"]["name"],
            "kind": {
                "group": object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |it| it.0),
                "version": "v1", "kind": object["kind"],
            },
            "userInfo": {"username": "someone"},
        },
    })
    .to_string();
    let question = Question { endpoint, body: body.as_bytes(), policy: &policy, today: TODAY };
    let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body).expect("JSON");
    serde_json::from_value(answer["response"]["warnings"].clone()).unwrap_or_default()
}

/// A class for each option of the catalog with odd values, alone and in an element with
/// another one.
fn odd_classes() -> Vec<Value> {
    const VALUES: [&str; 8] = ["", "=", "=0", "=1", "=10000", "=4294967296", "=abc", "=0x10"];
    let mut classes = Vec::new();
    for provisioner in ["nfs.csi.k8s.io", "efs.csi.aws.com", "k8s-sigs.io/nfs-subdir-external-provisioner"] {
        for (keyword, _) in nfs_mount_guard::nfs::catalog::entries() {
            let elements = VALUES.iter().map(|value| format!("{keyword}{value}"));
            let joined = format!("hard,{keyword}=10000");
            for options in elements.chain([joined, format!("no{keyword}x"), format!("{keyword} ")]) {
                classes.push(json!({
                    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
                    "provisioner": provisioner,
                    "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2", options],
                }));
            }
        }
    }
    classes
}

/// The words of a warning, and the quotations, in which escapes stay.
fn parts(warning: &str) -> (String, Vec<String>) {
    let (mut words, mut quotations) = (String::new(), Vec::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for character in warning.chars() {
        match character {
            '"' if !is_escaped => {
                is_quoted = !is_quoted;
                quotations.extend(is_quoted.then(String::new));
                continue;
            }
            _ if !is_quoted => words.push(character),
            _ => quotations.last_mut().expect("a quotation").push(character),
        }
        is_escaped = is_quoted && character == '\\' && !is_escaped;
    }
    assert!(!is_quoted, "an open quotation: {warning}");
    (words, quotations)
}

#[test]
fn every_warning_is_a_whole_sentence_of_120_characters_at_most() {
    let mut objects = Vec::new();
    for folder in ["rules", "drivers", "kinds", "cases", "corpus", "check"] {
        collect(&path(folder), &mut objects);
    }
    assert!(objects.len() > 400, "{}", objects.len());
    let mut seen = BTreeSet::new();
    for object in &objects {
        for policy in
            ["", "mode: observe", "profile: relaxed", "profile: strict", "mode: observe\nprofile: strict"]
        {
            for endpoint in [Endpoint::Validate, Endpoint::Mutate] {
                seen.extend(warnings(object, policy, endpoint));
            }
        }
    }
    assert!(seen.len() > 400, "{}", seen.len());
    let odd = odd_classes();
    assert!(odd.len() > 3000, "{}", odd.len());
    for object in &odd {
        for policy in ["profile: strict", "mode: observe\nprofile: strict"] {
            seen.extend(warnings(object, policy, Endpoint::Validate));
        }
        seen.extend(warnings(object, "profile: strict", Endpoint::Mutate));
    }
    let is_bad = |warning: &&String| {
        let (words, quotations) = parts(warning);
        let last = words.split([' ', '(']).next_back().unwrap_or_default();
        // A short option is shown whole.
        let cut = quotations.iter().filter_map(|text| text.strip_suffix("..."));
        let is_cut_short = cut.map(|kept| kept.chars().count()).any(|kept| kept < 20);
        let is_doubled = warning.contains(" be denied: ") && words.contains("is refused");
        warning.chars().count() > 120
            || words.contains("...")
            || UNFINISHED.contains(&last)
            || is_cut_short
            || is_doubled
    };
    let bad: Vec<&String> = seen.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Every beginning of a warning's sentence.
const BEGINNINGS: [&str; 5] =
    ["", "would be repaired: ", "will be denied: ", "would be denied: ", "already present: "];

/// Returns a sentence without the elements around its options: `"bg" in "hard,bg"` is `"bg"`.
fn without_elements(sentence: &str) -> String {
    let mut pieces = sentence.split(" in \"");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let behind_quotation = piece.replace("\\\\", "__").replace("\\\"", "__").find('"');
        if let Some(end) = behind_quotation.filter(|_| text.ends_with('"')) {
            text.push_str(&piece[end + 1..]);
        } else {
            text.push_str(" in \"");
            text.push_str(piece);
        }
    }
    text
}

/// Longest option, key or host of a finding that is of an ordinary length.
const ORDINARY: usize = 24;

#[test]
fn a_warning_has_the_fault_and_its_consequence_behind_every_beginning() {
    let mut objects = Vec::new();
    for folder in ["rules", "drivers", "kinds", "check"] {
        collect(&path(folder), &mut objects);
    }
    let policy = Policy::of_profile(Profile::parse("strict").expect("a profile"));
    let (mut lost, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for object in &objects {
        let json = object.to_string();
        let Ok(manifest) = serde_json::from_str::<Manifest<'_>>(&json) else { continue };
        let Some(subject) = Subject::new(&manifest, policy.drivers()) else { continue };
        for judged in evaluate(&policy, &subject, TODAY).findings {
            let message = &judged.finding.message;
            let what = without_elements(&message.what);
            // A hint, or a remedy that the driver table has.
            let what = ["; it is a ", "; write "]
                .iter()
                .fold(&*what, |what, end| what.split_once(end).map_or(what, |(fault, _)| fault));
            let (words, quotations) = parts(what);
            let is_long = |text: &str| text.chars().count() > ORDINARY;
            if judged.action < Action::Warn
                || words.split(' ').any(is_long)
                || quotations.iter().any(|text| is_long(text))
            {
                continue;
            }
            seen.insert(judged.finding.code);
            let is_repaired =
                judged.finding.fix.as_ref().is_some_and(|fix| fix.applicability == Applicability::Apply);
            for beginning in BEGINNINGS {
                if beginning.contains("repaired") && !is_repaired {
                    continue;
                }
                let warning = of_finding(judged.rule, message, beginning);
                let is_whole = warning.contains(what) || warning.contains(&*message.what);
                if !is_whole {
                    lost.insert(format!("{warning} | {what}"));
                }
            }
        }
    }
    assert!(seen.len() > 15, "{seen:?}");
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Words that no sentence ends with.
const UNFINISHED: &[&str] = &["and", "which", "so", "the", "is", "of", "use", "in"];

/// The findings of which an answer says that they would be denied, cut warnings aside.
fn denied(object: &Value, endpoint: Endpoint) -> BTreeSet<String> {
    let all = warnings(object, "mode: observe", endpoint);
    // Twenty are shown.
    if all.len() >= 20 {
        return BTreeSet::new();
    }
    // One of them speaks of the list after the repair.
    let denied = all.into_iter().filter(|warning| warning.contains("would be denied: "));
    denied.map(|warning| warning.to_lowercase().replace("bg", "fg")).collect()
}

fn template(metadata: &Value, of_pods: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {
        "metadata": of_pods, "spec": {"volumes": [{"name": "a", "csi": {"driver": "nfs.csi.k8s.io",
            "volumeAttributes": {"server": "s", "share": "/e", "mountOptions": "bg"}}}]}}}})
}

/// The exemption of a workload does not reach the Pods that it creates.
#[test]
fn a_template_that_is_exempt_warns_of_its_pods_that_are_not() {
    let exempt = |keys: &str| format!("exemptions: [{{rules: [NMG001], {keys}, reason: known}}]");
    let web = json!({"name": "web", "namespace": "shop"});
    let long = "a".repeat(60);
    for (policy, metadata, said) in [
        (exempt("kind: Deployment"), web.clone(), Some("set kind: Pod")),
        (exempt("kind: Deployment, name: 'web*'"), web.clone(), Some("; set kind: Pod")),
        // The Pods have other names.
        (exempt("kind: Pod, name: web"), web.clone(), Some("; set name: web-*")),
        (exempt("kind: Deployment, name: web"), web.clone(), Some("; set kind: Pod, name: web-*")),
        (exempt("name: web"), web.clone(), Some("; set kind: Pod, name: web-*")),
        (exempt("kind: Pod, name: web, namespace: shop"), web.clone(), Some("; set name: web-*")),
        (exempt(&format!("name: {long}")), json!({"name": long}), Some("; set kind: Pod and their names")),
        (exempt("name: 'web*'"), web.clone(), None),
        // The advice of the warning covers both.
        (exempt("kind: Pod, name: web-*"), web.clone(), None),
        (exempt("namespace: shop"), web.clone(), None),
        (exempt("driver: nfs.csi.k8s.io"), web.clone(), None),
        (format!("rules: {{NMG001: {{action: warn}}}}\n{}", exempt("kind: Deployment")), web.clone(), None),
        (
            "annotationExemptions: true".to_owned(),
            json!({"name": "web", "annotations": {"nfs-mount-guard.io/exempt": "background-mount"}}),
            Some("without the annotation in their template"),
        ),
    ] {
        for (mode, verb) in [("enforce", "will"), ("observe", "would")] {
            let policy = format!("mode: {mode}\n{policy}");
            let object = template(&metadata, &json!({}));
            let all = warnings(&object, &policy, Endpoint::Validate);
            let of_bg: Vec<&String> = all.iter().filter(|warning| warning.starts_with("NMG001")).collect();
            let wanted = said.map(|said| (format!("exempt, but its Pods {verb} be denied"), said));
            let is_said = |text: &&String| {
                wanted.as_ref().is_some_and(|(head, end)| text.contains(head) && text.ends_with(end))
            };
            assert_eq!(of_bg.iter().filter(|text| is_said(text)).count(), of_bg.len(), "{policy}: {all:?}");
            assert_eq!(of_bg.len(), usize::from(said.is_some()), "{policy}: {all:?}");
            assert!(all.iter().all(|warning| warning.chars().count() <= 120), "{all:?}");
        }
    }
}

/// The Pods have the annotations of their template.
#[test]
fn a_template_whose_pods_have_the_annotation_warns_of_nothing() {
    let annotated = json!({"annotations": {"nfs-mount-guard.io/exempt": "background-mount"}});
    let policy = "annotationExemptions: true";
    let named = |mut metadata: Value| {
        metadata["name"] = json!("web");
        metadata
    };
    for (metadata, of_pods, count) in [
        (named(annotated.clone()), annotated.clone(), 0),
        (named(json!({})), annotated.clone(), 0),
        (named(annotated.clone()), json!({}), 1),
        (named(json!({})), json!({}), 1),
    ] {
        let all = warnings(&template(&metadata, &of_pods), policy, Endpoint::Validate);
        let of_bg = all.iter().filter(|warning| warning.starts_with("NMG001")).count();
        assert_eq!(of_bg, count, "{metadata} {of_pods}: {all:?}");
    }
    let all = warnings(&template(&named(json!({})), &annotated), "", Endpoint::Validate);
    assert!(all.iter().any(|warning| warning.starts_with("NMG001")), "{all:?}");
}

#[test]
fn both_endpoints_agree_what_would_be_denied() {
    let mut objects = Vec::new();
    for folder in ["rules", "drivers", "kinds", "cases", "corpus", "check"] {
        collect(&path(folder), &mut objects);
    }
    let class = |options: &[&str]| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
        })
    };
    objects.push(class(&["vers=4.1", "rsize=1 , wsize=2", "hard ,tcp"]));
    objects.push(class(&["vers=4.1 , hard", "bg", "timeo=600", "retrans=2"]));
    objects.push(class(&["vers=4.1", "fg", "a , b", "timeo=600"]));
    let mut some = 0;
    for object in &objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        if !["StorageClass", "PersistentVolume"].contains(&kind) {
            continue;
        }
        let (mutated, validated) = (denied(object, Endpoint::Mutate), denied(object, Endpoint::Validate));
        some += usize::from(!mutated.is_empty());
        if warnings(object, "mode: observe", Endpoint::Mutate).len() < 19
            && warnings(object, "mode: observe", Endpoint::Validate).len() < 19
        {
            assert_eq!(mutated, validated, "{object}");
        }
    }
    assert!(some > 50, "{some}");
}

#[test]
fn a_name_in_the_annotation_that_is_no_rule_is_warned_of() {
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "nfs.csi.k8s.io",
        "metadata": {"name": "a", "annotations": {"nfs-mount-guard.io/exempt": "soft-mount, NMG099,,soft-mout"}},
        "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"],
    });
    let said = |name: &str| {
        format!(
            "nfs-mount-guard: {name:?} in the annotation nfs-mount-guard.io/exempt is no rule and exempts nothing"
        )
    };
    let told = warnings(&object, "annotationExemptions: true", Endpoint::Validate);
    assert_eq!(told, [said("NMG099"), said("soft-mout")]);
    // Where the policy does not read the annotation, no name in it exempts anything.
    assert!(warnings(&object, "annotationExemptions: false", Endpoint::Validate).is_empty());
    let long = json!({"nfs-mount-guard.io/exempt": "x".repeat(500)});
    let mut object = object;
    object["metadata"]["annotations"] = long;
    let told = warnings(&object, "annotationExemptions: true", Endpoint::Validate);
    assert!(matches!(&told[..], [warning] if warning.len() <= 120), "{told:?}");
}
