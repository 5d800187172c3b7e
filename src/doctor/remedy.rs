//! Commands that cure what is stored: a patch of exactly the fields that differ, or an
//! upgrade of the release where a value of the chart wrote them.
//!
//! `helm upgrade --reuse-values` alone leaves much as it is: what the values say, and
//! what something else wrote beside them (a merge keeps both).

use serde_json::{Map, Value, json};

use super::configuration::installed_policy;
use super::facts::ClusterFacts;
use super::field::{list, text};
use super::installation::{INLINE, Installation, Webhook};

/// The annotation that Helm writes on what it installs.
const RELEASE: &str = "/annotations/meta.helm.sh~1release-name";

/// Returns a text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns the command that upgrades the release and changes these values, each once.
pub(super) fn upgrade(facts: &ClusterFacts, changes: &[String]) -> String {
    let mut command = format!(
        "helm upgrade {} manifests/chart --namespace {} --reuse-values",
        facts.release(),
        facts.namespace()
    );
    for (index, change) in changes.iter().enumerate() {
        // Fields of several webhooks may come from one value.
        if !changes.iter().take(index).any(|earlier| earlier == change) {
            command.push(' ');
            command.push_str(change);
        }
    }
    command
}

/// Returns the command that makes the API server's objects those of the release again. It takes
/// over fields that something else wrote, and leaves the caBundle alone.
pub(super) fn reapply(facts: &ClusterFacts) -> String {
    if facts.origin().is_some() {
        // The chart would call a Service.
        let policy = installed_policy(facts).unwrap_or_default();
        let mut patches = Patches::default();
        let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
        for webhook in webhooks.iter().filter(|webhook| webhook.name != INLINE) {
            patches.add(webhook, json!({"matchConditions": super::generated::generated(webhook, &policy)}));
        }
        return patches.commands().join(" && ");
    }
    let (release, namespace) = (facts.release(), facts.namespace());
    let is_helm = facts.installation().is_some_and(|found| found.webhooks.iter().any(is_of_helm));
    let source = if is_helm {
        format!("helm get manifest {release} --namespace {namespace}")
    } else {
        format!(
            "helm template {release} manifests/chart --namespace {namespace} --show-only templates/webhooks.yaml"
        )
    };
    // With the field manager of Helm, so that the next upgrade has no conflict.
    format!("{source} | kubectl apply --server-side --force-conflicts --field-manager=helm --filename -")
}

/// Returns true if Helm installed the configuration of a webhook.
pub(super) fn is_of_helm(webhook: &Webhook) -> bool {
    !text(&webhook.metadata, RELEASE).is_empty()
}

/// Returns true if something other than what installed a webhook wrote a field of it last; `false`
/// where the API server does not say.
pub(super) fn is_edited(webhook: &Webhook, path: &[&str]) -> bool {
    let writers = writers(webhook, path);
    // The manager that wrote the name made the webhook.
    let installers = self::writers(webhook, &["f:name"]);
    !writers.is_empty() && !installers.is_empty() && !writers.iter().any(|writer| installers.contains(writer))
}

/// Returns the managers that wrote a field of a webhook, by `metadata.managedFields`.
pub(super) fn writers<'w>(webhook: &'w Webhook, path: &[&str]) -> Vec<&'w str> {
    let key = format!("k:{}", json!({ "name": webhook.name }));
    list(&webhook.metadata, "/managedFields")
        .iter()
        .filter(|entry| {
            let own = entry.pointer("/fieldsV1/f:webhooks").and_then(|webhooks| webhooks.get(&key));
            path.iter().try_fold(own.unwrap_or(&Value::Null), |fields, step| fields.get(step)).is_some()
        })
        .map(|entry| text(entry, "/manager"))
        .collect()
}

/// Patches of webhooks, one a configuration.
#[derive(Debug, Default)]
pub(super) struct Patches(Vec<(&'static str, String, Vec<Value>)>);

impl Patches {
    /// Adds fields of a webhook, as a strategic merge patch has them.
    pub(super) fn add(&mut self, webhook: &Webhook, fields: Value) {
        let is_same = |(kind, name, _): &(&str, String, Vec<Value>)| {
            *kind == webhook.kind && *name == webhook.configuration
        };
        if !self.0.iter().any(is_same) {
            self.0.push((webhook.kind, webhook.configuration.clone(), Vec::new()));
        }
        let Some((_, _, patches)) = self.0.iter_mut().find(|patch| is_same(patch)) else { return };
        if !patches.iter().any(|patch| text(patch, "/name") == webhook.name) {
            patches.push(json!({ "name": webhook.name }));
        }
        let own = patches.iter_mut().find(|patch| text(patch, "/name") == webhook.name);
        if let Some(own) = own {
            merge(own, fields);
        }
    }

    /// Returns the commands, in the order of adding.
    pub(super) fn commands(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(kind, name, webhooks)| {
                let patch = json!({ "webhooks": webhooks }).to_string();
                format!("kubectl patch {} {name} --patch {}", kind.to_ascii_lowercase(), quoted(&patch))
            })
            .collect()
    }
}

/// Adds what is further in: lists one after the other, maps key by key.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(mut from)) => into.append(&mut from),
        (into, from) => *into = from,
    }
}

/// Returns the command that takes matchConditions away, by their names.
pub(super) fn without_conditions(facts: &ClusterFacts, names: &[&str]) -> String {
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let has = |webhook: &Webhook, wanted: &str| {
        list(&webhook.raw, "/matchConditions").iter().any(|condition| text(condition, "/name") == wanted)
    };
    let key = |name: &str| format!("k:{}", json!({ "name": name }));
    // The next upgrade would bring back a condition of the values that a patch took away.
    let is_of_values = webhooks.iter().all(|webhook| {
        is_of_helm(webhook)
            && names
                .iter()
                .filter(|name| has(webhook, name))
                .all(|name| !is_edited(webhook, &["f:matchConditions", &key(name)]))
    });
    if is_of_values {
        let rest: Vec<&Value> = webhooks
            .first()
            .map(|webhook| {
                let all = list(&webhook.raw, "/matchConditions").iter();
                let further = all.filter(|condition| super::generated::is_further(webhook, condition));
                further.filter(|condition| !names.contains(&text(condition, "/name"))).collect()
            })
            .unwrap_or_default();
        let rest = quoted(&format!("webhooks.extraMatchConditions={}", json!(rest)));
        return upgrade(facts, &[format!("--set-json {rest}")]);
    }
    let mut patches = Patches::default();
    for webhook in webhooks {
        for name in names.iter().filter(|name| has(webhook, name)) {
            // A strategic merge patch merges this list by name, so an element goes by a directive only.
            patches.add(webhook, json!({"matchConditions": [{"$patch": "delete", "name": name}]}));
        }
    }
    patches.commands().join(" && ")
}

/// Returns the command that makes the webhooks of an installation call this Service.
pub(super) fn to_service(installation: &Installation, service: &Value) -> String {
    let mut patches = Patches::default();
    for webhook in &installation.webhooks {
        patches.add(webhook, json!({"clientConfig": {"service": service}}));
    }
    patches.commands().join(" && ")
}

/// Returns a map that replaces another one, in a strategic merge patch.
pub(super) fn replaced(map: &Value) -> Value {
    let mut all = Map::new();
    // Without the directive the keys of the old map would stay.
    all.insert("$patch".to_owned(), json!("replace"));
    for (key, value) in map.as_object().into_iter().flatten() {
        all.insert(key.clone(), value.clone());
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::installation::VALIDATE;

    fn webhook(managed: &Value) -> Webhook {
        Webhook {
            kind: "ValidatingWebhookConfiguration",
            configuration: "guard".to_owned(),
            metadata: json!({ "managedFields": managed }),
            name: VALIDATE.to_owned(),
            raw: json!({"name": VALIDATE}),
        }
    }

    #[test]
    fn who_wrote_a_field_is_read_from_the_managed_fields() {
        let of = |manager: &str, fields: Value| json!({"manager": manager, "fieldsV1": {"f:webhooks": {format!("k:{{\"name\":\"{VALIDATE}\"}}"): fields}}});
        let webhook = webhook(&json!([
            of("helm", json!({"f:name": {}, "f:rules": {}, "f:timeoutSeconds": {}})),
            of("kubectl-edit", json!({"f:failurePolicy": {}, "f:timeoutSeconds": {}})),
        ]));
        for (field, edited) in
            [("f:failurePolicy", true), ("f:rules", false), ("f:timeoutSeconds", false), ("f:unheard", false)]
        {
            assert_eq!(is_edited(&webhook, &[field]), edited, "{field}");
        }
        assert_eq!(writers(&webhook, &["f:failurePolicy"]), ["kubectl-edit"]);
    }

    #[test]
    fn fields_of_one_configuration_are_one_command() {
        let webhook = webhook(&json!([]));
        let mut patches = Patches::default();
        patches.add(&webhook, json!({"failurePolicy": "Fail"}));
        patches.add(&webhook, json!({"matchConditions": [{"$patch": "delete", "name": "it's"}]}));
        patches.add(&webhook, json!({"matchConditions": [{"$patch": "delete", "name": "b"}]}));
        assert_eq!(
            patches.commands(),
            [
                r#"kubectl patch validatingwebhookconfiguration guard --patch '{"webhooks":[{"failurePolicy":"Fail","matchConditions":[{"$patch":"delete","name":"it'\''s"},{"$patch":"delete","name":"b"}],"name":"validate.nfs-mount-guard.io"}]}'"#
            ]
        );
    }
}
