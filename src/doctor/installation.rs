//! Our webhooks among all of a cluster, by the names that never change, and which of
//! them belong together.

use serde_json::Value;

use super::facts::Other;
use super::field::{list, name, number, text};

/// The name, the release and the namespace that the documentation uses.
pub const USUAL: &str = "nfs-mount-guard";

/// Names of our webhooks: the configurations have the release's.
pub const VALIDATE: &str = "validate.nfs-mount-guard.io";
/// See [`VALIDATE`].
pub const MUTATE: &str = "mutate.nfs-mount-guard.io";
/// See [`VALIDATE`].
pub const INLINE: &str = "inline.nfs-mount-guard.io";

/// Returns true if a webhook is one of ours.
pub fn is_ours(webhook: &str) -> bool {
    [VALIDATE, MUTATE, INLINE].contains(&webhook)
}

/// One webhook of ours as it is stored.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `ValidatingWebhookConfiguration` or `MutatingWebhookConfiguration`.
    pub kind: &'static str,
    /// The configuration's name.
    pub configuration: String,
    /// Metadata of the configuration.
    pub metadata: Value,
    /// The webhook's own name.
    pub name: String,
    /// All of it.
    pub raw: Value,
}

/// A Service that webhooks are called through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Webhooks that are called at one place.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The name of its objects.
    pub name: String,
    /// The release of Helm.
    pub release: Option<String>,
    /// The Service; `None` for webhooks that are called by URL.
    pub service: Option<Service>,
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
}

impl Webhook {
    /// Returns the Service that it is called through.
    pub fn service(&self) -> Option<Service> {
        let service = self.raw.pointer("/clientConfig/service")?;
        Some(Service {
            namespace: text(service, "/namespace").to_owned(),
            name: text(service, "/name").to_owned(),
        })
    }

    /// Returns the Service's port.
    pub fn port(&self) -> u64 {
        // The default of the API.
        number(&self.raw, "/clientConfig/service/port").unwrap_or(443)
    }

    /// Returns scheme and authority of the URL that it is called by.
    pub(super) fn origin(&self) -> String {
        let url = text(&self.raw, "/clientConfig/url");
        // `https:`, nothing, and the authority.
        url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
    }

    /// Returns the path that is called.
    pub fn path(&self) -> &str {
        match self.raw.pointer("/clientConfig/url").and_then(Value::as_str) {
            Some(url) => url.splitn(4, '/').nth(3).unwrap_or_default().trim_end_matches('/'),
            None => text(&self.raw, "/clientConfig/service/path").trim_matches('/'),
        }
    }

    /// Returns `Fail` or `Ignore`.
    pub fn failure_policy(&self) -> &str {
        text(&self.raw, "/failurePolicy")
    }
}

impl Installation {
    /// Returns a webhook of it.
    pub fn webhook(&self, name: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.name == name)
    }

    /// Returns the place that is called, for people.
    pub fn place(&self) -> String {
        match &self.service {
            Some(service) => format!("Service {}/{}", service.namespace, service.name),
            None => self.webhooks.first().map(Webhook::origin).unwrap_or_default(),
        }
    }

    /// Names of its configurations with their kinds.
    pub fn configurations(&self) -> Vec<(&str, &str)> {
        let mut names: Vec<(&str, &str)> =
            self.webhooks.iter().map(|webhook| (webhook.kind, webhook.configuration.as_str())).collect();
        // The webhooks of one configuration are next to each other.
        names.dedup();
        names
    }

    /// Returns the command that takes its configurations away.
    pub fn removal(&self) -> String {
        removal(self.configurations().into_iter())
    }
}

/// Returns the command that takes configurations of these kinds and names away, and no other of the
/// same name.
pub(super) fn removal<'c>(configurations: impl Iterator<Item = (&'c str, &'c str)>) -> String {
    let names: Vec<String> =
        configurations.map(|(kind, name)| format!("{}/{name}", kind.to_ascii_lowercase())).collect();
    format!("kubectl delete {} --ignore-not-found", names.join(" "))
}

/// Finds our webhooks among lists of configurations of both kinds, one installation for each place that is
/// called, and the other webhooks that are called for what ours are.
pub fn find(validating: &[Value], mutating: &[Value]) -> (Vec<Installation>, Vec<Other>) {
    let (mut found, mut others) = (Vec::<Installation>::new(), Vec::new());
    let kinds = [("ValidatingWebhookConfiguration", validating), ("MutatingWebhookConfiguration", mutating)];
    for (kind, configurations) in kinds {
        for configuration in configurations {
            for raw in list(configuration, "/webhooks") {
                let webhook = Webhook {
                    kind,
                    configuration: name(configuration).to_owned(),
                    metadata: configuration.get("metadata").cloned().unwrap_or_default(),
                    name: text(raw, "/name").to_owned(),
                    raw: raw.clone(),
                };
                if !is_ours(&webhook.name) {
                    if is_for_ours(raw) {
                        others.push(Other { webhook });
                    }
                    continue;
                }
                let (service, origin) = (webhook.service(), webhook.origin());
                // Two releases in one cluster have the same webhook names, and different Services.
                let known = found.iter_mut().find(|installation| {
                    installation.service == service && (service.is_some() || installation.place() == origin)
                });
                if let Some(installation) = known {
                    installation.webhooks.push(webhook);
                } else {
                    let release = text(configuration, "/metadata/labels/app.kubernetes.io~1instance");
                    found.push(Installation {
                        name: service
                            .as_ref()
                            .map_or_else(|| webhook.configuration.clone(), |service| service.name.clone()),
                        release: Some(release.to_owned()).filter(|release| !release.is_empty()),
                        service,
                        webhooks: vec![webhook],
                    });
                }
            }
        }
    }
    (found, others)
}

/// Returns true if a webhook is called when a class or a volume is created.
fn is_for_ours(webhook: &Value) -> bool {
    list(webhook, "/rules").iter().any(|rule| {
        covers(rule, "storage.k8s.io", "CREATE", "storageclasses", "Cluster")
            || covers(rule, "", "CREATE", "persistentvolumes", "Cluster")
    })
}

/// Returns true if a rule of a webhook is about an operation on a resource of `v1`, with the API
/// server's wildcards.
pub(super) fn covers(rule: &Value, group: &str, operation: &str, resource: &str, scope: &str) -> bool {
    let has =
        |pointer: &str, wanted: &str| list(rule, pointer).iter().any(|item| item == wanted || item == "*");
    let (plain, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let is_resource = list(rule, "/resources").iter().filter_map(Value::as_str).any(|item| {
        let (item_plain, item_sub) = item.split_once('/').unwrap_or((item, ""));
        (item_plain == plain || item_plain == "*")
            // `*` alone is every resource without its subresources, `*/*` is all of them.
            && (item_sub == sub || item_sub == "*" && item.contains('/'))
    });
    let is_scope = match text(rule, "/scope") {
        "" | "*" => true,
        found => found == scope,
    };
    has("/apiGroups", group)
        && has("/apiVersions", "v1")
        && has("/operations", operation)
        && is_resource
        && is_scope
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(name: &str, webhook: &str, client: &Value) -> Value {
        json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/instance": name}},
            "webhooks": [{"name": webhook, "clientConfig": client}]})
    }

    #[test]
    fn webhooks_of_one_service_are_one_installation() {
        let service =
            |namespace: &str| json!({"service": {"namespace": namespace, "name": "guard", "path": "/x"}});
        let url = |port: u16| json!({"url": format!("https://127.0.0.1:{port}/validate")});
        let (found, _) = find(
            &[
                configuration("a", VALIDATE, &service("one")),
                configuration("b", VALIDATE, &service("two")),
                configuration("c", VALIDATE, &url(1)),
            ],
            &[configuration("a", MUTATE, &service("one")), configuration("d", MUTATE, &url(2))],
        );
        let places: Vec<(String, usize)> =
            found.iter().map(|found| (found.place(), found.webhooks.len())).collect();
        let wanted = [
            ("Service one/guard", 2),
            ("Service two/guard", 1),
            ("https://127.0.0.1:1", 1),
            ("https://127.0.0.1:2", 1),
        ];
        assert_eq!(places, wanted.map(|(place, count)| (place.to_owned(), count)));
        assert_eq!(found.first().and_then(|found| found.release.as_deref()), Some("a"));
        let paths: Vec<&str> =
            found.iter().filter_map(|found| found.webhooks.first()).map(Webhook::path).collect();
        assert_eq!(paths, ["x", "x", "validate", "validate"]);
    }

    #[test]
    fn rules_have_the_wildcards_of_the_api_server() {
        let rule = |groups: &[&str], resources: &[&str], scope: &str| json!({"apiGroups": groups, "apiVersions": ["*"], "operations": ["*"], "resources": resources, "scope": scope});
        for (rule, resource, wanted) in [
            (rule(&["*"], &["*"], "*"), "persistentvolumes", true),
            (rule(&["*"], &["*"], "*"), "persistentvolumes/status", false),
            (rule(&[""], &["*/*"], ""), "persistentvolumes/status", true),
            (rule(&[""], &["persistentvolumes/*"], ""), "persistentvolumes/status", true),
            (rule(&[""], &["persistentvolumes"], "Cluster"), "persistentvolumes", true),
            (rule(&[""], &["persistentvolumes"], "Namespaced"), "persistentvolumes", false),
            (rule(&["apps"], &["persistentvolumes"], ""), "persistentvolumes", false),
        ] {
            assert_eq!(covers(&rule, "", "CREATE", resource, "Cluster"), wanted, "{rule} {resource}");
        }
    }
}
