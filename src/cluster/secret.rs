//! The Secret that holds everything the built-in authority keeps: a
//! `kubernetes.io/tls` Secret with a few keys more.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};

use super::{Error, FIELD_MANAGER, is_conflict};
use crate::ca::Pair;
use crate::ca::rotation::Stored;
use crate::ca::state::CaState;

/// An annotation that asks for a new authority.
pub(super) const ROTATE: &str = "nfs-mount-guard.io/rotate";

const LEAF: (&str, &str) = ("tls.crt", "tls.key");
const AUTHORITY: (&str, &str) = ("ca.crt", "ca.key");
const NEXT: (&str, &str) = ("next-ca.crt", "next-ca.key");
const PREVIOUS: &str = "previous-ca.crt";

/// The place of the Secret.
pub(super) struct Store {
    api: Api<Secret>,
    /// Its name.
    pub(super) name: String,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// Reads what is kept; `None` where there is no Secret.
    pub(super) async fn read(&self) -> Result<Option<Secret>, Error> {
        let task = || format!("read the Secret {}", self.name);
        self.api.get_opt(&self.name).await.map_err(Error::api(task()))
    }

    /// Writes `chain` in place of `old`, or newly. `false` if another
    /// replica wrote first: read its version before the next try.
    pub(super) async fn write(&self, old: Option<Secret>, chain: &CaState) -> Result<bool, Error> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = if let Some(mut secret) = old {
            update(&mut secret, chain);
            self.api.replace(&self.name, &parameters, &secret).await
        } else {
            let label = ("app.kubernetes.io/name".to_owned(), "nfs-mount-guard".to_owned());
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from([label])),
                ..ObjectMeta::default()
            };
            let type_ = Some("kubernetes.io/tls".to_owned());
            let mut secret = Secret { metadata, type_, ..Secret::default() };
            update(&mut secret, chain);
            self.api.create(&parameters, &secret).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(Error::api(format!("write the Secret {}", self.name))(error)),
        }
    }
}

/// Returns the contents of a Secret of any writer.
pub(super) fn found(secret: Option<&Secret>) -> Stored {
    let Some(secret) = secret else { return Stored::default() };
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
        rotate: secret.annotations().contains_key(ROTATE),
    }
}

fn update(secret: &mut Secret, chain: &CaState) {
    let data = secret.data.get_or_insert_default();
    let mut set = |key: &str, text: Option<&str>| {
        match text {
            Some(text) => data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec())),
            None => data.remove(key),
        };
    };
    set(LEAF.0, Some(&chain.leaf.certificate));
    set(LEAF.1, Some(&chain.leaf.key));
    set(AUTHORITY.0, Some(&chain.authority.certificate));
    set(AUTHORITY.1, Some(&chain.authority.key));
    set(NEXT.0, chain.next.as_ref().map(|next| &*next.certificate));
    set(NEXT.1, chain.next.as_ref().map(|next| &*next.key));
    set(PREVIOUS, chain.previous.as_deref());
    if chain.next.is_some() {
        // Asked and answered.
        secret.annotations_mut().remove(ROTATE);
    }
}
