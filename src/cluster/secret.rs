//! The Secrets that hold what the built-in CA keeps.
//!
//! A CA in the server's own process keeps everything in one `kubernetes.io/tls`
//! Secret. A CA in a process of its own keeps everything, the certificate too, in a
//! Secret that no other Pod reads, and publishes the certificate in the other one,
//! which the servers mount. So each change is one write, and what is published can be
//! written again at any time.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};

use super::create::create;
use super::{Error, FIELD_MANAGER, is_conflict};
use crate::ca::Pair;
use crate::ca::rotation::Stored;
use crate::ca::state::{CaState, is_signed_by};

/// An annotation that requests a new CA.
pub(super) const ROTATE: &str = "nfs-mount-guard.io/rotate";

const LEAF: (&str, &str) = ("tls.crt", "tls.key");
const AUTHORITY: (&str, &str) = ("ca.crt", "ca.key");
const NEXT: (&str, &str) = ("next-ca.crt", "next-ca.key");
const PREVIOUS: &str = "previous-ca.crt";

/// The Secrets, and the access to them.
pub(super) struct Store {
    api: Api<Secret>,
    /// With the certificate that is served.
    pub(super) leaf: String,
    /// With the CA, where that is another one.
    authority: Option<String>,
    /// The identity of this replica.
    holder: String,
}

/// The Secrets as they were read.
#[derive(Default)]
pub(super) struct Kept {
    /// The one with the CA.
    whole: Option<Secret>,
    /// The one with the certificate, where that is another one.
    published: Option<Secret>,
}

impl Store {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        leaf: &str,
        authority: Option<&str>,
        holder: &str,
    ) -> Self {
        let api = Api::namespaced(client, namespace);
        let authority = authority.map(str::to_owned);
        Self { api, leaf: leaf.to_owned(), authority, holder: holder.to_owned() }
    }

    /// Returns the Secret with the CA.
    pub(super) fn name(&self) -> &str {
        self.authority.as_ref().unwrap_or(&self.leaf)
    }

    /// Reads what is kept.
    pub(super) async fn read(&self) -> Result<Kept, Error> {
        let whole = self.get(self.name()).await?;
        let published = if self.authority.is_some() { self.get(&self.leaf).await? } else { None };
        Ok(Kept { whole, published })
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>, Error> {
        let task = || format!("read the Secret {name}");
        self.api.get_opt(name).await.map_err(Error::api(task()))
    }

    /// Keeps `chain` in place of what was read. `false` if another replica wrote
    /// first: read its version before the next try.
    pub(super) async fn write(&self, old: &Kept, chain: &CaState) -> Result<bool, Error> {
        let type_ = if self.authority.is_some() { "Opaque" } else { "kubernetes.io/tls" };
        self.put(self.name(), type_, old.whole.clone(), |secret| update(secret, chain)).await
    }

    /// Publishes the certificate of `chain`, where that is not what was read. `false` as
    /// of [`Self::write`].
    pub(super) async fn publish(&self, old: &Kept, chain: &CaState) -> Result<bool, Error> {
        if self.authority.is_none() {
            return Ok(true);
        }
        let mut wanted = old.published.clone().unwrap_or_default();
        publish(&mut wanted, chain);
        if old.published.as_ref() == Some(&wanted) {
            return Ok(true);
        }
        let written = self
            .put(&self.leaf, "kubernetes.io/tls", old.published.clone(), |secret| publish(secret, chain))
            .await?;
        if written {
            tracing::info!(secret = self.leaf, "the certificate was published");
        }
        Ok(written)
    }

    async fn put(
        &self,
        name: &str,
        type_: &str,
        old: Option<Secret>,
        change: impl FnOnce(&mut Secret),
    ) -> Result<bool, Error> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = if let Some(mut secret) = old {
            change(&mut secret);
            // With the resourceVersion that was read: a write of another replica in between is a conflict.
            self.api.replace(name, &parameters, &secret).await.map(drop)
        } else {
            let label = ("app.kubernetes.io/name".to_owned(), "nfs-mount-guard".to_owned());
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([label])),
                ..ObjectMeta::default()
            };
            let mut secret = Secret { metadata, type_: Some(type_.to_owned()), ..Secret::default() };
            change(&mut secret);
            create(&self.api, name, &self.holder, &secret).await
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(Error::api(format!("write the Secret {name}"))(error)),
        }
    }
}

impl Kept {
    /// Returns the stored state, however it came there. Without a Secret of its own, the CA
    /// is taken over from the Secret that has the certificate: 0.1.0 kept both in it.
    pub(super) fn found(&self) -> Stored {
        let rotate = self.secrets().any(|secret| secret.annotations().contains_key(ROTATE));
        let found = self.whole.as_ref().or(self.published.as_ref()).map(found).unwrap_or_default();
        Stored { rotate, ..found }
    }

    /// Returns the CA that signed the certificate which is served now, as the published
    /// Secret says.
    pub(super) fn serving_authority(&self) -> Option<String> {
        let published = found(self.published.as_ref()?);
        let (authority, leaf) = (published.authority?.certificate, published.leaf?.certificate);
        is_signed_by(&leaf, &authority).then_some(authority)
    }

    /// Returns true if there is a Secret with the CA.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Returns true if a CA with its key came from the Secret with the certificate.
    pub(super) fn is_taken_over(&self) -> bool {
        let authority = self.published.as_ref().and_then(|secret| found(secret).authority);
        self.whole.is_none() && authority.is_some_and(|pair| !pair.key.is_empty())
    }

    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.whole.iter().chain(&self.published)
    }
}

/// Returns the content of a Secret.
fn found(secret: &Secret) -> Stored {
    let data = secret.data.as_ref();
    let text = |key: &str| {
        let bytes = data?.get(key)?.0.clone();
        String::from_utf8(bytes).ok().filter(|text| !text.trim().is_empty())
    };
    // A key that is missing leaves a pair that cannot sign, but can be trusted.
    let pair = |(certificate, key): (&str, &str)| {
        Some(Pair { certificate: text(certificate)?, key: text(key).unwrap_or_default() })
    };
    Stored {
        authority: pair(AUTHORITY),
        next: pair(NEXT),
        previous: text(PREVIOUS),
        leaf: pair(LEAF),
        rotate: false,
    }
}

fn set(secret: &mut Secret, key: &str, text: Option<&str>) {
    let data = secret.data.get_or_insert_default();
    match text {
        Some(text) => data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec())),
        None => data.remove(key),
    };
}

fn update(secret: &mut Secret, chain: &CaState) {
    set(secret, LEAF.0, Some(&chain.leaf.certificate));
    set(secret, LEAF.1, Some(&chain.leaf.key));
    set(secret, AUTHORITY.0, Some(&chain.authority.certificate));
    set(secret, AUTHORITY.1, Some(&chain.authority.key));
    set(secret, NEXT.0, chain.next.as_ref().map(|next| &*next.certificate));
    set(secret, NEXT.1, chain.next.as_ref().map(|next| &*next.key));
    set(secret, PREVIOUS, chain.previous.as_deref());
    answer(secret, chain);
}

/// Puts the certificate into the Secret that servers mount, and no key but its own.
fn publish(secret: &mut Secret, chain: &CaState) {
    set(secret, LEAF.0, Some(&chain.leaf.certificate));
    set(secret, LEAF.1, Some(&chain.leaf.key));
    set(secret, AUTHORITY.0, Some(&chain.authority.certificate));
    // 0.1.0 kept the CA's key and its successor in this Secret, which every server can read.
    for key in [AUTHORITY.1, NEXT.0, NEXT.1, PREVIOUS] {
        set(secret, key, None);
    }
    answer(secret, chain);
}

/// Takes the wish for a new CA away once it is granted.
fn answer(secret: &mut Secret, chain: &CaState) {
    // Not before the new CA is in the same write: a wish that is taken away too early would be lost.
    if chain.next.is_some() && secret.annotations().contains_key(ROTATE) {
        secret.annotations_mut().remove(ROTATE);
    }
}
