//! The state of the built-in CA: the pair that signs, the one that will sign next, the one that
//! signed before, and the certificate to serve with.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{BACKDATE, Pair};

/// Everything that is kept, in one piece, so that no reader ever sees one half
/// of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaState {
    /// The CA that signs.
    pub authority: Pair,
    /// The CA that will sign once every API server trusts it.
    pub next: Option<Pair>,
    /// The certificate of the CA that signed before, trusted as long as
    /// a server may still show what it signed.
    pub previous: Option<String>,
    /// The serving certificate of the webhook, signed by `authority`.
    pub leaf: Pair,
}

impl CaState {
    /// Returns the caBundle, in PEM: every CA that is to be trusted.
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|pair| pair.certificate.as_str());
        // The signer first: some tools read only the first certificate of a bundle.
        let trusted = [Some(self.authority.certificate.as_str()), next, self.previous.as_deref()];
        let trusted: Vec<&str> = trusted.into_iter().flatten().map(str::trim_end).collect();
        trusted.join("\n") + "\n"
    }
}

/// The reason why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct Unreadable(String);

/// The fields of a certificate that the rotation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// When it was made: a little after its own `notBefore`.
    pub made: OffsetDateTime,
    /// When it ends.
    pub not_after: OffsetDateTime,
    /// DNS names and addresses that it speaks for.
    pub names: BTreeSet<String>,
    /// Its public key, DER.
    public_key: Vec<u8>,
}

impl CertificateFacts {
    /// Reads the first certificate in `pem`.
    ///
    /// # Errors
    ///
    /// When there is none, or it is no X.509.
    pub fn read(pem: &str) -> Result<Self, Unreadable> {
        parse(pem, |certificate| Self {
            made: certificate.validity().not_before.to_datetime() + BACKDATE,
            not_after: certificate.validity().not_after.to_datetime(),
            names: names(certificate),
            public_key: certificate.public_key().raw.to_vec(),
        })
    }

    /// Returns when two thirds of its life are over.
    pub fn renewal(&self) -> OffsetDateTime {
        self.made + (self.not_after - self.made) * 2 / 3
    }

    /// Returns true if `key` (PEM) is the certificate's own.
    pub fn belongs_to(&self, key: &str) -> bool {
        use rcgen::PublicKeyData as _;
        KeyPair::from_pem(key).is_ok_and(|key| key.subject_public_key_info() == self.public_key)
    }
}

/// Returns true if `authority` (PEM) signed `leaf` (PEM).
pub fn is_signed_by(leaf: &str, authority: &str) -> bool {
    let signed = parse(authority, |authority| {
        parse(leaf, |leaf| {
            // Verifiers look up the issuer by name before they check a signature (RFC 5280, 6.1.3).
            leaf.issuer() == authority.subject()
                && leaf.verify_signature(Some(authority.public_key())).is_ok()
        })
    });
    signed == Ok(Ok(true))
}

fn parse<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Result<T, Unreadable> {
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| Unreadable(error.to_string()))?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(|error| Unreadable(error.to_string()))?;
    Ok(read(&certificate))
}

/// Returns the names for which a certificate speaks: subjectAltName only, as callers have it.
pub fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    names.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
