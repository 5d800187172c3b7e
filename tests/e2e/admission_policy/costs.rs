//! Checks the cost of the expressions, in the API server's own count, and that those of Kubernetes
//! 1.30 are enough for them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::component;
use crate::install::compare_part;
use crate::objects::{annotated, class, csi_volume, nfs_volume, with};

/// Tests of the costs.
pub fn trials() -> Vec<Trial> {
    vec![
        component::trial(
            "admission_policy::costs_are_far_from_the_limits_in_kubernetes_1_30",
            || component::binary("cel-cost"),
            costs,
        ),
        component::trial(
            "admission_policy::no_pod_without_inline_csi_volumes_reaches_the_cost_limit",
            || component::binary("cel-cost"),
            inline_costs,
        ),
    ]
}

/// Limits of the API server: one expression, all conditions, all of a policy.
const LIMITS: [i64; 3] = [1_000_000, 2_500_000, 10_000_000];

/// Objects with what they are in a few words.
fn objects() -> Vec<(&'static str, Value)> {
    let good = ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"];
    let numbered = |option: &str, count: usize| -> Value {
        (0..count).map(|index| format!("{option}={index}")).collect()
    };
    let long = |text: &str| "x".repeat(1 << 20) + text;
    let list = |driver: &str, list: Value| with(class("a", driver, &[]), "/mountOptions", list);
    let full = |text: &str| {
        let volume = with(
            csi_volume("a", "storage.example.com", &[text]),
            "/spec/csi/volumeAttributes/mountOptions",
            json!(text),
        );
        annotated(volume, text)
    };
    let attributes: serde_json::Map<String, Value> =
        (0..500).map(|index| (format!("key-{index}"), json!("value"))).collect();
    vec![
        ("a class as they are", json!({"object": class("a", "nfs.csi.k8s.io", &good)})),
        ("a class with `bg`", json!({"object": class("a", "nfs.csi.k8s.io", &["hard,bg"])})),
        ("the same of an unknown driver", json!({"object": class("a", "storage.example.com", &["hard,bg"])})),
        ("a volume of the kubelet, as they are", json!({"object": nfs_volume("a", &good)})),
        ("10,000 elements", json!({"object": list("nfs.csi.k8s.io", numbered("x-option", 10_000))})),
        (
            "10,000 elements with the letters",
            json!({"object": list("storage.example.com", numbered("x-bg", 10_000))}),
        ),
        (
            "an update of them",
            json!({
                "object": list("storage.example.com", numbered("x-bg", 10_000)),
                "oldObject": list("storage.example.com", numbered("x-bg", 9_999)),
            }),
        ),
        ("one element of 1 MiB", json!({"object": list("nfs.csi.k8s.io", json!([long("")]))})),
        (
            "one of 1 MiB with the letters",
            json!({"object": list("storage.example.com", json!([long("bg")]))}),
        ),
        // As long as is looked through, with what makes every question be asked.
        (
            "4 KiB of options with the letters and quotes",
            json!({"object": list("storage.example.com", json!(["b\\g,x-\"bg".repeat(409)]))}),
        ),
        (
            "an update of them, an annotation and attributes as long",
            json!({
                "object": full(&"x\"bg'".repeat(819)),
                "oldObject": full(&"y\"bg'".repeat(819)),
            }),
        ),
        (
            "an annotation of 250 KiB",
            json!({"object": annotated(nfs_volume("a", &[]), &"x-bg,".repeat(51_200))}),
        ),
        (
            "500 attributes, of a driver with clues",
            json!({"object": with(csi_volume("a", "csi.trident.netapp.io", &good), "/spec/csi/volumeAttributes", Value::Object(attributes))}),
        ),
    ]
}

/// Checks the cost of a Pod in the condition of the policy for inline volumes, per volume: etcd takes 1.5 MiB of
/// an object, and no volume takes less than 12 bytes of it.
fn inline_costs(program: PathBuf) -> Result<(), Failed> {
    const COUNT: usize = 2_000;
    let of_csi = |driver: &str| json!({"csi": {"driver": driver}});
    // The source, and most units that one volume may cost.
    let sources = [
        (json!({"emptyDir": {}}), 1),
        (json!({"secret": {"secretName": "a"}}), 1),
        (of_csi("a.b"), MOST_OF_OTHERS),
        (of_csi("secrets-store.csi.k8s.io"), MOST_OF_OTHERS),
        (of_csi(&"nfs".repeat(21)), MOST_OF_OTHERS),
    ];
    let volumes = |source: &Value| -> Vec<Value> {
        let named = |index: usize| {
            let mut volume = source.clone();
            volume["name"] = format!("v{index}").into();
            volume
        };
        (0..COUNT).map(named).collect()
    };
    let pods: Vec<Value> = sources
        .iter()
        .map(|(source, _)| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": volumes(source)}}))
        .collect();
    let in_template = |pod: &Value| {
        let template = json!({"spec": {"template": {"spec": pod["spec"]}}});
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": template}})
    };
    for object in [true, false] {
        let objects: Vec<Value> = if object { pods.clone() } else { pods.iter().map(in_template).collect() };
        let requests: Vec<Value> = objects.iter().map(|object| json!({ "object": object })).collect();
        let requests: Vec<&Value> = requests.iter().collect();
        let answers = evaluate(&program, &["inline-background-mount-policy.yaml"], &requests)?;
        for ((source, most), policies) in sources.iter().zip(&answers) {
            let what = source.to_string();
            let costs = list(&what, &policies[0]["matchConditions"]);
            let each = costs.iter().sum::<i64>() / i64::try_from(COUNT).expect("a small number");
            println!("{what}: {each} units a volume");
            assert!(each <= *most, "{what}: {each} units a volume");
        }
    }
    let bytes_of_an_object = 3 << 19;
    assert!(bytes_of_an_object / 12 < LIMITS[0] / 4 * 3, "as many volumes as an object has room for");
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admission-policy.md"))?;
    let least = thousands(LIMITS[0] / MOST_OF_OTHERS / 1000 * 1000);
    assert!(docs.contains(&format!("{least} inline volumes of other CSI drivers")), "{least} in the docs");
    Ok(())
}

/// Most units that an inline volume of a driver that is not listed costs.
const MOST_OF_OTHERS: i64 = 35;

fn costs(program: PathBuf) -> Result<(), Failed> {
    let objects = objects();
    let requests: Vec<&Value> = objects.iter().map(|(_, request)| request).collect();
    let policies = ["background-mount-policy.yaml", "background-mount-mutation.yaml"];
    let answers = evaluate(&program, &policies, &requests)?;
    let mut table = String::from(
        "| an object with | conditions | rejecting: most expensive expression | all | repairing: most expensive | all |\n|---|---|---|---|---|---|\n",
    );
    for ((what, _), policies) in objects.iter().zip(&answers) {
        write!(table, "| {what} |").expect("written");
        for (index, policy) in policies.iter().enumerate() {
            let conditions = list(what, &policy["matchConditions"]);
            let mut expressions = list(what, &policy["variables"]);
            expressions.extend(list(what, &policy["validations"]));
            expressions.extend(list(what, &policy["mutations"]));
            let dearest = conditions.iter().chain(&expressions).max().copied().unwrap_or_default();
            let sums = [dearest, conditions.iter().sum(), expressions.iter().sum()];
            for (sum, limit) in sums.iter().zip(LIMITS) {
                // Further away than other versions may count.
                assert!(*sum < limit * 3 / 4, "{what}: {sum} of {limit}: {policy:#}");
            }
            if index == 0 {
                write!(table, " {} |", thousands(sums[1])).expect("written");
            }
            write!(table, " {} | {} |", thousands(dearest), thousands(sums[2])).expect("written");
        }
        table.push('\n');
    }
    compare_part("docs/admission-policy.md", "costs", &table);
    Ok(())
}

/// Returns the costs of the policies with each request: a list for each, with an entry a policy.
fn evaluate(program: &Path, policies: &[&str], requests: &[&Value]) -> Result<Vec<Vec<Value>>, Failed> {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    let mut child = Command::new(program)
        .args(policies)
        .current_dir(manifests)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("a pipe").write_all(json!(requests).to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The costs of a group of expressions, none of which fails.
fn list(what: &str, group: &Value) -> Vec<i64> {
    group
        .as_array()
        .into_iter()
        .flatten()
        .map(|expression| {
            assert!(expression["error"].is_null(), "{what}: {expression}");
            expression["cost"].as_i64().expect("a number")
        })
        .collect()
}

fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
