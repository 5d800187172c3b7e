//! Probes: objects that are created as dry runs, and what an answer to one means.
//!
//! Only `admission webhook "NAME" denied the request` is a denial by NAME. A bare 403
//! may be a matchCondition that failed, a rule of RBAC or another admission plugin.

use std::time::Duration;

use serde_json::{Value, json};

use super::field::{list, texts};

/// The names of probes begin so; nothing of them is stored.
pub const NAME: &str = "nfs-mount-guard-doctor";

/// A class with `bg`: the mutating webhook writes `fg`. It has no labels and no
/// parameters, so that a matchCondition that reads one fails here.
pub const REPAIR: &[&str] = &["nfsvers=4.1", "hard", "bg", "timeo=600", "retrans=2"];

/// A class that no repair helps: NMG014 has no fix. (`bg` would be repaired and pass.)
pub const DENIAL: &[&str] = &["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2", "sloppy"];

/// The options of a class that is not NFS.
pub const UNRELATED: &[&str] = &["noatime"];

/// The driver of the classes that are NFS.
pub const DRIVER: &str = "nfs.csi.k8s.io";

/// A driver that never mounts NFS.
pub const UNRELATED_DRIVER: &str = "ebs.csi.aws.com";

/// Returns a StorageClass to send as a dry run.
pub fn class(name: &str, driver: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": driver,
        "mountOptions": options,
    })
}

/// The response of the API server to a probe.
#[derive(Debug, Clone, Default)]
pub struct ProbeResponse {
    /// The HTTP status; 0 where none came.
    pub code: u16,
    /// Texts of `Warning:` headers.
    pub warnings: Vec<String>,
    /// The object, or a Status.
    pub body: Value,
    /// The reason why no answer came.
    pub silence: String,
    /// The duration.
    pub took: Duration,
}

/// The component that decided about a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// It would be created, with these options.
    Admitted(Vec<String>),
    /// A webhook denied it.
    Denied {
        /// Its name.
        webhook: String,
        /// The message.
        message: String,
    },
    /// An admission policy of the API server denied it.
    PolicyDenied {
        /// Its name.
        policy: String,
        /// The message.
        message: String,
    },
    /// A webhook could not be called.
    CallFailed {
        /// Its name.
        webhook: String,
        /// The reason, in the API server's words.
        message: String,
    },
    /// An expression of a matchCondition failed.
    ConditionFailed(String),
    /// A webhook that has side effects is not called for a dry run.
    NoDryRun(String),
    /// The user may not create a StorageClass.
    Forbidden(String),
    /// No answer came.
    Silent(String),
    /// Anything else.
    Other(String),
}

impl ProbeResponse {
    /// Returns the verdict.
    pub fn verdict(&self) -> ProbeOutcome {
        if self.code == 0 {
            return ProbeOutcome::Silent(self.silence.clone());
        }
        if (200..300).contains(&self.code) {
            let options = texts(&self.body, "/mountOptions");
            return ProbeOutcome::Admitted(options.into_iter().map(str::to_owned).collect());
        }
        // The API server has no field for the component that decided: only its sentences show it.
        let message = self.message();
        let quoted = |start: &str, end: char| {
            let (_, rest) = message.split_once(start)?;
            let (name, rest) = rest.split_once(end)?;
            Some((name.to_owned(), rest.trim_start_matches([' ', ':']).to_owned()))
        };
        // The reason comes from the network and may hold any sentence, so this one is looked for first.
        if let Some((webhook, message)) = quoted("failed calling webhook \"", '"') {
            return ProbeOutcome::CallFailed { webhook, message };
        }
        // Another's message may hold the sentence: only what begins with it is a webhook's own.
        if message.starts_with("admission webhook \"")
            && let Some((webhook, rest)) = quoted("admission webhook \"", '"')
        {
            if let Some(said) = rest.strip_prefix("denied the request") {
                let message = said.trim_start_matches([' ', ':']).to_owned();
                return ProbeOutcome::Denied { webhook, message };
            }
            if rest.starts_with("does not support dry run") {
                return ProbeOutcome::NoDryRun(webhook);
            }
        }
        if let Some((policy, rest)) = quoted("ValidatingAdmissionPolicy '", '\'')
            && rest.contains("denied request")
        {
            return ProbeOutcome::PolicyDenied { policy, message: rest };
        }
        if message.contains("expression '") && message.contains("resulted in error") {
            let reason = message.split_once(" is forbidden: ").map_or(&*message, |(_, reason)| reason);
            return ProbeOutcome::ConditionFailed(reason.to_owned());
        }
        // Webhooks, admission policies and matchConditions were recognized above by their sentences.
        if self.code == 403 {
            return ProbeOutcome::Forbidden(message.clone());
        }
        ProbeOutcome::Other(format!("{} {message}", self.code))
    }

    /// Returns the message of a Status, with the causes that it does not repeat.
    fn message(&self) -> String {
        let message = self.body.get("message").and_then(Value::as_str).unwrap_or_default();
        let causes = list(&self.body, "/details/causes").iter();
        let causes: Vec<&str> = causes.filter_map(|cause| cause.get("message")?.as_str()).collect();
        if message.is_empty() { causes.join("; ") } else { nameless(message) }
    }

    /// Warnings of ours.
    pub fn own_warnings(&self) -> impl Iterator<Item = &str> {
        // The API server and other webhooks warn in the same list.
        let is_ours = |warning: &&str| warning.contains("nfs-mount-guard") || warning.contains("NMG0");
        self.warnings.iter().map(String::as_str).filter(is_ours)
    }

    /// Returns true if the mutating webhook says that it repaired the class.
    pub fn says_repaired(&self) -> bool {
        self.own_warnings().any(|warning| warning.contains("wrote fg in place of bg"))
    }

    /// Returns true if the mutating webhook says that it would repair the class, under mode
    /// observe.
    pub fn would_repair(&self) -> bool {
        self.own_warnings().any(|warning| warning.contains("would write fg in place of bg"))
    }
}

/// Returns a message without what differs between two probes of one fault: the name of the class,
/// and the API server's own port.
fn nameless(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, behind)) = rest.split_once(NAME) {
        text.push_str(before);
        text.push_str(NAME);
        let is_random = |letter: char| letter == '-' || letter.is_ascii_hexdigit();
        rest = behind.trim_start_matches(is_random);
    }
    text.push_str(rest);
    let mut parts = text.split("->");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let own = whole.trim_end_matches(|letter: char| letter.is_ascii_digit());
        whole.truncate(own.strip_suffix(':').unwrap_or(&whole).len());
        whole.push_str("->");
        whole.push_str(part);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_probes_of_one_fault_have_one_message() {
        for (first, second) in [
            (
                "storageclasses \"nfs-mount-guard-doctor-00112233445566ff\" is forbidden: no",
                "storageclasses \"nfs-mount-guard-doctor-99112233445566aa\" is forbidden: no",
            ),
            (
                "read tcp 10.0.0.1:43210->10.0.0.2:443: read: connection reset by peer",
                "read tcp 10.0.0.1:9->10.0.0.2:443: read: connection reset by peer",
            ),
        ] {
            assert_eq!(nameless(first), nameless(second));
            assert!(nameless(first).len() > 30, "{first}");
        }
        assert_eq!(nameless("a -> b"), "a -> b");
    }

    fn refused(code: u16, message: &str) -> ProbeOutcome {
        ProbeResponse {
            code,
            body: json!({"kind": "Status", "message": message}),
            ..ProbeResponse::default()
        }
        .verdict()
    }

    /// The texts are those of kube-apiserver 1.37.2.
    #[test]
    fn only_a_denial_by_name_is_a_denial() {
        let denied = |webhook: &str, message: &str| ProbeOutcome::Denied {
            webhook: webhook.to_owned(),
            message: message.to_owned(),
        };
        for (code, message, wanted) in [
            (
                422,
                "admission webhook \"validate.nfs-mount-guard.io\" denied the request: NMG014 sloppy: no",
                denied("validate.nfs-mount-guard.io", "NMG014 sloppy: no"),
            ),
            (
                403,
                "admission webhook \"a.b.c\" denied the request without explanation",
                denied("a.b.c", "without explanation"),
            ),
            (
                500,
                "Internal error occurred: failed calling webhook \"a.b.c\": failed to call webhook: Post \"https://x\": context deadline exceeded",
                ProbeOutcome::CallFailed {
                    webhook: "a.b.c".to_owned(),
                    message: "failed to call webhook: Post \"https://x\": context deadline exceeded"
                        .to_owned(),
                },
            ),
            (
                422,
                "storageclasses.storage.k8s.io \"p\" is forbidden: ValidatingAdmissionPolicy 'a.b' with binding 'c' denied request: admission webhook \"validate.nfs-mount-guard.io\" denied the request: NMG014",
                ProbeOutcome::PolicyDenied {
                    policy: "a.b".to_owned(),
                    message: "with binding 'c' denied request: admission webhook \"validate.nfs-mount-guard.io\" denied the request: NMG014".to_owned(),
                },
            ),
            (
                400,
                "admission webhook \"a.b.c\" does not support dry run",
                ProbeOutcome::NoDryRun("a.b.c".to_owned()),
            ),
            (
                403,
                "storageclasses.storage.k8s.io \"p\" is forbidden: User \"u\" cannot create resource",
                ProbeOutcome::Forbidden(
                    "storageclasses.storage.k8s.io \"p\" is forbidden: User \"u\" cannot create resource"
                        .to_owned(),
                ),
            ),
            (
                422,
                "storageclasses.storage.k8s.io \"p\" is forbidden: ValidatingAdmissionPolicy 'a.b' with binding 'c' denied request: no bg",
                ProbeOutcome::PolicyDenied {
                    policy: "a.b".to_owned(),
                    message: "with binding 'c' denied request: no bg".to_owned(),
                },
            ),
            (503, "the server is busy", ProbeOutcome::Other("503 the server is busy".to_owned())),
        ] {
            assert_eq!(refused(code, message), wanted, "{message}");
        }
        let failed = "storageclasses.storage.k8s.io \"p\" is forbidden: expression 'object.metadata.labels.a == \"b\"' resulted in error: no such key: labels";
        let reason = failed.split_once("forbidden: ").map(|(_, reason)| reason.to_owned());
        assert_eq!(Some(refused(403, failed)), reason.map(ProbeOutcome::ConditionFailed));
    }

    #[test]
    fn no_answer_is_neither_admitted_nor_denied() {
        let silent = ProbeResponse { silence: "no answer in 8 s".to_owned(), ..ProbeResponse::default() };
        assert_eq!(silent.verdict(), ProbeOutcome::Silent("no answer in 8 s".to_owned()));
    }
}
