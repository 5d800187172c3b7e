//! The caBundle of the webhook configurations: the one field of theirs that is
//! the guard's own, by server-side apply.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Error, FIELD_MANAGER, explain, is_conflict};

const KINDS: [&str; 2] = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];

/// Both webhook configurations.
pub(super) struct Configurations {
    client: Client,
    name: String,
}

/// The trust of the configurations in the CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// There is none.
    Missing,
    /// All that there are had the bundle already.
    Had,
    /// At least one has only just got it.
    Given,
}

impl Configurations {
    pub(super) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// Reads the configuration of a kind; `None` where there is none.
    async fn read(&self, kind: &str) -> Result<(Api<DynamicObject>, Option<DynamicObject>), Error> {
        let version = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&version));
        let object = api.get_opt(&self.name).await;
        let object = object.map_err(Error::api(format!("read the {kind} {}", self.name)))?;
        Ok((api, object))
    }

    /// Returns true if a webhook's caBundle contains `certificate` (PEM) now; any client may have
    /// written it.
    pub(super) async fn trusts(&self, certificate: &str) -> Result<bool, Error> {
        for kind in KINDS {
            let (_, object) = self.read(kind).await?;
            let Some(object) = object else { continue };
            let is_in = |bundle: &str| {
                STANDARD
                    .decode(bundle)
                    .is_ok_and(|pem| String::from_utf8_lossy(&pem).contains(certificate.trim()))
            };
            if bundles(&object.data).into_values().flatten().any(is_in) {
                // One is enough: the configurations of a release are written together.
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the caBundle (PEM) of the first webhook that has one now.
    pub(super) async fn current(&self) -> Result<Option<String>, Error> {
        for kind in KINDS {
            let (_, object) = self.read(kind).await?;
            let Some(object) = object else { continue };
            let found = bundles(&object.data).into_values().flatten().find_map(|bundle| {
                String::from_utf8(STANDARD.decode(bundle).ok()?).ok().filter(|pem| !pem.is_empty())
            });
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Makes `bundle` (PEM) the caBundle of every webhook in them.
    pub(super) async fn trust(&self, bundle: &str) -> Result<Trust, Error> {
        let wanted = STANDARD.encode(bundle);
        let mut trust = Trust::Missing;
        for kind in KINDS {
            let (api, object) = self.read(kind).await?;
            let Some(object) = object else { continue };
            let bundles = bundles(&object.data);
            // An apply that changes nothing would still be a write of managedFields.
            if bundles.values().all(|bundle| *bundle == Some(&*wanted)) {
                trust = if trust == Trust::Missing { Trust::Had } else { trust };
                continue;
            }
            // The webhooks are keyed by name (listMapKey), so an apply of these fields leaves the
            // others alone.
            let patch = patch(kind, &self.name, bundles.keys(), &wanted);
            let task = format!("write the caBundle of the {kind} {}", self.name);
            self.apply(&api, kind, &patch).await.map_err(Error::api(task))?;
            tracing::info!(kind, name = self.name, "the caBundle was written");
            trust = Trust::Given;
        }
        Ok(trust)
    }

    /// Applies the caBundle only. Another field manager of it is logged and loses
    /// it: two writers would turn the webhook on and off.
    async fn apply(&self, api: &Api<DynamicObject>, kind: &str, patch: &Value) -> Result<(), kube::Error> {
        let parameters = PatchParams::apply(FIELD_MANAGER);
        match api.patch(&self.name, &parameters, &Patch::Apply(patch)).await {
            Err(error) if is_conflict(&error) => {
                let error = explain(&error);
                tracing::warn!(
                    kind,
                    name = self.name,
                    error,
                    "field manager conflict on caBundle, overwriting it; remove the other writer (cert-manager, GitOps tool)"
                );
                // Only after the conflict was logged: the other writer is a fault of the set-up.
                api.patch(&self.name, &parameters.force(), &Patch::Apply(patch)).await.map(drop)
            }
            other => other.map(drop),
        }
    }
}

/// Returns the caBundle of each webhook of a configuration, by name.
fn bundles(configuration: &Value) -> BTreeMap<&str, Option<&str>> {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array);
    webhooks
        .into_iter()
        .flatten()
        .filter_map(|webhook| {
            let bundle = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str);
            Some((webhook.get("name")?.as_str()?, bundle))
        })
        .collect()
}

fn patch<'n>(kind: &str, name: &str, webhooks: impl Iterator<Item = &'n &'n str>, bundle: &str) -> Value {
    let webhooks: Vec<Value> =
        webhooks.map(|name| json!({"name": name, "clientConfig": {"caBundle": bundle}})).collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": webhooks,
    })
}
