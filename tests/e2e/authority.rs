//! The built-in authority at a real API server: the plain installation's own
//! objects and RBAC, two replicas, each called for one of the two webhooks.

mod faults;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use k8s_openapi::jiff;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::ca::rotation::Rotation;
use nfs_mount_guard::ca::state::{CertificateFacts, is_signed_by};
use nfs_mount_guard::cluster::certificates::{CertificateSettings, Certificates, Served};
use nfs_mount_guard::cluster::service_account::ServiceAccount;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::server::limits::Limits;
use nfs_mount_guard::server::routes::Shared;
use nfs_mount_guard::server::tls::CertificateStore;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::client::{block_on, status};
use crate::component;
use crate::guard::Guard;
use crate::install::{Turn, turn_with_low_ports};
use crate::objects::{self, class};

pub use faults::{api_server_gone, changes_under_load};

const NAMESPACE: &str = "nfs-mount-guard";
const SECRET: &str = "nfs-mount-guard-tls";

/// Tests of the built-in authority.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(&Turn) -> Result<(), Failed>| {
        component::trial(format!("authority::{name}"), turn_with_low_ports, move |turn: Turn| {
            let installed = Installed(&turn);
            test(installed.0)
        })
    };
    vec![
        trial("founds_itself_and_owns_nothing_but_the_ca_bundle", founds_itself),
        trial("is_looked_after_by_the_next_replica", next_replica),
        trial("says_what_it_may_not_do_and_goes_on_when_it_may", without_rights),
        trial("serves_five_years_without_a_gap", five_years),
        Trial::test("authority::says_why_it_cannot_start", says_why_it_cannot_start),
    ]
}

/// Variables of the environment that say where a service account is.
type Account = [(&'static str, String)];

/// The replicas of one installation.
pub struct Site {
    /// The replicas; the validating webhook calls the first, the mutating one
    /// the last.
    pub guards: Vec<Guard>,
}

/// The objects of the plain installation, with ports for two replicas.
fn install(turn: &Turn, wanted: impl Fn(&str) -> bool) {
    let text = fs::read_to_string(Path::new(crate::install::ROOT).join("manifests/install.yaml"));
    for mut object in objects::documents(&text.expect("manifests/install.yaml")) {
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        if kind == "Deployment" || !wanted(&kind) {
            continue;
        }
        if kind == "Service" {
            object["spec"]["ports"] =
                json!([{"name": "first", "port": 443}, {"name": "second", "port": 444}]);
        }
        if kind == "MutatingWebhookConfiguration" {
            object["webhooks"][0]["clientConfig"]["service"]["port"] = json!(444);
            // A call that fails must be seen.
            object["webhooks"][0]["failurePolicy"] = json!("Fail");
        }
        turn.cluster.must(&["apply", "--server-side", "-f", "-"], &object.to_string());
    }
}

/// Takes everything away at its end, however that comes.
pub struct Installed<'t>(pub &'t Turn);

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        let cluster = &self.0.cluster;
        let configurations = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        cluster.kubectl(&["delete", configurations, "--all"], "");
        cluster.kubectl(&["delete", "clusterrole,clusterrolebinding", NAMESPACE, "--ignore-not-found"], "");
        cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"], "");
        crate::install::finish_namespaces(cluster);
        cluster.kubectl(&["wait", "--for=delete", "--timeout=20s", "namespace", NAMESPACE], "");
    }
}

fn replica(turn: &Turn, account: &Account, port: u16) -> Guard {
    let service: Value = json_of(turn, "service", NAMESPACE);
    let address = service["spec"]["clusterIP"].as_str().expect("an address");
    Guard::start_managed(
        account,
        &format!("{address}:{port}"),
        &["--rotation-wait", "2s", "--shutdown-delay", "1s"],
    )
}

fn json_of(turn: &Turn, kind: &str, name: &str) -> Value {
    turn.object(NAMESPACE, kind, name)
}

impl Site {
    /// Installs everything, starts two replicas and waits until the API server
    /// calls both.
    pub fn start(turn: &Turn) -> Self {
        Self::start_through(turn, turn.cluster.api)
    }

    /// Like [`Self::start`]; the replicas reach the API server at `api`.
    fn start_through(turn: &Turn, api: SocketAddr) -> Self {
        install(turn, |_| true);
        let account = &turn.cluster.service_account(api, NAMESPACE);
        let site = Self { guards: vec![replica(turn, account, 443), replica(turn, account, 444)] };
        site.until_repaired(turn);
        site
    }

    fn until_repaired(&self, turn: &Turn) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let output = try_incident(turn);
            if output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"fg\"") {
                return;
            }
            let logs: Vec<_> = self.guards.iter().map(Guard::log).collect();
            assert!(Instant::now() < deadline, "{output:?}\n{logs:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until one of the replicas has logged a message.
    fn wait_for(&self, message: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.guards.iter().any(|guard| guard.log().iter().any(|event| event["message"] == message)) {
            let logs: Vec<_> = self.guards.iter().map(Guard::log).collect();
            assert!(Instant::now() < deadline, "nobody said {message:?}: {logs:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn try_incident(turn: &Turn) -> Output {
    let object = class("authority", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "bg"]);
    turn.cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string())
}

/// The caBundle of a configuration, in base64.
fn ca_bundle(turn: &Turn, kind: &str) -> String {
    let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    turn.cluster.must(&["get", kind, NAMESPACE, "-o", path], "")
}

fn ask_for_a_new_authority(turn: &Turn) {
    let annotation = "nfs-mount-guard.io/rotate=now";
    turn.cluster.must(&["-n", NAMESPACE, "annotate", "secret", SECRET, annotation], "");
}

fn founds_itself(turn: &Turn) -> Result<(), Failed> {
    let site = Site::start(turn);
    let secret = json_of(turn, "secret", SECRET);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let data = |key: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(secret["data"][key].as_str()?).ok()?;
        String::from_utf8(bytes).ok()
    };
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
    let mut site = Site::start(turn);
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
    let account = turn.cluster.service_account(turn.cluster.api, NAMESPACE);
    site.guards[index] = replica(turn, &account, address.port());
    site.until_repaired(turn);
    Ok(())
}

fn without_rights(turn: &Turn) -> Result<(), Failed> {
    install(turn, |kind| !kind.contains("Role"));
    let account = turn.cluster.service_account(turn.cluster.api, NAMESPACE);
    let guard = replica(turn, &account, 443);
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
    let variables = turn.cluster.service_account(turn.cluster.api, NAMESPACE);
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
        let store = Arc::new(CertificateStore::default());
        let shared = Arc::new(Shared::new(Arc::new(Policy::default()), Limits::default()));
        let mut certificates = Certificates::new(&client, settings, Served { store: store.clone(), shared });
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
            assert_eq!(store.not_after(), Some(facts.not_after), "the server has it");
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
        let output = std::process::Command::new(component::program())
            .args(["serve", "--manage-certificates"])
            .args(["--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0"])
            .args(&args)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env_remove("KUBERNETES_SERVICE_PORT")
            .envs(environment.iter().copied())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    Ok(())
}
