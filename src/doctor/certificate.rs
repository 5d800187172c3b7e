//! D103 and D301: the certificates of a call, verified offline as the API server
//! verifies them.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};
use time::{Duration, OffsetDateTime};

use super::Outcome;
use super::checks::filled;
use super::facts::{ClusterFacts, Pair, Seen};
use super::field::{named, text};
use super::installation::Webhook;
use super::renewal::{Maker, awaited_secret, bundle_remedy, deployment, leaf_remedy, maker};
use crate::ca::state::names;
use crate::count::counted;
use crate::server::tls::{self, Certificate};

/// Days before its end when a certificate is warned about.
const SOON: Duration = Duration::days(30);

/// Clocks that differ by less are right enough.
const CLOCKS: Duration = Duration::minutes(5);

/// One certificate.
struct Read {
    der: CertificateDer<'static>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    names: BTreeSet<String>,
}

fn read(pem: &[u8]) -> Result<Vec<Read>, String> {
    let mut all = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|error| format!("is not PEM ({error})"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| format!("has a certificate that cannot be read ({error})"))?;
        let (not_before, not_after) =
            (parsed.validity().not_before.to_datetime(), parsed.validity().not_after.to_datetime());
        let names = names(&parsed);
        all.push(Read { not_before, not_after, names, der: der.clone().into_owned() });
    }
    if all.is_empty() { Err("has no PEM certificate".to_owned()) } else { Ok(all) }
}

fn bundle(webhook: &Webhook) -> Result<Vec<Read>, String> {
    let encoded = text(&webhook.raw, "/clientConfig/caBundle");
    let pem = STANDARD.decode(encoded).map_err(|error| format!("is not base64 ({error})"))?;
    read(&pem)
}

/// Checks D103, the caBundle of each webhook.
pub(super) fn ca_bundle(facts: &ClusterFacts) -> Outcome {
    let Some(installation) = facts.installation() else { return Outcome::skipped("needs D101") };
    let (mut faults, mut ends) = (Vec::new(), Vec::new());
    for webhook in &installation.webhooks {
        let name = &webhook.name;
        let problem =
            |seen: String| Outcome::problem(format!("{name}: {seen}")).cured_by(bundle_remedy(facts));
        if text(&webhook.raw, "/clientConfig/caBundle").is_empty() {
            // A server that is called by URL may have a public certificate, which needs no caBundle.
            if installation.service.is_none() {
                continue;
            }
            let seen = "the caBundle is empty, so the API server trusts only public CAs";
            faults.push(problem(seen.to_owned()).may_pass(true));
            continue;
        }
        let certificates = match bundle(webhook) {
            Ok(certificates) => certificates,
            Err(reason) => {
                faults.push(problem(format!("the caBundle {reason}")));
                continue;
            }
        };
        let is_valid =
            |certificate: &&Read| certificate.not_before <= facts.now && facts.now < certificate.not_after;
        // One valid CA is enough: during a rotation the bundle has the old one as well.
        let Some(last) = certificates.iter().filter(is_valid).map(|certificate| certificate.not_after).max()
        else {
            faults.push(problem(invalid("the caBundle", &certificates, facts)));
            continue;
        };
        if last - facts.now < SOON {
            faults.push(
                Outcome::warning(format!("{name}: the caBundle expires in {}", days(last - facts.now)))
                    .cured_by(bundle_remedy(facts)),
            );
        }
        ends.push(last);
    }
    if let Some(fault) = clock(facts) {
        faults.push(fault);
    }
    // The bundle that ends first is the first of which the calls fail.
    Outcome::worst(faults, || match ends.iter().min() {
        Some(end) => Outcome::ok(format!("valid until {}", end.date())),
        None => Outcome::skipped("called by URL without a caBundle: the API server uses its own list of CAs"),
    })
}

/// Clocks that differ make a certificate look early or expired to one of them.
fn clock(facts: &ClusterFacts) -> Option<Outcome> {
    (facts.ahead.abs() > CLOCKS).then(|| {
        let way = if facts.ahead.is_positive() { "behind" } else { "ahead of" };
        let by = counted(facts.ahead.whole_minutes().unsigned_abs(), "minute");
        Outcome::warning(format!("the clock of the API server is {by} {way} the clock of this machine"))
            .hurts("certificates look expired, or not yet valid, to the machine whose clock is wrong")
            .cured_by("chronyc tracking")
    })
}

/// Describes the fault of certificates none of which is valid now.
fn invalid(what: &str, certificates: &[Read], facts: &ClusterFacts) -> String {
    let starts = certificates.iter().map(|certificate| certificate.not_before).min().unwrap_or(facts.now);
    if starts > facts.now {
        return format!(
            "{what} is not valid before {starts}, and the clock of the API server is at {}: set the clock",
            facts.now
        );
    }
    let end = certificates.iter().map(|certificate| certificate.not_after).max().unwrap_or(facts.now);
    format!("{what} expired on {end}")
}

fn days(left: Duration) -> String {
    if left < Duration::days(2) {
        return counted(left.whole_hours().unsigned_abs(), "hour").to_string();
    }
    counted(left.whole_days().unsigned_abs(), "day").to_string()
}

/// Checks D301, the certificate of the Secret.
pub(super) fn leaf(facts: &ClusterFacts) -> Outcome {
    let Some(installation) = facts.installation() else { return Outcome::skipped("needs D101") };
    let Some(service) = &installation.service else {
        return Outcome::skipped("called by URL, without a Service");
    };
    let (secret, seen) = &facts.secret;
    let absent = || {
        let place = format!("Secret {}/{secret} not found", service.namespace);
        if awaited_secret(facts).is_some() {
            let manager = deployment(facts);
            return Outcome::problem(format!(
                "{place}: deployment/{manager} creates it, and the Pods wait for it"
            ))
            .cured_by(filled("kubectl --namespace {namespace} logs deployment/{certificates}", facts))
            .may_pass(true);
        }
        Outcome::problem(place).cured_by(leaf_remedy(facts)).may_pass(true)
    };
    if matches!(seen, Seen::Unasked) {
        return Outcome::skipped("no Pod names its Secret");
    }
    let pair = match seen.given(absent) {
        Ok(pair) => pair,
        Err(outcome) => return outcome,
    };
    let host = format!("{}.{}.svc", service.name, service.namespace);
    let bad =
        |seen: String| Outcome::problem(format!("Secret {secret}: {seen}")).cured_by(leaf_remedy(facts));
    let chain = match read(pair.certificate.as_bytes()) {
        Ok(chain) => chain,
        Err(reason) => return bad(format!("tls.crt {reason}")),
    };
    let Some((first, intermediates)) = chain.split_first() else { return bad("tls.crt is empty".to_owned()) };
    if first.not_after <= facts.now || first.not_before > facts.now {
        return bad(invalid("the certificate", std::slice::from_ref(first), facts));
    }
    if let Err(reason) = key_fits(secret, pair, facts) {
        return bad(reason);
    }
    for webhook in &installation.webhooks {
        // D103 reports a caBundle that cannot be read.
        let Ok(roots) = bundle(webhook) else { continue };
        match verify(first, intermediates, &roots, &host, facts.now) {
            Verified::Yes => {}
            Verified::Unknown(reason) => {
                return Outcome::warning(format!("Secret {secret}: not verified: {reason}")).hurts(
                    "doctor cannot verify this certificate; the probes show whether the API server does",
                );
            }
            Verified::No(Fault::Name) => {
                let names = if first.names.is_empty() {
                    "it has no subject alternative name, only a common name".to_owned()
                } else {
                    format!("it is for {}", named(first.names.iter().map(String::as_str)))
                };
                return bad(format!("the certificate is not for {host}: {names}"));
            }
            Verified::No(Fault::Chain(reason)) => {
                let expired =
                    roots.iter().filter(|root| root.not_after <= facts.now).map(|root| root.not_after).max();
                let expired =
                    expired.map(|end| format!("; a CA of the caBundle expired on {end}")).unwrap_or_default();
                return bad(format!(
                    "the certificate does not verify against the caBundle of {}: {reason}{expired}",
                    webhook.name
                ))
                .cured_by(bundle_remedy(facts))
                .may_pass(maker(facts) == Maker::BuiltIn);
            }
        }
    }
    let left = first.not_after - facts.now;
    // A certificate of less than 90 days is warned about in the last third of its life only.
    let soon = SOON.min((first.not_after - first.not_before) / 3);
    // Renewal is due at that moment, and takes a while.
    if left < soon - Duration::hours(1) {
        return Outcome::warning(format!("Secret {secret}: the certificate expires in {}", days(left)))
            .hurts("when it has expired, no call reaches the webhook")
            .cured_by(leaf_remedy(facts));
    }
    Outcome::ok(format!("Secret {secret}: valid for {host} until {}", first.not_after.date()))
}

fn key_fits(secret: &str, pair: &Pair, facts: &ClusterFacts) -> Result<(), String> {
    let (certificate, key) = (pair.certificate.as_bytes(), pair.key.as_bytes());
    match Certificate::parse("Secret", certificate, key, facts.now) {
        Ok(_) => Ok(()),
        Err(tls::Error::Mismatch { .. }) => Err("tls.key is not the key of tls.crt".to_owned()),
        Err(tls::Error::BadKey { reason, .. }) => Err(format!("tls.key cannot be used: {reason}")),
        Err(other) => Err(format!("{other} ({secret})")),
    }
}

enum Verified {
    Yes,
    No(Fault),
    /// With an algorithm that this program does not have.
    Unknown(String),
}

enum Fault {
    Name,
    Chain(String),
}

fn verify(leaf: &Read, intermediates: &[Read], roots: &[Read], host: &str, now: OffsetDateTime) -> Verified {
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return Verified::Unknown(format!("{host:?} is no DNS name"));
    };
    let is_named = match rustls::server::ParsedCertificate::try_from(&leaf.der) {
        Ok(parsed) => rustls::client::verify_server_name(&parsed, &name).is_ok(),
        Err(_) => leaf.names.contains(host),
    };
    if !is_named {
        return Verified::No(Fault::Name);
    }
    // A certificate that is its own CA is trusted by the API server as it is.
    if roots.iter().any(|root| root.der == leaf.der) {
        return Verified::Yes;
    }
    let mut store = RootCertStore::empty();
    // webpki does not look at the dates of a root, and the API server does.
    for root in roots.iter().filter(|root| root.not_before <= now && now < root.not_after) {
        // One that cannot be added cannot be verified with either.
        let _ = store.add(root.der.clone());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build() {
        Ok(verifier) => verifier,
        Err(error) => return Verified::Unknown(error.to_string()),
    };
    let chain: Vec<CertificateDer<'static>> =
        intermediates.iter().map(|certificate| certificate.der.clone()).collect();
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    match verifier.verify_server_cert(&leaf.der, &chain, &name, &[], at) {
        Ok(_) => Verified::Yes,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Verified::No(Fault::Chain(
            "it was signed by another CA (the API server: x509: certificate signed by unknown authority)".to_owned(),
        )),
        Err(Error::InvalidCertificate(CertificateError::BadSignature)) => Verified::No(Fault::Chain(
            "a CA of the same name has another key (the API server: x509: certificate signed by unknown authority)"
                .to_owned(),
        )),
        Err(Error::InvalidCertificate(CertificateError::InvalidPurpose)) => {
            Verified::No(Fault::Chain("its extended key usage lacks server authentication".to_owned()))
        }
        Err(other) => Verified::Unknown(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::doctor::facts::Seen;

    fn facts(ahead: Duration) -> ClusterFacts {
        let mut facts = ClusterFacts::new(OffsetDateTime::UNIX_EPOCH);
        facts.installations = Seen::Found(
            crate::doctor::installation::find(
                &[serde_json::json!({"metadata": {"name": "a"}, "webhooks": [
                {"name": "validate.nfs-mount-guard.io", "clientConfig": {"url": "https://a/validate"}}]})],
                &[],
            )
            .0,
        );
        facts.ahead = ahead;
        facts
    }

    #[test]
    fn clocks_that_differ_are_named() {
        for (ahead, words) in [
            (
                Duration::minutes(10),
                "the clock of the API server is 10 minutes behind the clock of this machine",
            ),
            (
                Duration::minutes(-7),
                "the clock of the API server is 7 minutes ahead of the clock of this machine",
            ),
        ] {
            let outcome = ca_bundle(&facts(ahead));
            assert_eq!((outcome.status, &*outcome.seen), (Status::Warning, words));
        }
        assert_eq!(ca_bundle(&facts(Duration::seconds(20))).status, Status::Skipped);
    }

    #[test]
    fn days_and_hours_are_those_that_are_left() {
        assert_eq!(days(Duration::days(9) + Duration::hours(23)), "9 days");
        assert_eq!(days(Duration::hours(47)), "47 hours");
    }
}
