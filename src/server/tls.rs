//! The serving certificate: loaded, checked, swapped while connections run.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::source::io_fault;

/// Name of the certificate in a directory: that of a `kubernetes.io/tls` Secret.
pub const CERTIFICATE_FILE: &str = "tls.crt";

/// Name of the private key in a directory: that of a `kubernetes.io/tls` Secret.
pub const KEY_FILE: &str = "tls.key";

/// The reason why a certificate cannot be used. A place is a file, or a key of a Secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {place}: {}", io_fault::reason(source))]
    Read {
        /// The file.
        place: String,
        /// The reason.
        source: io::Error,
    },
    /// There is no certificate where one should be.
    #[error("{place} contains no PEM certificate")]
    NoCertificate {
        /// The file or key.
        place: String,
    },
    /// The certificate cannot be parsed.
    #[error("{place} contains a certificate that cannot be read: {reason}")]
    BadCertificate {
        /// The file or key.
        place: String,
        /// The reason.
        reason: String,
    },
    /// There is no usable private key where one should be.
    #[error("{place} contains no usable private key: {reason}")]
    BadKey {
        /// The file or key.
        place: String,
        /// The reason.
        reason: String,
    },
    /// The key is another certificate's.
    #[error("the private key in {key} does not belong to the certificate in {certificate}")]
    Mismatch {
        /// The place of the certificate.
        certificate: String,
        /// The place of the key.
        key: String,
    },
    /// The certificate has ended.
    #[error("the certificate in {place} expired on {not_after}; renew it")]
    Expired {
        /// The file or key.
        place: String,
        /// When it ended.
        not_after: OffsetDateTime,
    },
    /// A certificate could not be made.
    #[error("cannot create a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The CA of the callers cannot be used.
    #[error("{place} has no CA certificate for callers: {reason}")]
    BadClientAuthority {
        /// The file or key.
        place: String,
        /// The reason.
        reason: String,
    },
    /// The library refuses the configuration.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl Error {
    /// Returns the file or key that is at fault.
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::Read { place, .. }
            | Self::NoCertificate { place }
            | Self::BadCertificate { place, .. }
            | Self::BadKey { place, .. }
            | Self::Mismatch { certificate: place, .. }
            | Self::Expired { place, .. }
            | Self::BadClientAuthority { place, .. } => Some(place),
            Self::Make(_) | Self::Setup(_) => None,
        }
    }

    /// Returns true if a file does not exist.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A certificate chain with its key, checked and ready to serve.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_after: OffsetDateTime,
}

impl Certificate {
    /// Returns when it expires.
    pub const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Reads the pair in `folder`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, and as [`Self::parse`].
    pub fn load(folder: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|source| Error::Read { place: path.display().to_string(), source })
        };
        let (pem, key_pem) = (read(CERTIFICATE_FILE)?, read(KEY_FILE)?);
        Self::parse(&folder.display().to_string(), &pem, &key_pem, now)
    }

    /// Takes a pair in PEM, with [`CERTIFICATE_FILE`] and [`KEY_FILE`] of `place`
    /// as their names for people. The whole chain is kept; only the first
    /// certificate's end counts.
    ///
    /// # Errors
    ///
    /// When one of the two cannot be parsed, they do not belong together, or
    /// the certificate has ended by `now`.
    pub fn parse(place: &str, pem: &[u8], key_pem: &[u8], now: OffsetDateTime) -> Result<Self, Error> {
        let key_place = format!("{place}/{KEY_FILE}");
        let place = format!("{place}/{CERTIFICATE_FILE}");
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::BadCertificate { place: place.clone(), reason: error.to_string() })?;
        let Some(leaf) = chain.first() else {
            return Err(Error::NoCertificate { place });
        };
        let not_after =
            not_after(leaf).map_err(|reason| Error::BadCertificate { place: place.clone(), reason })?;
        let bad_key = |reason: String| Error::BadKey { place: key_place.clone(), reason };
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| bad_key(error.to_string()))?;
        let key =
            provider().key_provider.load_private_key(key).map_err(|error| bad_key(error.to_string()))?;
        let key = CertifiedKey::new(chain, key);
        // Only a sure mismatch: of a key without a public part rustls cannot tell
        // (InconsistentKeys::Unknown).
        if matches!(
            key.keys_match(),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))
        ) {
            return Err(Error::Mismatch { certificate: place, key: key_place });
        }
        // An expired one is refused when it is loaded; one that expires while serving is not.
        if not_after <= now {
            return Err(Error::Expired { place, not_after });
        }
        Ok(Self { key: Arc::new(key), not_after })
    }

    /// Makes one in memory, for a first try: it is for localhost only, and
    /// no client trusts it.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn self_signed(now: OffsetDateTime) -> Result<Self, Error> {
        let not_after = now + time::Duration::days(90);
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.extend([
            rcgen::SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            rcgen::SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ]);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "nfs-mount-guard, self-signed");
        // Clocks of clients differ.
        params.not_before = now - time::Duration::hours(1);
        params.not_after = not_after;
        let key_pair = rcgen::KeyPair::generate()?;
        let certificate = params.self_signed(&key_pair)?;
        let key = PrivateKeyDer::Pkcs8(key_pair.serialize_der().into());
        let key = provider().key_provider.load_private_key(key)?;
        Ok(Self { key: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)), not_after })
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> Result<OffsetDateTime, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.validity().not_after.to_datetime())
}

/// The certificate in use. A handshake takes the one that is in use when it
/// begins, and fails where there is none yet.
#[derive(Debug, Default)]
pub struct CertificateStore(ArcSwapOption<Certificate>);

impl CertificateStore {
    /// Begins with `certificate`.
    pub fn new(certificate: Certificate) -> Self {
        Self(ArcSwapOption::from_pointee(certificate))
    }

    /// Replaces the certificate that the next handshake gets.
    pub fn replace(&self, certificate: Certificate) {
        self.0.store(Some(Arc::new(certificate)));
    }

    /// Returns when the one in use expires; `None` while there is none.
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        self.0.load().as_ref().map(|certificate| certificate.not_after)
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|certificate| Arc::clone(&certificate.key))
    }
}

/// Returns TLS 1.2 and 1.3 with the library's own choice of suites, all of them with forward secrecy and
/// authenticated encryption; HTTP/2 and HTTP/1.1 by ALPN. With `clients`, only callers with a certificate of theirs
/// get through the handshake.
///
/// # Errors
///
/// When the library refuses the configuration.
pub fn server_config(
    store: Arc<CertificateStore>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(store);
    // In the order of preference: HTTP/2 for callers that speak it.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// One state of a directory's two files.
pub type FileState = Vec<Option<(PathBuf, u64, std::time::SystemTime)>>;

/// Returns a value that changes with the directory's two files: their targets, lengths and times of
/// writing.
pub fn file_state(folder: &Path) -> FileState {
    [CERTIFICATE_FILE, KEY_FILE]
        .into_iter()
        .map(|name| {
            // Through the link ..data: its target is another directory after each change of a
            // Secret.
            let path = fs::canonicalize(folder.join(name)).ok()?;
            let metadata = fs::metadata(&path).ok()?;
            Some((path, metadata.len(), metadata.modified().ok()?))
        })
        .collect()
}
