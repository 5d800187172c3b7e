//! `scan --webhook-policy`: reads the policy of the webhook.

use crate::cli::exit::InputError;
use crate::cluster::pages::Pager;
use crate::cluster::webhook_policy::{self, ConfigMapName};
use crate::policy::Policy;
use crate::policy_file;

/// Reads the policy of the webhook. An error of the type [`webhook_policy::Error`] is wrong use.
pub(super) async fn read(pager: &mut Pager, place: &ConfigMapName) -> anyhow::Result<Policy> {
    let text = webhook_policy::read(pager, place).await.map_err(|error| match error {
        webhook_policy::Error::Missing(_) => error.into(),
        other => anyhow::Error::new(InputError(other.to_string())),
    })?;
    Ok(policy_file::parse(&text, &place.to_string())?)
}
