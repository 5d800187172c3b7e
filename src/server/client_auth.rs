//! Authenticates callers: with a CA for clients, only callers with a certificate of it complete the
//! handshake, and with names, only callers that have one of them get a response.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};

use super::tls::{Error, provider};
use crate::ca::state;

/// Connections who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// The PEM file with the CAs that vouch for callers; watched.
    pub authorities: PathBuf,
    /// Common names or subjectAltNames, of which a caller bears at least one;
    /// none means any.
    pub names: BTreeSet<String>,
}

impl Clients {
    /// Reads the CAs.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no CA.
    pub fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let place = self.authorities.display().to_string();
        let pem = std::fs::read(&self.authorities)
            .map_err(|source| Error::Read { place: place.clone(), source })?;
        let bad = |reason: String| Error::BadClientAuthority { place: place.clone(), reason };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| bad(error.to_string()))
    }

    /// Returns the directory to watch for new CAs.
    pub(super) fn folder(&self) -> &Path {
        let parent = self.authorities.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// Returns true if a caller with this certificate may send requests.
    pub(super) fn admits(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        self.names.is_empty()
            || certificate.is_some_and(|certificate| !self.names.is_disjoint(&borne(certificate)))
    }
}

/// Returns the names that a certificate bears.
fn borne(certificate: &CertificateDer<'_>) -> BTreeSet<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return BTreeSet::new();
    };
    let mut names = state::names(&certificate);
    // Kubernetes takes the common name of a client certificate for the user's name
    // (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.extend(common.map(ToOwned::to_owned));
    names
}

/// Returns a word for the metric with the reason of a failed handshake.
pub(super) fn refusal(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::NoCertificatesPresented) => "client_certificate_missing",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => "client_certificate_expired",
        Some(rustls::Error::InvalidCertificate(_)) => "client_certificate_unknown",
        // The first bytes are no TLS record, such as those of an HTTP probe.
        Some(rustls::Error::InvalidMessage(_)) => "not_tls",
        Some(rustls::Error::PeerIncompatible(_)) => "tls_version_or_suite",
        _ => "handshake",
    }
}
