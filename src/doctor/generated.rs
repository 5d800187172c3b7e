//! D102: every field of the webhooks beside those that the chart renders.

mod conditions;
mod rules;

use serde_json::{Value, json};

use super::facts::ClusterFacts;
use super::field::{list, named, number, text};
use super::installation::{INLINE, MUTATE, VALIDATE, Webhook};
use super::probes::{is_passed_over, selects_unlabeled};
use super::remedy::{
    Patches, is_edited, is_of_helm, reapply, replaced, upgrade, without_conditions, writers,
};
use super::{Outcome, Status, configuration};
use crate::subject::manifest::MUTATE_LABEL;
pub(super) use conditions::{generated, is_further};

/// The longest timeoutSeconds that leaves a request of the API server time.
const LONGEST_TIMEOUT: u64 = 10;

/// timeoutSeconds of the chart.
const TIMEOUT: u64 = 3;

/// A field that is not as the chart renders it.
struct Difference<'w> {
    webhook: &'w Webhook,
    status: Status,
    seen: String,
    effect: &'static str,
    cure: Cure,
}

/// The way in which a field becomes that of the chart.
enum Cure {
    /// By a patch with these fields, or by a value of the chart where one wrote it.
    Fields { fields: Value, value: Option<String>, path: &'static [&'static str] },
    /// By applying what the release rendered.
    Reapply,
    /// By removing matchConditions of these names.
    Without(Vec<String>),
}

/// Checks D102, the fields of the webhooks against those of the chart.
pub(super) fn as_generated(facts: &ClusterFacts) -> Outcome {
    let Some(installation) = facts.installation() else { return Outcome::skipped("needs D101") };
    let policy = configuration::installed_policy(facts).unwrap_or_default();
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for webhook in &installation.webhooks {
        let mut compared = Comparison { webhook, found: &mut found, notes: &mut notes };
        compared.call();
        compared.promises();
        compared.failures();
        let is_passed_over = is_passed_over(facts, webhook);
        selectors(webhook, is_passed_over, &mut found, &mut notes);
        conditions::compare(webhook, is_passed_over, &policy, &mut found, &mut notes);
    }
    if found.is_empty() {
        let first = installation.webhooks.first().map(|webhook| {
            // 10 is the default of the API.
            let seconds = number(&webhook.raw, "/timeoutSeconds").unwrap_or(10);
            format!("failurePolicy {}, {seconds} s", webhook.failure_policy())
        });
        return Outcome::ok(first.into_iter().chain(notes).collect::<Vec<_>>().join("; "));
    }
    // One command cures all of it.
    let remedy = remedy(facts, &found);
    let faults = found
        .into_iter()
        .map(|difference| {
            let seen = format!("{}: {}", difference.webhook.name, difference.seen);
            Outcome::new(difference.status, seen).hurts(difference.effect)
        })
        .collect();
    Outcome::worst(faults, || Outcome::ok("")).cured_by(remedy)
}

fn remedy(facts: &ClusterFacts, found: &[Difference<'_>]) -> String {
    let (mut patches, mut values) = (Patches::default(), Vec::new());
    let (mut is_reapplied, mut is_upgraded, mut surplus) = (false, false, Vec::new());
    for Difference { webhook, cure, .. } in found {
        match cure {
            Cure::Reapply => is_reapplied = true,
            Cure::Without(names) => surplus.extend(names.iter().map(String::as_str)),
            Cure::Fields { fields, value, path } => {
                // An upgrade leaves fields that another manager owns.
                if !is_of_helm(webhook) || is_edited(webhook, path) {
                    patches.add(webhook, fields.clone());
                } else {
                    // Without a value an older chart rendered it.
                    is_upgraded = true;
                    values.extend(value.clone());
                }
            }
        }
    }
    let mut commands = patches.commands();
    surplus.sort_unstable();
    surplus.dedup();
    commands.extend((!surplus.is_empty()).then(|| without_conditions(facts, &surplus)));
    commands.extend(is_upgraded.then(|| upgrade(facts, &values)));
    commands.extend(is_reapplied.then(|| reapply(facts)));
    // In this order: patches first, because a reapply takes over what they leave.
    commands.join(" && ")
}

/// Returns true if what installed a webhook also wrote this field: a value of the chart.
fn is_of_installer(webhook: &Webhook, path: &[&str]) -> bool {
    !writers(webhook, path).is_empty() && !is_edited(webhook, path)
}

/// Returns the key of the chart's values for a webhook.
fn key(webhook: &Webhook) -> &'static str {
    if webhook.name == MUTATE { "mutating" } else { "validating" }
}

/// A webhook beside the chart's, and what was found so far.
struct Comparison<'w, 'f> {
    webhook: &'w Webhook,
    found: &'f mut Vec<Difference<'w>>,
    notes: &'f mut Vec<String>,
}

impl Comparison<'_, '_> {
    fn differs(
        &mut self,
        status: Status,
        seen: String,
        effect: &'static str,
        path: &'static [&'static str],
        fields: Value,
        value: Option<String>,
    ) {
        let cure = Cure::Fields { fields, value, path };
        self.found.push(Difference { webhook: self.webhook, status, seen, effect, cure });
    }

    /// Compares the service that is called, and the rules.
    fn call(&mut self) {
        let (webhook, name) = (self.webhook, self.webhook.name.as_str());
        let path = if name == MUTATE { "mutate" } else { "validate" };
        if webhook.path() != path {
            let fields = match webhook.origin() {
                // A webhook with a url has no service, and the API server rejects both.
                origin if origin.is_empty() => json!({"service": {"path": format!("/{path}")}}),
                origin => json!({"url": format!("{origin}/{path}")}),
            };
            self.differs(
            Status::Problem,
            format!("path /{}, expected /{path}", webhook.path()),
            "the webhook responds with 404, which the API server reports as \"the server could not find the requested resource\"",
            &["f:clientConfig", "f:service", "f:path"],
            json!({ "clientConfig": fields }),
            None,
        );
        }
        let wanted = rules::wanted(name);
        let (uncovered, surplus) = (rules::uncovered(webhook, &wanted), rules::surplus(webhook, &wanted));
        if !uncovered.is_empty() || !surplus.is_empty() {
            let joined = |all: &[String]| named(all.iter().map(String::as_str));
            let (status, effect) = if uncovered.is_empty() {
                (Status::Warning, "requests that are not evaluated wait for the webhook as well")
            } else {
                (Status::Problem, "these requests are admitted unchecked")
            };
            let parts = [("not called for", &uncovered), ("rules beyond the chart's:", &surplus)];
            let parts = parts.iter().filter(|(_, all)| !all.is_empty());
            let seen: Vec<String> = parts.map(|(what, all)| format!("{what} {}", joined(all))).collect();
            self.differs(
                status,
                seen.join("; "),
                effect,
                &["f:rules"],
                json!({ "rules": rules::rendered(&wanted) }),
                None,
            );
        }
    }

    /// Compares the declarations of the webhook: review versions, side effects.
    fn promises(&mut self) {
        let (raw, name) = (&self.webhook.raw, self.webhook.name.as_str());
        let versions = list(raw, "/admissionReviewVersions");
        // The API server takes the first version of the list that it knows.
        if versions != [json!("v1")] {
            let has = versions.iter().any(|version| version == "v1");
            let (status, seen, effect) = if has {
                let seen =
                    format!("admissionReviewVersions {}", named(versions.iter().filter_map(Value::as_str)));
                (Status::Warning, seen, "the webhook responds to AdmissionReviews of v1 only")
            } else {
                (
                    Status::Problem,
                    "admissionReviewVersions lacks v1".to_owned(),
                    "the API server cannot call the webhook",
                )
            };
            let fields = json!({"admissionReviewVersions": ["v1"]});
            self.differs(status, seen, effect, &["f:admissionReviewVersions"], fields, None);
        }
        let effects = text(raw, "/sideEffects");
        if effects != "None" {
            let (status, effect) = if effects == "NoneOnDryRun" {
                (Status::Warning, "the configuration declares side effects that the webhook does not have")
            } else {
                // Some and Unknown; v1 of the configuration accepts neither when it is created.
                (Status::Problem, "the API server rejects dry runs")
            };
            let fields = json!({"sideEffects": "None"});
            self.differs(
                status,
                format!("sideEffects {effects:?}"),
                effect,
                &["f:sideEffects"],
                fields,
                None,
            );
        }
        if text(raw, "/matchPolicy") == "Exact" {
            let effect = "requests in another version of the API are admitted unchecked";
            let fields = json!({"matchPolicy": "Equivalent"});
            self.differs(
                Status::Warning,
                "matchPolicy Exact".to_owned(),
                effect,
                &["f:matchPolicy"],
                fields,
                None,
            );
        }
        if name == MUTATE && text(raw, "/reinvocationPolicy") == "Never" {
            self.differs(
                Status::Warning,
                "reinvocationPolicy Never".to_owned(),
                "a webhook that runs later may add bg again",
                &["f:reinvocationPolicy"],
                json!({"reinvocationPolicy": "IfNeeded"}),
                Some("--set webhooks.mutating.reinvocationPolicy=IfNeeded".to_owned()),
            );
        }
    }

    /// Compares the behavior if it does not respond.
    fn failures(&mut self) {
        let (webhook, raw, name) = (self.webhook, &self.webhook.raw, self.webhook.name.as_str());
        let policy = if name == VALIDATE { "Fail" } else { "Ignore" };
        if webhook.failure_policy() != policy {
            let value = format!("--set webhooks.{}.failurePolicy={policy}", key(webhook));
            let value = (name != INLINE).then_some(value);
            let effect = if name == VALIDATE {
                "fails open: if no webhook responds, the API server admits NFS classes and volumes unchecked"
            } else {
                "fails closed: if no webhook responds, the API server rejects what the webhook is called for"
            };
            // Fail is a choice of the values: nothing is admitted unchecked.
            if name == MUTATE && is_of_installer(webhook, &["f:failurePolicy"]) {
                self.notes.push(format!("{name}: failurePolicy {}", webhook.failure_policy()));
            } else {
                self.differs(
                    Status::Warning,
                    format!("failurePolicy {}", webhook.failure_policy()),
                    effect,
                    &["f:failurePolicy"],
                    json!({ "failurePolicy": policy }),
                    value,
                );
            }
        }
        // Absent only in a configuration that is not from an API server.
        let timeout = number(raw, "/timeoutSeconds").unwrap_or(10);
        if timeout != TIMEOUT {
            let is_chosen = name != INLINE && is_of_installer(webhook, &["f:timeoutSeconds"]);
            if timeout <= LONGEST_TIMEOUT && is_chosen {
                self.notes.push(format!("{name}: timeoutSeconds {timeout}"));
            } else {
                let effect = if timeout > TIMEOUT {
                    "a webhook that does not respond delays each request by this long"
                } else {
                    "calls run into the timeout under load"
                };
                let value = format!("--set webhooks.{}.timeoutSeconds={TIMEOUT}", key(webhook));
                let value = (name != INLINE).then_some(value);
                let seen = format!("timeoutSeconds {timeout}, expected {TIMEOUT}");
                let fields = json!({ "timeoutSeconds": TIMEOUT });
                self.differs(Status::Warning, seen, effect, &["f:timeoutSeconds"], fields, value);
            }
        }
    }
}

fn selectors<'w>(
    webhook: &'w Webhook,
    is_passed_over: bool,
    found: &mut Vec<Difference<'w>>,
    notes: &mut Vec<String>,
) {
    let name = webhook.name.as_str();
    let opt_out =
        json!({"matchExpressions": [{"key": MUTATE_LABEL, "operator": "NotIn", "values": ["disabled"]}]});
    let wanted = if name == MUTATE { opt_out } else { json!({}) };
    let own = |pointer: &str| webhook.raw.pointer(pointer).filter(|own| !is_everything(own)).cloned();
    let objects = own("/objectSelector").unwrap_or_else(|| json!({}));
    let is_as_wanted = objects == wanted;
    if !is_as_wanted && is_everything(&objects) && is_of_installer(webhook, &["f:objectSelector"]) {
        notes.push(format!("{name}: no label opts out of repairs (optOutLabel=false)"));
    } else if !is_as_wanted {
        let effect = if is_everything(&objects) {
            "objects with the label nfs-mount-guard.io/mutate=disabled are repaired"
        } else {
            "objects that it does not select are admitted unchecked"
        };
        let value = (name == MUTATE).then(|| "--set webhooks.mutating.optOutLabel=true".to_owned());
        let excludes_probe = is_passed_over && !selects_unlabeled(webhook);
        let seen = if is_everything(&objects) {
            "objectSelector is empty".to_owned()
        } else if excludes_probe {
            format!("not called for the probe, which has no labels: objectSelector {objects}")
        } else {
            format!("objectSelector {objects}")
        };
        let status = if excludes_probe { Status::Problem } else { Status::Warning };
        let fields = json!({ "objectSelector": replaced(&wanted) });
        let cure = Cure::Fields { fields, value, path: &["f:objectSelector"] };
        found.push(Difference { webhook, status, seen, effect, cure });
    }
    let Some(namespaces) = own("/namespaceSelector") else { return };
    if name == INLINE {
        let fields = json!({ "namespaceSelector": replaced(&json!({})) });
        found.push(Difference {
            webhook,
            status: Status::Warning,
            seen: format!("namespaceSelector {namespaces}"),
            effect: "inline volumes in namespaces that it does not select are admitted unchecked",
            cure: Cure::Fields { fields, value: None, path: &["f:namespaceSelector"] },
        });
    } else {
        // The API server skips it for objects without a namespace (apiserver
        // admission/plugin/webhook/predicates/namespace, MatchNamespaceSelector).
        notes.push(format!(
            "{name}: namespaceSelector {namespaces}, without effect on objects without a namespace"
        ));
    }
}

/// Returns true if a selector selects every object.
fn is_everything(selector: &Value) -> bool {
    let labels = selector.get("matchLabels").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    labels && list(selector, "/matchExpressions").is_empty()
}
