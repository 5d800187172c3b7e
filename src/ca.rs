//! A certificate authority of our own: it signs the certificates that the
//! webhook serves with, and the API server trusts it by the caBundle.

pub mod rotation;
pub mod state;

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// The lifetime of the CA.
pub const AUTHORITY_LIFE: Duration = Duration::days(5 * 365);

/// The lifetime of a certificate.
pub const CERTIFICATE_LIFE: Duration = Duration::days(90);

/// Certificates are valid an hour before they are made: an API server whose clock is
/// slow against that of the node would reject them else.
pub const BACKDATE: Duration = Duration::hours(1);

/// The reason why the CA cannot do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name is neither a DNS name nor an address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    BadName(String),
    /// The CA's own certificate or key cannot be used.
    #[error("the CA cannot be used: {0}")]
    BadAuthority(rcgen::Error),
    /// A certificate cannot be made.
    #[error("cannot create a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The CA's own certificate cannot be read.
    #[error("the CA cannot be used: {0}")]
    Unreadable(#[from] state::Unreadable),
}

/// A certificate with its private key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, or a chain of them.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// The key never shows in a log.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pair: Pair,
    not_after: OffsetDateTime,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("pair", &self.pair).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a CA that lives [`AUTHORITY_LIFE`] from `now`.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn generate(now: OffsetDateTime) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        // Two CAs are trusted at a time: their names tell them apart.
        params.distinguished_name = common_name(&format!("nfs-mount-guard CA of {}", now.date()));
        // It signs certificates of servers, and no further CA (RFC 5280, 4.2.1.9).
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = now - BACKDATE;
        params.not_after = now + AUTHORITY_LIFE;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let pair = Pair { certificate: certificate.pem(), key: key.serialize_pem() };
        let not_after = params.not_after;
        Ok(Self { issuer: Issuer::new(params, key), pair, not_after })
    }

    /// Takes a CA that was made before.
    ///
    /// # Errors
    ///
    /// When the pair cannot be parsed.
    pub fn load(pair: Pair) -> Result<Self, Error> {
        let key = KeyPair::from_pem(&pair.key).map_err(Error::BadAuthority)?;
        let not_after = state::CertificateFacts::read(&pair.certificate)?.not_after;
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(Error::BadAuthority)?;
        Ok(Self { issuer, pair, not_after })
    }

    /// Returns its own certificate and key.
    pub const fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Signs a certificate for `names`, DNS names or addresses, that lives
    /// [`CERTIFICATE_LIFE`] from `now`, but no longer than the CA.
    ///
    /// # Errors
    ///
    /// When a name cannot stand in a certificate.
    pub fn sign(&self, names: &[String], now: OffsetDateTime) -> Result<Pair, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("nfs-mount-guard");
        params.subject_alt_names =
            names.iter().map(|name| subject_alt_name(name)).collect::<Result<_, _>>()?;
        // Enough for key exchange by ECDHE; key encipherment is that of RSA (RFC 5280, 4.2.1.3).
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Names the key that signed: during a rotation two CAs are trusted (RFC 5280, 4.2.1.1).
        params.use_authority_key_identifier_extension = true;
        params.not_before = now - BACKDATE;
        params.not_after = self.not_after.min(now + CERTIFICATE_LIFE);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Says whether a certificate can be made for `name`.
///
/// # Errors
///
/// When it is neither a DNS name nor an address.
pub fn check_name(name: &str) -> Result<(), Error> {
    subject_alt_name(name).map(drop)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn subject_alt_name(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    // The limits of DNS (RFC 1035, section 2.3.4); an underscore is in no name of a Service.
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bad = || Error::BadName(name.to_owned());
    if name.len() > 253 || !name.strip_prefix("*.").unwrap_or(name).split('.').all(is_label) {
        return Err(bad());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_authority_signs_as_the_one_that_was_made() {
        let now = OffsetDateTime::now_utc();
        let made = Authority::generate(now).unwrap();
        let loaded = Authority::load(made.pair().clone()).unwrap();
        let other = Authority::generate(now).unwrap();
        let signed = loaded.sign(&["guard.ns.svc".to_owned(), "127.0.0.1".to_owned()], now).unwrap();
        let pem = |text: &str| x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap().1;
        let (leaf, made, other) =
            (pem(&signed.certificate), pem(&made.pair().certificate), pem(&other.pair().certificate));
        let (leaf, made, other) =
            (leaf.parse_x509().unwrap(), made.parse_x509().unwrap(), other.parse_x509().unwrap());
        assert!(leaf.verify_signature(Some(made.public_key())).is_ok());
        assert!(leaf.verify_signature(Some(other.public_key())).is_err(), "not of any authority");
        assert_eq!(leaf.issuer(), made.subject());
        let names = leaf.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["DNSName(guard.ns.svc)", "IPAddress(7f:00:00:01)"]);
        assert_eq!(leaf.validity().not_after.timestamp(), (now + CERTIFICATE_LIFE).unix_timestamp());
        assert!(!leaf.is_ca());
    }

    #[test]
    fn refuses_a_name_that_is_none() {
        let authority = Authority::generate(OffsetDateTime::now_utc()).unwrap();
        for name in ["", "a b", "-a.b", "a..b", "https://a"] {
            let signed = authority.sign(&[name.to_owned()], OffsetDateTime::now_utc());
            assert!(matches!(signed, Err(Error::BadName(_))), "{name:?}");
        }
    }

    #[test]
    fn a_key_never_shows_in_a_log() {
        let authority = Authority::generate(OffsetDateTime::now_utc()).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE KEY"));
    }
}
