//! Certificates that do not fit, seen in the Secret and, by a user who may not read
//! that, in what the API server says.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::ca::{Authority, Pair};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::hook::{self, Hook};
use super::{
    HOST, MUTATING, NAME, NAMESPACE, Run, SECRET, Site, VALIDATING, doctor, text, trial, trial_with,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("a_certificate_of_another_ca_is_named", another_ca),
        trial("a_certificate_for_another_name_is_named", other_names),
        trial("an_expired_certificate_is_named", expired),
        trial("a_certificate_that_ends_soon_or_has_no_key_is_named", soon_and_keyless),
        trial("a_ca_bundle_that_cannot_be_used_is_named", bundles),
        trial_with(
            "pods_that_wait_for_the_certificate_of_the_built_in_ca_are_named",
            &["certificates.mode=built-in"],
            awaited,
        ),
    ]
}

/// A user who may do all that doctor does, but for reading the Secret.
fn without_secret(site: &Site<'_>) -> std::path::PathBuf {
    let every = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    site.user(
        "some",
        &json!([
            every("", &["services", "configmaps", "services/proxy"], &["get"]),
            every("", &["pods"], &["list"]),
            every("discovery.k8s.io", &["endpointslices"], &["list"]),
        ]),
        &json!([
            every("admissionregistration.k8s.io", &["*"], &["get", "list"]),
            every("storage.k8s.io", &["storageclasses"], &["create"]),
        ]),
    )
}

fn as_user(file: &Path) -> Run {
    let args = ["--namespace", NAMESPACE, "--wait", "0s", "--format", "json", "--probes", "2"];
    Run::of(&doctor(&args, Some(file)))
}

/// Checks the API server's message about a certificate, as D401 repeats it.
fn said_by_the_api_server(site: &Site<'_>, pair: &Pair, words: &str) {
    let _hook = Hook::start(site.address, pair, hook::ours);
    let user = without_secret(site);
    let mut last = None;
    for _ in 0..50 {
        let run = as_user(&user);
        let seen = text(&run.check("D401")["seen"]).to_owned();
        if seen.contains(words) {
            run.is_warning(
                "D301",
                "not allowed to get secrets/nfs-mount-guard-tls in namespace doctor (403)",
            );
            run.is_problem("D401", "2 of 2 failed: failed calling webhook validate.nfs-mount-guard.io");
            return;
        }
        last = Some(run);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("{words:?}: {last:#?}");
}

/// Checks the fault that the Secret shows, and that no consequence of it is a fault of its own.
fn shown_by_the_secret(site: &Site<'_>, pair: &Pair, words: &str) {
    site.store(pair);
    let run = site.doctor(&["--probes", "1"]);
    run.is_problem("D301", words);
    run.is_skipped("D401", "needs D301");
    run.is_skipped("D402", "needs D301");
    run.is_skipped("D404", "needs D401");
    assert_eq!(run.ids("problem"), ["D301"], "{:#}", run.report);
}

fn another_ca(site: &Site<'_>) -> Result<(), Failed> {
    let now = OffsetDateTime::now_utc();
    let other = Authority::generate(now)?.sign(&[HOST.to_owned()], now)?;
    shown_by_the_secret(site, &other, "(the API server: x509: certificate signed by unknown authority)");
    said_by_the_api_server(site, &other, "x509: certificate signed by unknown authority");
    Ok(())
}

fn other_names(site: &Site<'_>) -> Result<(), Failed> {
    let now = OffsetDateTime::now_utc();
    let other = site.authority.sign(&["nfs-mount-guard.other.svc".to_owned()], now)?;
    shown_by_the_secret(
        site,
        &other,
        &format!("the certificate is not for {HOST}: it is for nfs-mount-guard.other.svc"),
    );
    said_by_the_api_server(site, &other, "x509: certificate is valid for nfs-mount-guard.other.svc, not");
    // A common name alone has not counted since Go 1.15.
    let issuer = Issuer::from_ca_cert_pem(
        &site.authority.pair().certificate,
        KeyPair::from_pem(&site.authority.pair().key)?,
    )?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, HOST);
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(60);
    let key = KeyPair::generate()?;
    let named = params.signed_by(&key, &issuer)?;
    let named = Pair { certificate: named.pem(), key: key.serialize_pem() };
    shown_by_the_secret(site, &named, "it has no subject alternative name, only a common name");
    said_by_the_api_server(site, &named, "Common Name");
    Ok(())
}

fn expired(site: &Site<'_>) -> Result<(), Failed> {
    let then = OffsetDateTime::now_utc() - Duration::days(100);
    let old = site.authority.sign(&[HOST.to_owned()], then)?;
    shown_by_the_secret(site, &old, "the certificate expired on ");
    said_by_the_api_server(site, &old, "x509: certificate has expired or is not yet valid");
    // The remedy cures it as it stands, with the CA in the directory that it names.
    let remedy = text(&site.doctor(&["--no-probes"]).check("D301")["remedy"]).to_owned();
    let certs = site.folder.path().join("certs");
    std::fs::create_dir(&certs)?;
    std::fs::write(certs.join("ca.crt"), &site.authority.pair().certificate)?;
    std::fs::write(certs.join("ca.key"), &site.authority.pair().key)?;
    let mut command = std::process::Command::new("bash");
    let kubectl = site.turn.cluster.kubectl_program().display().to_string();
    let ours = crate::component::program().display().to_string();
    let script =
        remedy.replace("kubectl", &kubectl).replace("nfs-mount-guard certs", &format!("{ours} certs"));
    command.args(["-euc", &script]).current_dir(site.folder.path());
    let output = site.turn.cluster.run(command, "");
    assert!(output.status.success(), "{script}: {output:?}");
    assert_eq!(site.doctor(&["--no-probes"]).check("D301")["result"], "ok");
    let early = site.authority.sign(&[HOST.to_owned()], OffsetDateTime::now_utc() + Duration::days(2))?;
    shown_by_the_secret(site, &early, "the certificate is not valid before ");
    Ok(())
}

fn soon_and_keyless(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let then = OffsetDateTime::now_utc() - Duration::days(80) - Duration::hours(12);
    site.store(&site.authority.sign(&[HOST.to_owned()], then)?);
    let run = site.until(&["--probes", "2"], "D401", "ok");
    run.is_warning("D301", "the certificate expires in 9 days");
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    let (one, other) = (site.leaf(), site.leaf());
    shown_by_the_secret(
        site,
        &Pair { certificate: one.certificate.clone(), key: other.key },
        "tls.key is not the key of tls.crt",
    );
    shown_by_the_secret(
        site,
        &Pair { certificate: "garbage".to_owned(), key: one.key },
        "tls.crt has no PEM certificate",
    );
    site.must(&["delete", "secret", SECRET]);
    let run = site.doctor(&[]);
    run.is_problem("D301", "Secret doctor/nfs-mount-guard-tls not found");
    Ok(())
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn bundles(site: &Site<'_>) -> Result<(), Failed> {
    let set = |bundle: &[u8]| {
        let bundle = encoded(bundle);
        for kind in [VALIDATING, MUTATING] {
            site.change(kind, |webhook| webhook["clientConfig"]["caBundle"] = json!(bundle));
        }
    };
    set(b"");
    let run = site.doctor(&[]);
    run.is_problem("D103", "validate.nfs-mount-guard.io: the caBundle is empty");
    for id in ["D301", "D401", "D402", "D403"] {
        run.is_skipped(id, "needs D103");
    }
    set(b"garbage");
    site.doctor(&[]).is_problem("D103", "the caBundle has no PEM certificate");
    let now = OffsetDateTime::now_utc();
    let old = Authority::generate(now - Duration::days(6 * 365))?;
    set(old.pair().certificate.as_bytes());
    site.doctor(&[]).is_problem("D103", "the caBundle expired on ");
    // During a rotation an old one next to a valid one is as it should be.
    set(format!("{}{}", old.pair().certificate, site.authority.pair().certificate).as_bytes());
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(
        (&run.check("D103")["result"], &run.check("D301")["result"]),
        (&json!("ok"), &json!("ok")),
        "{:#}",
        run.report
    );
    Ok(())
}

/// A first installation whose certificate does not come: the Pods wait for the Secret.
fn awaited(site: &Site<'_>) -> Result<(), Failed> {
    site.must(&["delete", "secret", SECRET]);
    for pod in ["guard-a", "guard-b"] {
        let waiting = json!({"reason": "ContainerCreating"});
        site.status(
            pod,
            &json!({
                "phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "nfs-mount-guard", "ready": false, "restartCount": 0,
                    "image": "nfs-mount-guard", "imageID": "", "state": {"waiting": waiting}}],
            }),
        );
    }
    let mut slice = site.slice_with(8080);
    for endpoint in slice["endpoints"].as_array_mut().ok_or("endpoints")? {
        endpoint["conditions"]["ready"] = json!(false);
    }
    site.apply(&slice);
    let manager = "nfs-mount-guard-certificates";
    let mut pod = Site::pod_from(site.deployment_named(manager), "certificates-a", "node-1");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    site.apply(&pod);
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D202", "no ready endpoint: 2 Pods, waiting for the Secret nfs-mount-guard-tls");
    let logs = format!("kubectl --namespace {NAMESPACE} logs deployment/{manager}");
    assert_eq!(text(&run.check("D202")["remedy"]), logs);
    run.is_problem("D103", "the caBundle is empty");
    let restart = format!("kubectl --namespace {NAMESPACE} rollout restart deployment/{manager}");
    assert_eq!(text(&run.check("D103")["remedy"]), restart);
    // Also without that Pod: the caBundle says who wrote it.
    let bundle = encoded(site.authority.pair().certificate.as_bytes());
    for (kind, webhook) in [
        ("ValidatingWebhookConfiguration", "validate.nfs-mount-guard.io"),
        ("MutatingWebhookConfiguration", "mutate.nfs-mount-guard.io"),
    ] {
        let change = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": NAME},
            "webhooks": [{"name": webhook, "clientConfig": {"caBundle": bundle}}],
        });
        let args = ["apply", "--server-side", "--field-manager=nfs-mount-guard", "-f", "-"];
        site.turn.cluster.must(&args, &change.to_string());
    }
    site.must(&["delete", "pod", "certificates-a", "--grace-period=0", "--force"]);
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D301", "deployment/nfs-mount-guard-certificates creates it, and the Pods wait for it");
    assert_eq!(text(&run.check("D301")["remedy"]), logs);
    Ok(())
}
