//! The certificate with which the API server calls webhooks.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;

/// The file with the authority of the API server's client certificate.
pub const AUTHORITY: &str = "caller-ca.crt";

/// Writes a client certificate for the API server, and the configuration that
/// makes it call every webhook with that. Gives the configuration's path.
pub fn write_configuration(folder: &Path) -> String {
    let authority = Authority::new();
    let caller = authority.sign("kube-apiserver", 0);
    fs::write(folder.join(AUTHORITY), &authority.certificate).expect("written");
    fs::write(folder.join("caller.crt"), &caller.certificate).expect("written");
    fs::write(folder.join("caller.key"), &caller.key).expect("written");
    let kubeconfig = folder.join("caller-kubeconfig");
    let path = |name: &str| folder.join(name).display().to_string();
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "users": [{"name": "*", "user": {"client-certificate": path("caller.crt"), "client-key": path("caller.key")}}],
    });
    fs::write(&kubeconfig, config.to_string()).expect("written");
    let plugin = |name: &str| {
        json!({"name": name, "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": kubeconfig,
        }})
    };
    let admission = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [plugin("ValidatingAdmissionWebhook"), plugin("MutatingAdmissionWebhook")],
    });
    fs::write(folder.join("admission.json"), admission.to_string()).expect("written");
    path("admission.json")
}

/// A certificate with its key, both as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// An authority of client certificates.
pub struct Authority {
    /// Its certificate as PEM.
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "callers");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A client certificate that ended `ago` days ago; for 0, one that is good.
    pub fn sign(&self, name: &str, ago: i64) -> Pair {
        let now = time::OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = now - time::Duration::days(30);
        params.not_after = now + if ago == 0 { time::Duration::days(1) } else { time::Duration::days(-ago) };
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}
