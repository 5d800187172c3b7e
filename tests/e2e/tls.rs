//! Checks the TLS versions of the server: 1.2 and 1.3, with forward secrecy.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use crate::guard::Guard;

/// Tests of the handshake.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("tls::{name}"), test);
    vec![
        trial("speaks_1_3_and_1_2_with_forward_secrecy", speaks_what_is_modern),
        trial("refuses_older_versions_and_weak_suites", refuses_what_is_old),
    ]
}

fn speaks_what_is_modern() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    for version in [&TLS13, &TLS12] {
        let (spoken, suite) = handshake(&guard, version)?;
        assert_eq!(spoken, version.version);
        let name = format!("{suite:?}");
        assert!(spoken == ProtocolVersion::TLSv1_3 || name.starts_with("TLS_ECDHE_"), "{name}");
        assert!(name.contains("GCM") || name.contains("CHACHA20"), "{name}");
    }
    Ok(())
}

/// The version and the suite of a connection to `guard`.
fn handshake(
    guard: &Guard,
    version: &'static SupportedProtocolVersion,
) -> Result<(ProtocolVersion, CipherSuite), Failed> {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(guard.certs.join("ca.crt"))?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut stream = TcpStream::connect(guard.address)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let spoken = connection.protocol_version().ok_or("no version")?;
    let suite = connection.negotiated_cipher_suite().ok_or("no suite")?.suite();
    Ok((spoken, suite))
}

fn refuses_what_is_old() -> Result<(), Failed> {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    let guard = Guard::start(&[]);
    // RFC 5246 A.5, RFC 5288, RFC 5289; the last one is the control.
    for (what, minor, suite, alert) in [
        ("SSL 3.0", 0, 0x002f, Some(PROTOCOL_VERSION)),
        ("TLS 1.0", 1, 0xc013, Some(PROTOCOL_VERSION)),
        ("TLS 1.1", 2, 0xc013, Some(PROTOCOL_VERSION)),
        ("RSA key exchange, CBC", 3, 0x002f, Some(HANDSHAKE_FAILURE)),
        ("RSA key exchange, GCM", 3, 0x009c, Some(HANDSHAKE_FAILURE)),
        ("CBC", 3, 0xc023, Some(HANDSHAKE_FAILURE)),
        ("RC4", 3, 0xc007, Some(HANDSHAKE_FAILURE)),
        ("3DES", 3, 0xc008, Some(HANDSHAKE_FAILURE)),
        ("no encryption", 3, 0xc006, Some(HANDSHAKE_FAILURE)),
        ("ECDHE, GCM", 3, 0xc02b, None),
    ] {
        let answer = greet(&guard, &hello(minor, suite))?;
        let said = match answer.as_slice() {
            [21, _, _, _, _, _, description, ..] => Some(*description),
            [22, ..] => None,
            _ => panic!("{what}: {answer:?}"),
        };
        assert_eq!(said, alert, "{what}: {answer:?}");
    }
    Ok(())
}

/// A greeting of SSL 3 or TLS 1 with one suite, and the extensions of
/// elliptic curves, signatures and the extended master secret.
fn hello(minor: u8, suite: u16) -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1],
        &[0, 23, 0, 0],
    ];
    let extensions = extensions.concat();
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2]);
    body.extend(suite.to_be_bytes());
    body.extend([1, 0]);
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(length(body.len()));
    handshake.extend(body);
    let mut record = vec![22, 3, minor.min(1)];
    record.extend(length(handshake.len()));
    record.extend(handshake);
    record
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("short").to_be_bytes()
}

/// Returns the first bytes that the server sends.
fn greet(guard: &Guard, hello: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut stream = TcpStream::connect(guard.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(hello)?;
    let mut answer = [0; 64];
    let read = stream.read(&mut answer)?;
    Ok(answer[..read].to_vec())
}
