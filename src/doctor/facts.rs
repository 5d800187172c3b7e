//! The facts that were gathered of a cluster, and those that are not available.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::Outcome;
use super::field::{list, number, short, text};
use super::installation::{Installation, Webhook};
use super::probe::ProbeResponse;

/// The result of a request to the API server.
#[derive(Debug, Clone, Default)]
pub enum Seen<T> {
    /// It was not requested.
    #[default]
    Unasked,
    /// An answer.
    Found(T),
    /// 404.
    Absent,
    /// 403.
    Forbidden {
        /// `get secrets/guard-tls in namespace guard`
        what: String,
        /// The message of the API server.
        message: String,
    },
    /// Another refusal, or no answer in time.
    Failed {
        /// The object, named as in `Forbidden`.
        what: String,
        /// The reason.
        message: String,
    },
}

impl<T> Seen<T> {
    /// Returns the object that was found.
    pub const fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            _ => None,
        }
    }

    /// Returns the object that was found, or the outcome of a check without it. `absent` is the
    /// outcome for a 404.
    pub(super) fn given(&self, absent: impl FnOnce() -> Outcome) -> Result<&T, Outcome> {
        match self {
            Self::Found(found) => Ok(found),
            Self::Absent => Err(absent()),
            Self::Unasked => Err(Outcome::skipped("not asked")),
            Self::Forbidden { what, message } => {
                // `what` begins with the verb of RBAC, so that the remedy names the right that is missing.
                let (verb, object) = what.split_once(' ').unwrap_or((what, ""));
                let mut outcome =
                    Outcome::warning(format!("skipped: not allowed to {what} (403): {}", short(message)))
                        .hurts("this link was not checked")
                        .cured_by(format!("grant {verb:?} on {object}, or run doctor as a user who has it"));
                outcome.is_unseen = true;
                Err(outcome)
            }
            Self::Failed { what, message } => {
                let mut outcome = Outcome::warning(format!("skipped: cannot {what}: {}", short(message)))
                    .hurts("this link was not checked")
                    .cured_by("kubectl get --raw '/readyz?verbose'");
                outcome.is_unseen = true;
                Err(outcome)
            }
        }
    }

    /// Returns the answer, changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Unasked => Seen::Unasked,
            Self::Found(found) => Seen::Found(change(found)),
            Self::Absent => Seen::Absent,
            Self::Forbidden { what, message } => Seen::Forbidden { what, message },
            Self::Failed { what, message } => Seen::Failed { what, message },
        }
    }
}

/// A certificate with its private key, both PEM, as a Secret has them.
#[derive(Clone)]
pub struct Pair {
    /// `tls.crt`
    pub certificate: String,
    /// `tls.key`
    pub key: String,
}

/// The key never shows in a log.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Answers to one kind of probe, in the order of sending.
pub type Answers = Vec<ProbeResponse>;

/// Everything that is known of a cluster.
#[derive(Debug)]
pub struct ClusterFacts {
    /// True if it is about what comes before an installation.
    pub is_before: bool,
    /// True if the user wants no probes.
    pub without_probes: bool,
    /// The namespace that was requested.
    pub namespace: Option<String>,
    /// The release that was requested.
    pub release: Option<String>,
    /// The clock of the API server, else of this machine.
    pub now: OffsetDateTime,
    /// The time by which this machine's clock is ahead of the API server's.
    pub ahead: time::Duration,
    /// `/version`
    pub version: Seen<Value>,
    /// The rights for an installation that the user lacks.
    pub refused_rights: Seen<Vec<String>>,
    /// Our webhooks by installation, the one that is looked at first.
    pub installations: Seen<Vec<Installation>>,
    /// The places where webhooks of ours are called that are not requested.
    pub elsewhere: Vec<String>,
    /// Other webhooks that are called for the same objects.
    pub others: Vec<Other>,
    /// The Service of each installation.
    pub services: Vec<Seen<Value>>,
    /// Services of the release, where the one that is called does not exist.
    pub of_release: Seen<Vec<Value>>,
    /// The Deployment, where the Service does not exist or selects no Pod.
    pub deployment: Seen<Value>,
    /// Its `EndpointSlices`.
    pub slices: Seen<Vec<Value>>,
    /// The Pods that it selects.
    pub pods: Seen<Vec<Value>>,
    /// The Pods that manage the certificates of the release.
    pub certificate_pods: Seen<Vec<Value>>,
    /// `PodDisruptionBudgets` of the namespace.
    pub budgets: Seen<Vec<Value>>,
    /// `NetworkPolicies` of the namespace.
    pub network_policies: Seen<Vec<Value>>,
    /// The Secret with the serving certificate, and its name.
    pub secret: (String, Seen<Pair>),
    /// The Lease of the built-in CA.
    pub lease: Seen<Value>,
    /// The `ConfigMap` with the policy: its name, the key, and the text.
    pub policy: (String, Seen<String>),
    /// Fingerprints of the policies that Pods report.
    pub hashes: Seen<Vec<String>>,
    /// `ValidatingAdmissionPolicies` of ours.
    pub admission_policies: Seen<Vec<Value>>,
    /// Bindings of those.
    pub bindings: Seen<Vec<Value>>,
    /// `/metrics` of the API server before the probes.
    pub metrics: Seen<String>,
    /// The same after them.
    pub metrics_after: Seen<String>,
    /// `CSIDrivers`.
    pub drivers: Seen<Vec<Value>>,
    /// StorageClasses.
    pub classes: Seen<Vec<Value>>,
    /// Answers to the class that needs a repair.
    pub repair: Answers,
    /// Answers to the class that cannot be repaired.
    pub denial: Answers,
    /// The answer to the class that is not NFS.
    pub unrelated: Answers,
    /// The answer to the class that only the admission policy refuses.
    pub policy_probe: Answers,
}

/// Another webhook that is called for StorageClasses or PersistentVolumes.
#[derive(Debug, Clone)]
pub struct Other {
    /// The object as it is stored.
    pub webhook: Webhook,
}

impl Other {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.webhook.name
    }

    /// Returns true if it may change objects.
    pub fn is_mutating(&self) -> bool {
        self.webhook.kind == "MutatingWebhookConfiguration"
    }
}

impl ClusterFacts {
    /// Makes facts of which nothing is known yet.
    pub fn new(now: OffsetDateTime) -> Self {
        Self {
            is_before: false,
            without_probes: false,
            namespace: None,
            release: None,
            now,
            ahead: time::Duration::ZERO,
            version: Seen::Unasked,
            refused_rights: Seen::Unasked,
            installations: Seen::Unasked,
            elsewhere: Vec::new(),
            others: Vec::new(),
            services: Vec::new(),
            of_release: Seen::Unasked,
            deployment: Seen::Unasked,
            slices: Seen::Unasked,
            pods: Seen::Unasked,
            certificate_pods: Seen::Unasked,
            budgets: Seen::Unasked,
            network_policies: Seen::Unasked,
            secret: (String::new(), Seen::Unasked),
            lease: Seen::Unasked,
            policy: (String::new(), Seen::Unasked),
            hashes: Seen::Unasked,
            admission_policies: Seen::Unasked,
            bindings: Seen::Unasked,
            metrics: Seen::Unasked,
            metrics_after: Seen::Unasked,
            drivers: Seen::Unasked,
            classes: Seen::Unasked,
            repair: Vec::new(),
            denial: Vec::new(),
            unrelated: Vec::new(),
            policy_probe: Vec::new(),
        }
    }

    /// Returns the installation that is looked at: the first.
    pub fn installation(&self) -> Option<&Installation> {
        self.installations.found()?.first()
    }

    /// Returns its Service.
    pub fn service(&self) -> Option<&Value> {
        self.services.first()?.found()
    }

    /// Returns its namespace, or the one that the documentation installs into.
    pub fn namespace(&self) -> &str {
        let own = self.installation().and_then(|found| found.service.as_ref());
        own.map(|service| service.namespace.as_str())
            .or(self.namespace.as_deref())
            .unwrap_or(super::installation::USUAL)
    }

    /// Returns the URL of webhooks that are called by URL: scheme and authority. There is no Service then,
    /// and no Deployment that is known.
    pub(super) fn origin(&self) -> Option<String> {
        let found = self.installation().filter(|found| found.service.is_none())?;
        found.webhooks.first().map(Webhook::origin)
    }

    /// Returns the name of its Service, and with the chart of its Deployment and configurations.
    pub fn name(&self) -> &str {
        self.installation().map_or(super::installation::USUAL, |found| found.name.as_str())
    }

    /// Returns the release of Helm that made it.
    pub fn release(&self) -> &str {
        let own = self.installation().and_then(|found| found.release.as_deref());
        own.or(self.release.as_deref()).unwrap_or(super::installation::USUAL)
    }

    /// Names of other mutating webhooks for the same objects.
    pub(super) fn other_mutating(&self) -> impl Iterator<Item = &str> {
        self.others.iter().filter(|other| other.is_mutating()).map(Other::name)
    }

    /// Returns the container of a Pod that serves: the one whose arguments begin with `serve`.
    pub fn container(pod: &Value) -> Option<&Value> {
        let containers = list(pod, "/spec/containers");
        let serves = |container: &&Value| {
            // The entrypoint of the image is the program, so the chart gives `serve` as the first of args.
            list(container, "/args").first().and_then(Value::as_str) == Some("serve")
                || list(container, "/command").iter().any(|word| word == "serve")
        };
        containers.iter().find(serves).or_else(|| containers.first())
    }

    /// Returns the value of a flag of the container that serves.
    pub fn flag<'p>(pod: &'p Value, flag: &str) -> Option<&'p str> {
        let container = Self::container(pod)?;
        let words: Vec<&str> = ["/command", "/args"]
            .iter()
            .flat_map(|pointer| list(container, pointer))
            .filter_map(Value::as_str)
            .collect();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(rest) = word.strip_prefix(flag) else { continue };
            match rest.strip_prefix('=') {
                Some(value) => return Some(value),
                // `--flag VALUE`; a flag at the end has no value.
                None if rest.is_empty() => return words.next().or(Some("")),
                // Another flag that begins with the same letters.
                None => {}
            }
        }
        None
    }

    /// Returns the object that a path in the container that serves comes from: the volume's Secret
    /// or `ConfigMap`, and the key.
    pub fn mounted<'p>(pod: &'p Value, path: &'p str, source: &str) -> Option<(&'p str, &'p str)> {
        let container = Self::container(pod)?;
        let (mount, rest) = list(container, "/volumeMounts").iter().find_map(|mount| {
            let rest = path.strip_prefix(text(mount, "/mountPath").trim_end_matches('/'))?;
            // /etc/tls is no directory of /etc/tls-other.
            (rest.is_empty() || rest.starts_with('/')).then(|| (mount, rest.trim_start_matches('/')))
        })?;
        let wanted = text(mount, "/name");
        let volume = list(pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == wanted)?;
        let name = text(volume, source);
        (!name.is_empty()).then_some((name, rest))
    }

    /// Returns the number of ready replicas, as `EndpointSlices` have it.
    pub fn ready_endpoints(&self) -> Option<usize> {
        let ready = |endpoint: &&Value| {
            // The EndpointSlice API reads a condition that is not set as true.
            endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
        };
        let count = |slice: &Value| list(slice, "/endpoints").iter().filter(ready).count();
        Some(self.slices.found()?.iter().map(count).sum())
    }

    /// Returns the longest that the API server waits for one of our webhooks.
    pub fn longest_call(&self) -> Duration {
        let seconds = self
            .installation()
            .into_iter()
            .flat_map(|installation| &installation.webhooks)
            .map(|webhook| number(&webhook.raw, "/timeoutSeconds").unwrap_or(10))
            .max();
        // The default of timeoutSeconds is 10, and the API server takes at most 30.
        Duration::from_secs(seconds.unwrap_or(10).min(30))
    }
}
