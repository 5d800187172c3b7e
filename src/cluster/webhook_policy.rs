//! The policy of the webhook, in the ConfigMap that it is mounted from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use axum::http::Method;
use serde::Deserialize;

use super::pages::{Answer, Ask, JSON, Pager, encoded};

/// The key that the chart gives the policy.
const KEY: &str = "policy.yaml";

/// The name of the `ConfigMap`, with its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMapName {
    namespace: String,
    name: String,
}

impl FromStr for ConfigMapName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("give the ConfigMap as NAMESPACE/NAME".to_owned()),
        }
    }
}

impl fmt::Display for ConfigMapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigMap {}/{}", self.namespace, self.name)
    }
}

/// The reason why there is no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ConfigMap, or the key in it, is missing.
    #[error("--webhook-policy: {0}")]
    Missing(String),
    /// It cannot be read.
    #[error("--webhook-policy: cannot read the {place}: {reason}")]
    Unread {
        /// The `ConfigMap`.
        place: ConfigMapName,
        /// The reason, and the remedy.
        reason: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    data: BTreeMap<String, String>,
}

/// Returns the text of the policy: under `policy.yaml`, or under the only key.
///
/// # Errors
///
/// When the ConfigMap cannot be read, or holds no policy.
pub async fn read(pager: &mut Pager, place: &ConfigMapName) -> Result<String, Error> {
    // A name of the command line must not lead to another path.
    let uri = format!("/api/v1/namespaces/{}/configmaps/{}", encoded(&place.namespace), encoded(&place.name));
    let ask = Ask { resource: "configmaps", method: Method::GET, uri: &uri, accept: JSON, body: None };
    let unread = |reason: String| Error::Unread { place: place.clone(), reason };
    let bytes = match pager.ask(&ask).await {
        Answer::Page(bytes) => bytes,
        Answer::Refused(status) if status.code == 404 => {
            return Err(Error::Missing(format!(
                "there is no {place}; list them: kubectl get configmap -A -l app.kubernetes.io/name=nfs-mount-guard"
            )));
        }
        Answer::Refused(status) if status.code == 403 => {
            return Err(unread(format!("{} (403); grant \"get\" on this ConfigMap", status.message)));
        }
        Answer::Refused(status) => {
            return Err(unread(format!("the API server answered {} {}", status.code, status.message)));
        }
        Answer::Silence(reason) => return Err(unread(reason)),
    };
    let mut map: ConfigMap =
        serde_json::from_slice(&bytes).map_err(|_| unread("the response is not a ConfigMap".to_owned()))?;
    if let Some(text) = map.data.remove(KEY) {
        return Ok(text);
    }
    let keys: Vec<String> = map.data.keys().cloned().collect();
    // A ConfigMap that another tool made may have another name for its only key.
    let only = map.data.pop_first().map(|(_, text)| text).filter(|_| keys.len() == 1);
    only.ok_or_else(|| {
        let has = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        Error::Missing(format!("the {place} has no key {KEY} (it has {has})"))
    })
}
