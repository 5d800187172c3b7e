//! The built-in CA at a real API server: `certs serve` in a process of its own, and
//! `serve --manage-certificates`.

mod apart;
mod faults;
mod site;
mod upgrade;

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use k8s_openapi::jiff;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::ca::rotation::Rotation;
use nfs_mount_guard::ca::state::{CertificateFacts, is_signed_by};
use nfs_mount_guard::cluster::certificates::{CertificateSettings, Certificates, Published, Purpose};
use nfs_mount_guard::cluster::service_account::ServiceAccount;
use nfs_mount_guard::server::status::LastRun;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::client::{block_on, status};
use crate::component;
use crate::guard::Guard;
use crate::install::{Turn, turn_with_low_ports};
use site::{ACCOUNT, CA_SECRET, NAMESPACE, SECRET, Site, ca_bundle, data, install, json_of, managed};

pub use faults::{api_server_gone, changes_under_load};
pub use site::Installed;

/// Tests of the built-in CA.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("founds_itself_and_owns_nothing_but_the_ca_bundle", founds_itself),
        trial("is_looked_after_by_the_next_replica", next_replica),
        trial("says_what_it_may_not_do_and_goes_on_when_it_may", without_rights),
        trial("serves_five_years_without_a_gap", five_years),
        Trial::test("authority::says_why_it_cannot_start", says_why_it_cannot_start),
    ];
    trials.extend(apart::trials());
    trials.extend(upgrade::trials());
    trials
}

/// A test with a turn at the cluster, which is left as it was.
fn trial(name: &str, test: fn(&Turn) -> Result<(), Failed>) -> Trial {
    component::trial(format!("authority::{name}"), turn_with_low_ports, move |turn: Turn| {
        let installed = Installed(&turn);
        test(installed.0)
    })
}

fn founds_itself(turn: &Turn) -> Result<(), Failed> {
    let site = Site::managed(turn);
    let secret = json_of(turn, "secret", SECRET);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let data = |key: &str| data(&secret, key);
    let (leaf, authority) = (data("tls.crt").expect("tls.crt"), data("ca.crt").expect("ca.crt"));
    assert!(is_signed_by(&leaf, &authority));
    assert!(CertificateFacts::read(&leaf)?.names.contains("nfs-mount-guard.nfs-mount-guard.svc"));
    assert_eq!((data("next-ca.crt"), data("previous-ca.crt")), (None, None));
    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        let text = turn.cluster.must(&["get", kind, NAMESPACE, "--show-managed-fields", "-o", "json"], "");
        let configuration: Value = serde_json::from_str(&text)?;
        let owned = configuration["metadata"]["managedFields"]
            .as_array()
            .and_then(|managers| managers.iter().find(|manager| manager["manager"] == "nfs-mount-guard"))
            .expect("it owns something");
        let webhooks = owned["fieldsV1"]["f:webhooks"].as_object().expect("webhooks");
        for fields in webhooks.values() {
            let names: Vec<_> = fields.as_object().expect("fields").keys().map(String::as_str).collect();
            assert_eq!(names, [".", "f:clientConfig", "f:name"]);
            assert_eq!(fields["f:clientConfig"], json!({"f:caBundle": {}}));
        }
        assert_eq!(owned["fieldsV1"].as_object().map(serde_json::Map::len), Some(1), "{owned}");
    }
    // One replica looks after it, and both serve with it.
    let holders = |guard: &&Guard| {
        guard.log().iter().any(|event| event["message"] == "this replica manages the certificates now")
    };
    assert_eq!(site.guards.iter().filter(holders).count(), 1);
    for guard in &site.guards {
        assert_eq!(block_on(status(guard.status, "/readyz"))?.status, 200);
    }
    Ok(())
}

fn next_replica(turn: &Turn) -> Result<(), Failed> {
    let mut site = Site::managed(turn);
    let lease = json_of(turn, "lease", SECRET);
    let holder = lease["spec"]["holderIdentity"].as_str().expect("a holder").to_owned();
    let index = site.guards.iter().position(|guard| holder.ends_with(&format!("_{}", guard.process.pid())));
    let index = index.expect("the holder is one of them");
    let other = 1 - index;
    site.guards[index].process.signal("TERM");
    let ended = site.guards[index].process.wait(Duration::from_secs(10)).expect("it ends");
    assert!(ended.success(), "{ended:?}");
    site.guards[other].wait_for(|event| event["message"] == "this replica manages the certificates now");
    // It repairs a broken Secret, and keeps serving meanwhile.
    let garbage = json!({"data": {"tls.crt": "Z2FyYmFnZQ=="}}).to_string();
    turn.cluster.must(&["-n", NAMESPACE, "patch", "secret", SECRET, "--type=merge", "-p", &garbage], "");
    site.guards[other].wait_for(|event| event["message"] == "a new certificate was signed");
    // A deleted Secret is created again, with a new authority.
    turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", SECRET], "");
    let founded =
        |guard: &Guard| guard.log().iter().filter(|event| event["message"] == "a new CA was created").count();
    let before = founded(&site.guards[other]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while founded(&site.guards[other]) <= before.min(usize::from(index == 1)) {
        assert!(Instant::now() < deadline, "{:#?}", site.guards[other].log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let address = site.guards[index].address;
    let account = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    site.guards[index] = managed(turn, &account, address.port());
    site.until_repaired(turn);
    Ok(())
}

fn without_rights(turn: &Turn) -> Result<(), Failed> {
    install(turn, |kind| !kind.contains("Role"));
    let account = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    let guard = managed(turn, &account, 443);
    let event = guard.wait_for(|event| event["level"] == "ERROR");
    let error = event["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("cannot read the Secret nfs-mount-guard-tls") && error.contains("RBAC"),
        "{error}"
    );
    let ready = block_on(status(guard.status, "/readyz"))?;
    assert_eq!((ready.status, &*ready.body), (503, &b"no certificate yet\n"[..]));
    assert_eq!(block_on(status(guard.status, "/healthz"))?.status, 200);
    install(turn, |kind| kind.contains("Role"));
    guard.wait_within(Duration::from_secs(60), |event| event["message"] == "a new certificate is in use");
    assert_eq!(block_on(status(guard.status, "/readyz"))?.status, 200);
    Ok(())
}

/// The clock is the test's: five years in steps of four weeks, through the real
/// Secret, Lease and configurations.
fn five_years(turn: &Turn) -> Result<(), Failed> {
    install(turn, |_| true);
    let variables = turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
    let account = ServiceAccount {
        folder: variables.last().expect("the folder").1.clone().into(),
        host: turn.cluster.api.ip().to_string(),
        port: turn.cluster.api.port(),
    };
    block_on(async {
        let (client, _) = account.connect()?;
        let settings = CertificateSettings {
            namespace: NAMESPACE.to_owned(),
            secret: SECRET.to_owned(),
            webhooks: NAMESPACE.to_owned(),
            holder: "the-test".to_owned(),
            rotation: Rotation {
                names: vec!["nfs-mount-guard.nfs-mount-guard.svc".to_owned()],
                wait: time::Duration::hours(1),
            },
        };
        let status = LastRun::new("");
        let purpose = Purpose::Publish(Published { authority_secret: CA_SECRET.to_owned(), status });
        let mut certificates = Certificates::new(&client, settings, purpose);
        let begin = OffsetDateTime::now_utc();
        let (mut now, mut bundles, mut leaves) = (begin, Vec::new(), Vec::new());
        while now < begin + time::Duration::days(5 * 365) {
            for _ in 0..2 {
                certificates.tick(now).await?;
                now += time::Duration::hours(2);
            }
            let secret = json_of(turn, "secret", SECRET);
            let bundle = ca_bundle(turn, "validatingwebhookconfiguration");
            let decode = |text: &str| {
                String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).expect("base64"))
                    .expect("PEM")
            };
            let (leaf, bundle) =
                (decode(secret["data"]["tls.crt"].as_str().expect("tls.crt")), decode(&bundle));
            let facts = CertificateFacts::read(&leaf)?;
            assert!(facts.not_after > now + time::Duration::days(28), "{now}: ends on {}", facts.not_after);
            let roots: Vec<String> =
                bundle.split_inclusive("-----END CERTIFICATE-----\n").map(str::to_owned).collect();
            assert!(roots.iter().any(|root| is_signed_by(&leaf, root)
                && CertificateFacts::read(root).is_ok_and(|root| root.not_after > now)));
            bundles.push(bundle);
            leaves.push(leaf);
            now += time::Duration::days(28);
        }
        bundles.dedup();
        leaves.dedup();
        // One change of authority in three steps, unless a look missed the middle.
        assert!(bundles.len() >= 2, "{bundles:?}");
        assert!(leaves.len() >= 21, "{}", leaves.len());
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    let lease = json_of(turn, "lease", SECRET);
    let renewed: jiff::Timestamp = lease["spec"]["renewTime"].as_str().expect("a time").parse()?;
    assert!(renewed.as_second() > OffsetDateTime::now_utc().unix_timestamp() + 4 * 365 * 86_400);
    Ok(())
}

fn says_why_it_cannot_start() -> Result<(), Failed> {
    let folder = tempfile::TempDir::new()?;
    let account = |name: &str, authority: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        for (file, text) in [("token", "t"), ("namespace", "n"), ("ca.crt", authority)] {
            fs::write(folder.join(file), text).expect("written");
        }
        folder.display().to_string()
    };
    let no_authority = account("no-authority", "garbage");
    let missing = folder.path().join("missing").display().to_string();
    let address = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "1")];
    for (args, environment, code, words) in [
        (vec!["--service-account-dir", &missing], &address[..0], 2, "KUBERNETES_SERVICE_HOST is not set"),
        (vec!["--service-account-dir", &missing], &address[..1], 2, "KUBERNETES_SERVICE_PORT is not set"),
        (vec!["--service-account-dir", &missing], &address[..], 2, "cannot read"),
        (vec!["--service-account-dir", &no_authority], &address[..], 2, "contains no certificate"),
        (vec!["--rotation-wait", "10ms"], &address[..], 2, "at least 1s"),
        (vec!["--cert-dir", "certs"], &address[..], 2, "cannot be used with"),
    ] {
        for (command, more) in
            [("serve", &["--manage-certificates", "--listen", "127.0.0.1:0"][..]), ("certs", &["serve"])]
        {
            if command == "certs" && words == "cannot be used with" {
                continue;
            }
            let output = std::process::Command::new(component::program())
                .arg(command)
                .args(more)
                .args(["--status-listen", "127.0.0.1:0"])
                .args(&args)
                .env_remove("KUBERNETES_SERVICE_HOST")
                .env_remove("KUBERNETES_SERVICE_PORT")
                .envs(environment.iter().copied())
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{command} {args:?}: {said}");
            assert!(said.contains(words), "{command} {args:?}: {said}");
        }
    }
    let same = ["certs", "serve", "--certificate-secret", "one", "--ca-secret", "one"];
    let output = std::process::Command::new(component::program()).args(same).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--certificate-secret and --ca-secret must differ"), "{said}");
    Ok(())
}
