//! Configures TLS for clients of the tests and of the benches.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Trusts one authority and offers one protocol, `h2` or `http/1.1`.
pub fn trusting(authority: CertificateDer<'static>, protocol: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

/// The authority of a directory that `certs generate` made.
pub fn authority(certs: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(certs.join("ca.crt")).expect("ca.crt")
}
