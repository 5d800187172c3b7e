//! `certs serve`: what it keeps, what it publishes, and what it mends.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::ca::state::{CertificateFacts, is_signed_by};
use nfs_mount_guard::ca::{Authority, BACKDATE};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::site::{
    ACCOUNT, CA_SECRET, Kubelet, NAMESPACE, SECRET, Site, address, ask_for_a_new_authority, ca_bundle,
    certificates, data, install, json_of, mounted, try_incident, under_load,
};
use super::trial;
use crate::client::{block_on, status};
use crate::install::Turn;

/// Tests of the CA in a process of its own.
pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("a_process_of_its_own_publishes_the_certificate_and_keeps_the_ca_to_itself", publishes),
        trial("webhooks_start_when_the_certificate_is_published_and_need_no_service_account", waits),
        trial("a_secret_that_is_deleted_or_edited_is_written_again_without_a_failed_call", mends_secrets),
        trial("a_ca_secret_that_is_deleted_or_restored_costs_no_call", mends_the_ca),
        trial("a_ca_bundle_that_another_client_reverts_is_mended", mends_the_ca_bundle),
        trial("a_ca_that_only_the_published_secret_names_is_not_trusted", trusts_no_stranger),
        trial("a_ca_in_the_published_secret_is_taken_over_only_if_it_is_trusted", takes_over_no_stranger),
        trial("a_restart_gives_the_lease_back_and_changes_nothing", restarts),
    ]
}

fn keys(secret: &Value) -> Vec<&str> {
    secret["data"].as_object().expect("data").keys().map(String::as_str).collect()
}

/// Patches a Secret by hand.
fn edit(turn: &Turn, secret: &str, data: &Value) {
    let patch = json!({ "data": data }).to_string();
    turn.cluster.must(&["-n", NAMESPACE, "patch", "secret", secret, "--type=merge", "-p", &patch], "");
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    String::from_utf8(bytes).expect("PEM")
}

/// Waits until something holds.
fn until(what: &str, most: Duration, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn publishes(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let (ca, leaf) = (json_of(turn, "secret", CA_SECRET), json_of(turn, "secret", SECRET));
    assert_eq!((&ca["type"], &leaf["type"]), (&json!("Opaque"), &json!("kubernetes.io/tls")));
    assert_eq!(keys(&ca), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert_eq!(keys(&leaf), ["ca.crt", "tls.crt", "tls.key"]);
    let (certificate, authority) =
        (data(&leaf, "tls.crt").ok_or("tls.crt")?, data(&ca, "ca.crt").ok_or("ca.crt")?);
    assert!(is_signed_by(&certificate, &authority));
    assert_eq!(ca_bundle(turn, "validatingwebhookconfiguration"), encoded(&authority));
    // Backdated by an hour: clocks of nodes and API servers differ.
    let facts = CertificateFacts::read(&certificate)?;
    assert!(facts.made <= OffsetDateTime::now_utc() && BACKDATE == time::Duration::hours(1));
    assert_eq!(facts.names.iter().collect::<Vec<_>>(), ["nfs-mount-guard.nfs-mount-guard.svc"]);
    // The Secrets and the Lease were created by a request that has their name.
    for (kind, name) in [("secret", CA_SECRET), ("secret", SECRET), ("lease", SECRET)] {
        let text = turn
            .cluster
            .must(&["-n", NAMESPACE, "get", kind, name, "--show-managed-fields", "-o", "json"], "");
        let object: Value = serde_json::from_str(&text)?;
        let managers = object["metadata"]["managedFields"].as_array().ok_or("managers")?;
        assert!(managers.iter().any(|manager| manager["operation"] == "Apply"), "{managers:?}");
    }
    let manager = &site.managers()[0];
    assert_eq!(block_on(status(manager.status, "/readyz"))?.status, 200);
    assert_eq!(block_on(status(manager.status, "/healthz"))?.status, 200);
    let metrics = String::from_utf8(block_on(status(manager.status, "/metrics"))?.body)?;
    let end = CertificateFacts::read(&authority)?.not_after.unix_timestamp();
    assert!(metrics.contains(&format!("nfs_mount_guard_authority_not_after_seconds {end}\n")), "{metrics}");
    assert!(metrics.contains("nfs_mount_guard_certificate_management_errors_total 0\n"), "{metrics}");
    // A gauge of the webhook that is 0 here would be an alert.
    assert!(!metrics.contains("nfs_mount_guard_certificate_not_after_seconds"), "{metrics}");
    Ok(())
}

fn waits(turn: &Turn) -> Result<(), Failed> {
    // Nothing is created while the rights are missing, and the error says whose they are.
    install(turn, |kind| !kind.contains("Role"));
    let account = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    let manager = certificates(&account);
    let event = manager.wait_for(|event| event["level"] == "ERROR");
    let error = event["error"].as_str().unwrap_or_default();
    assert!(error.contains("cannot read the Secret") && error.contains("RBAC"), "{error}");
    let ready = block_on(status(manager.status, "/readyz"))?;
    assert_eq!((ready.status, &*ready.body), (503, &b"no certificate published yet\n"[..]));
    let metrics = String::from_utf8(block_on(status(manager.status, "/metrics"))?.body)?;
    assert!(!metrics.contains("nfs_mount_guard_certificate_management_errors_total 0\n"), "{metrics}");
    install(turn, |kind| kind.contains("Role"));
    let kubelet = Kubelet::start(turn);
    let guards: Vec<_> = [443, 444]
        .into_iter()
        .enumerate()
        .map(|(index, port)| mounted(&kubelet.volume(index), &address(turn, port)))
        .collect();
    let site = Site { guards, certificates: Some(manager), kubelet: Some(kubelet) };
    site.until_repaired(turn);
    assert_eq!(block_on(status(site.managers()[0].status, "/readyz"))?.status, 200);
    Ok(())
}

fn mends_secrets(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let before = json_of(turn, "secret", SECRET)["data"].clone();
    let is_back = || {
        let output = turn.cluster.kubectl(&["-n", NAMESPACE, "get", "secret", SECRET, "-o", "json"], "");
        serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|secret| secret["data"] == before)
    };
    let stranger = Authority::generate(OffsetDateTime::now_utc())?;
    let (creates, failed, first) = under_load(turn, |turn| {
        turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", SECRET], "");
        until("the Secret comes back", Duration::from_secs(20), is_back);
        // The pair that was served is written again, and no new one: who mounts it sees no change.
        for change in [
            json!({"tls.crt": "Z2FyYmFnZQ=="}),
            json!({"tls.key": encoded(&stranger.pair().key)}),
            json!({"ca.crt": null}),
            json!({"ca.key": encoded(&stranger.pair().key)}),
        ] {
            edit(turn, SECRET, &change);
            until("the edit is undone", Duration::from_secs(20), is_back);
        }
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(creates > 100, "{creates}");
    assert_eq!(failed, 0, "of {creates}: {first}");
    assert_eq!(site.count("a new CA was created"), 1);
    assert_eq!(site.count("a new certificate was signed"), 0);
    Ok(())
}

fn mends_the_ca(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let backup = json_of(turn, "secret", CA_SECRET);
    let restored = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": CA_SECRET, "namespace": NAMESPACE}, "data": backup["data"],
    });
    let ca = |turn: &Turn| json_of(turn, "secret", SECRET)["data"]["ca.crt"].clone();
    let first_ca = ca(turn);
    let (creates, failed, first) = under_load(turn, |turn| {
        // Deleted: a new CA is created, and the one that signed what is served stays trusted.
        turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", CA_SECRET], "");
        site.wait_for_more("a new CA was created", 1);
        let renewed = site.count("CA rotation: the old CA was removed");
        until("the new certificate is published", Duration::from_secs(20), || ca(turn) != first_ca);
        site.wait_for_more("CA rotation: the old CA was removed", renewed);
        // Restored from before that: the first CA signs again, and the second one stays trusted.
        turn.cluster.must(&["replace", "-f", "-"], &restored.to_string());
        until("the restored CA is in use", Duration::from_secs(20), || ca(turn) == first_ca);
        site.wait_for_more("CA rotation: the old CA was removed", renewed + 1);
        // Edited: what cannot sign is replaced.
        edit(turn, CA_SECRET, &json!({"ca.key": "Z2FyYmFnZQ=="}));
        site.wait_for_more("a new CA was created", 2);
        site.wait_for_more("CA rotation: the old CA was removed", renewed + 2);
        // Both are lost: the caBundle itself says what is trusted.
        turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", CA_SECRET, SECRET], "");
        site.wait_for_more("a new CA was created", 3);
        site.wait_for_more("CA rotation: the old CA was removed", renewed + 3);
    });
    assert!(creates > 100, "{creates}");
    assert_eq!(failed, 0, "of {creates}: {first}");
    // There was no key to take over.
    assert_eq!(site.count("the CA of an earlier version was taken over"), 0);
    site.until_repaired(turn);
    Ok(())
}

fn mends_the_ca_bundle(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let kinds = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"];
    let wanted = ca_bundle(turn, "validatingwebhookconfiguration");
    let stranger = Authority::generate(OffsetDateTime::now_utc())?;
    let others = encoded(&stranger.pair().certificate);
    for kind in kinds {
        let object = json_of(turn, kind, NAMESPACE);
        let webhook = &object["webhooks"][0]["name"];
        let apply = |bundle: &str, flags: &[&str]| {
            let change = json!({
                "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": NAMESPACE},
                "webhooks": [{"name": webhook, "clientConfig": {"caBundle": bundle}}],
            });
            let args = [&["apply", "--server-side", "--field-manager=gitops"], flags, &["-f", "-"]].concat();
            turn.cluster.must(&args, &change.to_string());
        };
        // A GitOps tool that owns the field, and one that writes it over.
        apply(&others, &["--force-conflicts"]);
        until("the caBundle comes back", Duration::from_secs(20), || ca_bundle(turn, kind) == wanted);
        let patch = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]);
        turn.cluster.must(&["patch", kind, NAMESPACE, "--type=json", "-p", &patch.to_string()], "");
        until("the caBundle comes back", Duration::from_secs(20), || ca_bundle(turn, kind) == wanted);
    }
    assert!(
        site.count(
            "another client changed or reverted the caBundle, and it was written again; exclude the field there"
        ) >= 4
    );
    site.until_repaired(turn);
    // A configuration that is deleted and created again has none at first.
    turn.cluster.must(&["delete", "validatingwebhookconfiguration", NAMESPACE], "");
    install(turn, |kind| kind == "ValidatingWebhookConfiguration");
    let kind = "validatingwebhookconfiguration";
    until("the caBundle comes back", Duration::from_secs(20), || ca_bundle(turn, kind) == wanted);
    Ok(())
}

/// The right to write the Secret that webhooks mount does not suffice to make the API server trust a CA by that.
fn trusts_no_stranger(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let wanted = ca_bundle(turn, "validatingwebhookconfiguration");
    let before = json_of(turn, "secret", SECRET)["data"].clone();
    let stranger = Authority::generate(OffsetDateTime::now_utc())?;
    let leaf =
        stranger.sign(&["nfs-mount-guard.nfs-mount-guard.svc".to_owned()], OffsetDateTime::now_utc())?;
    edit(
        turn,
        SECRET,
        &json!({
            "tls.crt": encoded(&leaf.certificate), "tls.key": encoded(&leaf.key),
            "ca.crt": encoded(&stranger.pair().certificate), "ca.key": encoded(&stranger.pair().key),
        }),
    );
    until("the edit is undone", Duration::from_secs(20), || {
        json_of(turn, "secret", SECRET)["data"] == before
    });
    assert_eq!(ca_bundle(turn, "validatingwebhookconfiguration"), wanted);
    assert_eq!(data(&json_of(turn, "secret", CA_SECRET), "previous-ca.crt"), None);
    // The webhooks get the right one again, kubelet's lag later.
    site.until_repaired(turn);
    Ok(())
}

/// Without the Secret of the CA, too, the published Secret says nothing of trust: one of a
/// stranger, or of a backup from before, is replaced, and the served certificate stays
/// trusted meanwhile.
fn takes_over_no_stranger(turn: &Turn) -> Result<(), Failed> {
    let mut site = Site::start(turn);
    let trusted = data(&json_of(turn, "secret", CA_SECRET), "ca.crt").ok_or("ca.crt")?;
    let mut old = site.certificates.take().ok_or("certs serve")?;
    old.process.signal("TERM");
    old.process.wait(Duration::from_secs(10)).ok_or("it ends")?;
    turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", CA_SECRET], "");
    let stranger = Authority::generate(OffsetDateTime::now_utc())?;
    let leaf =
        stranger.sign(&["nfs-mount-guard.nfs-mount-guard.svc".to_owned()], OffsetDateTime::now_utc())?;
    edit(
        turn,
        SECRET,
        &json!({
            "tls.crt": encoded(&leaf.certificate), "tls.key": encoded(&leaf.key),
            "ca.crt": encoded(&stranger.pair().certificate), "ca.key": encoded(&stranger.pair().key),
        }),
    );
    let account = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    site.certificates = Some(certificates(&account));
    site.wait_for("its CA is in no caBundle, and a new CA replaces it");
    site.wait_for("a new CA was created");
    until("a caBundle with both", Duration::from_secs(20), || {
        let bundle = ca_bundle(turn, "validatingwebhookconfiguration");
        let pem = decoded(&bundle);
        pem.contains(trusted.trim()) && pem.matches("BEGIN CERTIFICATE").count() == 2
    });
    let bundle = decoded(&ca_bundle(turn, "validatingwebhookconfiguration"));
    assert!(!bundle.contains(stranger.pair().certificate.trim()), "{bundle}");
    assert_eq!(site.count("the CA of an earlier version was taken over"), 0);
    site.until_repaired(turn);
    Ok(())
}

fn restarts(turn: &Turn) -> Result<(), Failed> {
    let mut site = Site::start(turn);
    let before = (json_of(turn, "secret", SECRET), json_of(turn, "secret", CA_SECRET));
    let mut old = site.certificates.take().ok_or("certs serve")?;
    old.process.signal("TERM");
    let ended = old.process.wait(Duration::from_secs(10)).ok_or("it ends")?;
    assert!(ended.success(), "{ended:?}");
    assert_eq!(json_of(turn, "lease", SECRET)["spec"]["holderIdentity"], "");
    // The webhooks serve without it.
    assert!(try_incident(turn).status.success());
    // A wish that came meanwhile is granted.
    ask_for_a_new_authority(turn);
    let account = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    site.certificates = Some(certificates(&account));
    site.wait_for("CA rotation: the old CA was removed");
    assert_eq!(site.count("a new CA was created"), 0);
    let after = json_of(turn, "secret", CA_SECRET);
    assert_ne!(after["data"]["ca.crt"], before.1["data"]["ca.crt"]);
    assert_eq!(before.0["data"]["ca.crt"], before.1["data"]["ca.crt"]);
    site.until_repaired(turn);
    Ok(())
}
