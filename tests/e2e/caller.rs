//! Callers: only the API server with its client certificate is accepted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{block_on, status};
use crate::client_certificate::{Authority, Pair};
use crate::cluster::{self, Cluster, Webhooks};
use crate::component;
use crate::guard::Guard;
use crate::objects::class;
use crate::program::review;

/// Tests of client certificates.
pub fn trials() -> Vec<Trial> {
    let at_the_api_server = |name: &str, test: fn(&mut Cluster) -> Result<(), Failed>| {
        component::trial(format!("caller::{name}"), cluster::shared, move |mut cluster| test(&mut cluster))
    };
    vec![
        at_the_api_server("the_api_server_gets_through", the_api_server_gets_through),
        at_the_api_server("an_api_server_of_another_name_does_not", another_name_does_not),
        Trial::test("caller::refuses_others_and_counts_them", refuses_others),
        Trial::test("caller::takes_new_authorities_without_a_restart", takes_new_authorities),
        Trial::test("caller::says_why_it_cannot_start", says_why_it_cannot_start),
    ]
}

/// Returns the API server's message for a class with `bg` while `guard` is called.
fn ask_through(cluster: &mut Cluster, guard: &Guard) -> String {
    cluster.use_webhooks(Webhooks::Validating);
    cluster.register_at(guard, Webhooks::Validating);
    let probe = class("caller", "nfs.csi.k8s.io", &["bg"]);
    let mut said = String::new();
    for _ in 0..200 {
        let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &probe.to_string());
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Until the change is in effect the other guard answers.
        let is_asked = guard.log().iter().any(|event| event["target"] == "decision");
        let counts = block_on(status(guard.status, "/metrics")).expect("metrics");
        let counts = String::from_utf8_lossy(&counts.body).into_owned();
        if is_asked || counts.contains("clients_refused_total{reason=\"client_name\"}") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.reset_webhooks();
    said
}

fn the_api_server_gets_through(cluster: &mut Cluster) -> Result<(), Failed> {
    let authority = cluster.caller_authority().display().to_string();
    let guard = Guard::start(&["--client-ca", &authority, "--allowed-client", "other,kube-apiserver"]);
    let said = ask_through(cluster, &guard);
    assert!(said.contains("NMG001"), "{said}");
    Ok(())
}

fn another_name_does_not(cluster: &mut Cluster) -> Result<(), Failed> {
    let authority = cluster.caller_authority().display().to_string();
    let guard = Guard::start(&["--client-ca", &authority, "--allowed-client", "other"]);
    let said = ask_through(cluster, &guard);
    assert!(said.contains("failed calling webhook") && !said.contains("NMG001"), "{said}");
    Ok(())
}

/// Returns the response to a caller with this certificate: a status, or none.
pub fn call(guard: &Guard, certificate: Option<&Pair>) -> Option<u16> {
    let pem = fs::read(guard.certs.join("ca.crt")).expect("ca.crt");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match certificate {
        Some(pair) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate")],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key"),
            )
            .expect("a pair"),
        None => builder.with_no_client_auth(),
    };
    let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg"]));
    block_on(async {
        let stream = TcpStream::connect(guard.address).await.ok()?;
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, stream).await.ok()?;
        let request = format!(
            "POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    })
}

/// The authority of the callers, in a directory.
pub struct Folder {
    folder: TempDir,
    pub authority: Authority,
}

impl Folder {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let authority = Authority::new();
        fs::write(folder.path().join("ca.crt"), &authority.certificate).expect("written");
        Self { folder, authority }
    }

    /// Its certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }
}

fn refuses_others() -> Result<(), Failed> {
    let callers = Folder::new();
    let file = callers.file().display().to_string();
    let guard = Guard::start(&["--client-ca", &file, "--allowed-client", "kube-apiserver"]);
    assert_eq!(call(&guard, Some(&callers.authority.sign("kube-apiserver", 0))), Some(200));
    for _ in 0..20 {
        assert_eq!(call(&guard, Some(&callers.authority.sign("kubelet", 0))), Some(403));
        assert_eq!(call(&guard, Some(&callers.authority.sign("kube-apiserver", 7))), None);
        assert_eq!(call(&guard, Some(&Authority::new().sign("kube-apiserver", 0))), None);
        assert_eq!(call(&guard, None), None);
        block_on(async {
            let mut plain = TcpStream::connect(guard.address).await.expect("a connection");
            plain.write_all(b"POST /validate HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
            let mut answer = Vec::new();
            let _ = plain.read_to_end(&mut answer).await;
            assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
        });
    }
    let metrics = String::from_utf8(block_on(status(guard.status, "/metrics"))?.body)?;
    for reason in [
        "client_name",
        "client_certificate_expired",
        "client_certificate_unknown",
        "client_certificate_missing",
        "plain_http",
    ] {
        let line = format!("nfs_mount_guard_clients_refused_total{{reason=\"{reason}\"}} 20");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let log = guard.log();
    let complaints: Vec<_> = log.iter().filter(|event| event["message"] == "connection rejected").collect();
    let seconds: std::collections::BTreeSet<_> = complaints
        .iter()
        .map(|event| event["timestamp"].as_str().unwrap_or_default().get(..19).unwrap_or_default())
        .collect();
    assert!(!complaints.is_empty());
    // A line begins in the second in which it was written, or at its very end.
    assert!(complaints.len() <= seconds.len() + 1, "more than one line a second: {complaints:?}");
    Ok(())
}

fn takes_new_authorities() -> Result<(), Failed> {
    let callers = Folder::new();
    let guard = Guard::start(&["--client-ca", &callers.file().display().to_string()]);
    let old = callers.authority.sign("anybody", 0);
    assert_eq!(call(&guard, Some(&old)), Some(200));
    fs::write(callers.file(), "garbage")?;
    guard.wait_for(|event| event["level"] == "ERROR");
    assert_eq!(call(&guard, Some(&old)), Some(200), "the last good one stays");
    let new = Authority::new();
    fs::write(callers.file(), &new.certificate)?;
    guard.wait_for(|event| event["message"] == "a new client CA is in use");
    assert_eq!(call(&guard, Some(&old)), None);
    assert_eq!(call(&guard, Some(&new.sign("anybody", 0))), Some(200));
    Ok(())
}

fn says_why_it_cannot_start() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let empty = path("empty", "");
    let garbage = path("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let good = path("good", &Authority::new().certificate);
    let missing = folder.path().join("missing").display().to_string();
    for (args, code, words) in [
        (vec!["--client-ca", &missing], 3, "--client-ca: cannot read"),
        (vec!["--client-ca", &empty], 3, "has no CA certificate"),
        (vec!["--client-ca", &garbage], 3, "has no CA certificate"),
        (vec!["--allowed-client", "a"], 2, "--client-ca"),
        (vec!["--client-ca", &good, "--allowed-client", ""], 2, "--allowed-client"),
    ] {
        let output = std::process::Command::new(component::program())
            .args(["serve", "--self-signed", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0"])
            .args(&args)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    Ok(())
}
