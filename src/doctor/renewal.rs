//! D302, and who makes the certificates: the command that cures one hangs on that.

use time::Duration;

use super::Outcome;
use super::checks::filled;
use super::facts::{ClusterFacts, Seen};
use super::field::{text, time};
use super::installation::Webhook;
use super::remedy::writers;

/// The time for which a holder of the Lease is believed: longer than it takes another replica to
/// take it.
const LEASE_LIFE: Duration = Duration::minutes(2);

/// Signs a certificate with the CA of the directory `certs`, and puts it into a Secret.
const GENERATE: &str = "nfs-mount-guard certs generate --dir certs --dns {name}.{namespace}.svc && kubectl --namespace {namespace} create secret tls ";
const STORE: &str =
    " --cert=certs/tls.crt --key=certs/tls.key --dry-run=client --output yaml | kubectl apply --filename -";

/// The field manager of the built-in CA, as the owner of the caBundle.
const MANAGER: &str = "nfs-mount-guard";

/// The process that issues the certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    BuiltIn,
    CertManager,
    Other,
}

pub(super) fn maker(facts: &ClusterFacts) -> Maker {
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let is_injected = webhooks.iter().any(|webhook| {
        let pointer = "/annotations/cert-manager.io~1inject-ca-from";
        !text(&webhook.metadata, pointer).is_empty()
    });
    if is_injected {
        Maker::CertManager
    } else if manages_itself(facts) || is_apart(facts) {
        Maker::BuiltIn
    } else {
        Maker::Other
    }
}

/// Returns true if the Pods that serve manage their certificates.
fn manages_itself(facts: &ClusterFacts) -> bool {
    let pods = facts.pods.found().map(Vec::as_slice).unwrap_or_default();
    pods.iter().any(|pod| ClusterFacts::flag(pod, "--manage-certificates").is_some())
}

/// Returns true if a Pod of its own manages the certificates: there is one, or the caBundle is what
/// it wrote.
fn is_apart(facts: &ClusterFacts) -> bool {
    let pods = facts.certificate_pods.found().map(Vec::as_slice).unwrap_or_default();
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let is_ours = |webhook: &Webhook| writers(webhook, &["f:clientConfig", "f:caBundle"]).contains(&MANAGER);
    !manages_itself(facts) && (!pods.is_empty() || webhooks.iter().any(is_ours))
}

/// Returns the Deployment that creates or loads the certificates, which a restart makes look again.
pub(super) fn deployment(facts: &ClusterFacts) -> String {
    let name = facts.name();
    if !is_apart(facts) {
        return name.to_owned();
    }
    // The chart cuts the name so.
    let short: String = name.chars().take(50).collect();
    format!("{}-certificates", short.trim_end_matches('-'))
}

/// Returns the Secret that the Pods wait for, where another Pod has to create it.
pub(super) fn awaited_secret(facts: &ClusterFacts) -> Option<&str> {
    let (secret, seen) = &facts.secret;
    (is_apart(facts) && matches!(seen, Seen::Absent)).then_some(secret)
}

pub(super) fn bundle_remedy(facts: &ClusterFacts) -> String {
    filled(
        match maker(facts) {
            Maker::BuiltIn => "kubectl --namespace {namespace} rollout restart deployment/{certificates}",
            Maker::CertManager => {
                "kubectl --namespace cert-manager rollout restart deployment/cert-manager-cainjector"
            }
            Maker::Other => {
                "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set-file certificates.caBundle=certs/ca.crt"
            }
        },
        facts,
    )
}

pub(super) fn leaf_remedy(facts: &ClusterFacts) -> String {
    let secret = &facts.secret.0;
    let remedy = match maker(facts) {
        Maker::BuiltIn => format!(
            "kubectl --namespace {{namespace}} annotate secret {secret} nfs-mount-guard.io/rotate=now --overwrite"
        ),
        // cert-manager issues a certificate again if its Secret is gone.
        Maker::CertManager => format!("kubectl --namespace {{namespace}} delete secret {secret}"),
        Maker::Other => format!("{GENERATE}{secret}{STORE}"),
    };
    filled(&remedy, facts)
}

/// Checks D302, that a Pod renews the Lease of the CA.
pub(super) fn renewal(facts: &ClusterFacts) -> Outcome {
    if facts.service().is_none() {
        return Outcome::skipped("called by URL, without a Service");
    }
    match maker(facts) {
        Maker::CertManager => return Outcome::skipped("cert-manager renews the certificate"),
        Maker::Other if facts.lease.found().is_none() => {
            return Outcome::skipped("the certificates are not built-in");
        }
        _ => {}
    }
    let secret = &facts.secret.0;
    let absent = || {
        Outcome::warning(format!("Lease {secret} not found: no Pod has managed the certificates yet"))
            .may_pass(true)
    };
    let lease = match facts.lease.given(absent) {
        Ok(lease) => lease,
        Err(outcome) => return outcome,
    };
    let holder = text(lease, "/spec/holderIdentity");
    // A replica that ends gives the Lease back without a holder.
    let Some(renewed) = time(lease, "/spec/renewTime").filter(|_| !holder.is_empty()) else {
        return Outcome::warning(format!("Lease {secret} has no holder")).may_pass(true);
    };
    let age = facts.now - renewed;
    if age > LEASE_LIFE {
        return Outcome::warning(format!(
            "Lease {secret}: {holder} renewed it {} ago, and no other Pod took it",
            ago(age)
        ));
    }
    // Clocks differ: the time of renewal may lie ahead of this one.
    Outcome::ok(format!("Lease {secret}: renewed {} ago by {holder}", ago(age.max(Duration::ZERO))))
}

fn ago(age: Duration) -> String {
    match age.whole_seconds() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_over_has_a_unit_that_fits() {
        for (age, text) in [
            (Duration::seconds(119), "119 s"),
            (Duration::minutes(119), "119 min"),
            (Duration::hours(3), "3 h"),
            (Duration::days(3), "3 days"),
        ] {
            assert_eq!(ago(age), text);
        }
    }
}
