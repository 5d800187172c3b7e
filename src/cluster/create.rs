//! Creates objects so that RBAC can limit the right by name.

use kube::api::{Api, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FIELD_MANAGER;

/// Creates an object by server-side apply: a POST has no name in its path, so RBAC
/// cannot limit it by name, and a right to create every Secret of a namespace would
/// remain. Each `holder` is a field manager of its own, so that the slower of two
/// creators gets a conflict.
///
/// A role that has no `patch`, as that of 0.1.0, allows a POST.
///
/// # Errors
///
/// The answer of the API server; 409 if another replica created it first.
pub(super) async fn create<K>(api: &Api<K>, name: &str, holder: &str, object: &K) -> Result<(), kube::Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    // A field manager's name has at most 128 bytes.
    let manager: String = format!("{FIELD_MANAGER}-{holder}").chars().take(100).collect();
    let applied = api.patch(name, &PatchParams::apply(&manager), &Patch::Apply(object)).await;
    match applied {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let parameters =
                PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            let created = api.create(&parameters, object).await;
            // Of two refusals the first names what the chart's role grants.
            match created {
                Err(kube::Error::Api(second)) if second.code == 403 => Err(kube::Error::Api(status)),
                other => other.map(drop),
            }
        }
        other => other.map(drop),
    }
}
