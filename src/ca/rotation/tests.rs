use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::macros::datetime;

use super::*;

const BEGIN: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn rotation() -> Rotation {
    Rotation { names: vec!["guard.ns.svc".to_owned()], wait: Duration::hours(1) }
}

/// Checks that a client who trusts `bundle` accepts `leaf` at a moment.
fn takes(bundle: &str, leaf: &str, now: OffsetDateTime) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let name = ServerName::try_from("guard.ns.svc").unwrap();
    let seconds = u64::try_from(now.unix_timestamp()).unwrap();
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_server_cert(&leaf, &[], &name, &[], time).map(drop).map_err(|error| error.to_string())
}

/// Everything that a caller may meet in a cluster that lags: it trusts
/// the bundle of `wait` ago or newer, and a replica serves with the certificate
/// of `wait` ago or newer.
struct Cluster {
    kept: Stored,
    trusted_since: Option<OffsetDateTime>,
    /// Bundle and leaf with the moment of their writing, newest last.
    history: Vec<(OffsetDateTime, CaState)>,
}

impl Cluster {
    fn new() -> Self {
        Self { kept: Stored::default(), trusted_since: None, history: Vec::new() }
    }

    fn tick(&mut self, now: OffsetDateTime) -> Option<RotationStep> {
        let (chain, step) = rotation().advance(&self.kept, self.trusted_since, now).unwrap();
        if step.is_some() {
            let bundle = self.history.last().map(|(_, chain)| chain.bundle());
            if bundle.as_ref() != Some(&chain.bundle()) {
                self.trusted_since = Some(now);
            }
            self.history.push((now, chain.clone()));
            self.kept = chain.into();
        }
        step
    }

    fn check(&self, now: OffsetDateTime) {
        let lag = rotation().wait;
        let newest_old = self.history.iter().rposition(|(written, _)| *written + lag <= now).unwrap_or(0);
        let recent = &self.history[newest_old..];
        for (_, trusting) in recent {
            for (_, serving) in recent {
                if let Err(error) = takes(&trusting.bundle(), &serving.leaf.certificate, now) {
                    panic!("{now}: {error}");
                }
            }
        }
    }
}

#[test]
fn eleven_years_pass_and_no_caller_ever_meets_what_it_does_not_trust() {
    let mut cluster = Cluster::new();
    let mut steps = Vec::new();
    let mut now = BEGIN;
    while now < BEGIN + Duration::days(11 * 365) {
        if let Some(step) = cluster.tick(now) {
            steps.push((now, step));
        }
        cluster.check(now);
        now += Duration::minutes(397);
    }
    let count = |wanted: RotationStep| steps.iter().filter(|(_, step)| *step == wanted).count();
    assert_eq!(count(RotationStep::Founded), 1);
    assert_eq!(count(RotationStep::Signed), 0);
    // A CA signs for two thirds of five years.
    assert_eq!(count(RotationStep::Announced), 3);
    assert_eq!(count(RotationStep::TookOver), 3);
    assert_eq!(count(RotationStep::Retired), 3);
    // A certificate serves for two thirds of ninety days.
    assert!((60..=68).contains(&count(RotationStep::Renewed)), "{}", count(RotationStep::Renewed));
}

#[test]
fn a_change_of_authority_waits_for_every_api_server_and_every_replica() {
    let mut cluster = Cluster::new();
    cluster.tick(BEGIN);
    let first = cluster.history[0].1.clone();
    let asked = BEGIN + Duration::days(1);
    cluster.kept.rotate = true;
    assert_eq!(cluster.tick(asked), Some(RotationStep::Announced));
    let announced = cluster.history[1].1.clone();
    assert_eq!(announced.leaf, first.leaf);
    assert!(announced.bundle().starts_with(&first.bundle()) && announced.bundle() != first.bundle());
    assert_eq!(cluster.tick(asked + Duration::minutes(59)), None);
    // The configurations had the bundle for too short a time.
    cluster.trusted_since = None;
    assert_eq!(cluster.tick(asked + Duration::hours(9)), None);
    cluster.trusted_since = Some(asked + Duration::hours(9));
    assert_eq!(cluster.tick(asked + Duration::hours(10)), Some(RotationStep::TookOver));
    assert_eq!(cluster.tick(asked + Duration::hours(10) + Duration::minutes(59)), None);
    assert_eq!(cluster.tick(asked + Duration::hours(11)), Some(RotationStep::Retired));
    let last = &cluster.history[3].1;
    assert_eq!((&last.next, &last.previous), (&None, &None));
    assert!(takes(&first.bundle(), &last.leaf.certificate, asked + Duration::hours(11)).is_err());
    assert_eq!(cluster.tick(asked + Duration::hours(50)), None);
}

#[test]
fn what_cannot_be_used_is_made_anew() {
    let good = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let other = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let names = vec!["renamed.ns.svc".to_owned()];
    let now = BEGIN + Duration::days(1);
    let found = Stored::from(good.clone());
    let garbage = Pair { certificate: "garbage".to_owned(), key: String::new() };
    for (name, found, rotation, step) in [
        ("as it was", found.clone(), rotation(), None),
        ("no certificate", Stored { leaf: None, ..found.clone() }, rotation(), Some(RotationStep::Signed)),
        (
            "garbage",
            Stored { leaf: Some(garbage.clone()), ..found.clone() },
            rotation(),
            Some(RotationStep::Signed),
        ),
        (
            "another key",
            Stored { leaf: Some(Pair { key: other.leaf.key.clone(), ..good.leaf.clone() }), ..found.clone() },
            rotation(),
            Some(RotationStep::Signed),
        ),
        (
            "another authority's",
            Stored { leaf: Some(other.leaf), ..found.clone() },
            rotation(),
            Some(RotationStep::Signed),
        ),
        ("another name", found.clone(), Rotation { names, ..rotation() }, Some(RotationStep::Signed)),
        (
            "no authority",
            Stored { authority: None, ..found.clone() },
            rotation(),
            Some(RotationStep::Founded),
        ),
        (
            "an authority with another's key",
            Stored {
                authority: Some(Pair { key: other.authority.key, ..good.authority.clone() }),
                ..found.clone()
            },
            rotation(),
            Some(RotationStep::Founded),
        ),
        ("a next one of garbage", Stored { next: Some(garbage), ..found }, rotation(), None),
    ] {
        let (chain, seen) = rotation.advance(&found, Some(BEGIN), now).unwrap();
        assert_eq!(seen, step, "{name}");
        let facts = CertificateFacts::read(&chain.leaf.certificate).unwrap();
        assert_eq!(facts.names, rotation.names.iter().cloned().collect::<BTreeSet<_>>(), "{name}");
        assert!(is_signed_by(&chain.leaf.certificate, &chain.authority.certificate), "{name}");
        assert_eq!(chain.next, None, "{name}");
    }
}

#[test]
fn an_authority_that_is_lost_stays_trusted_while_its_certificates_may_be_served() {
    let old = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let mut found = Stored::from(old.clone());
    found.authority.as_mut().unwrap().key = String::new();
    let (new, step) = rotation().advance(&found, None, BEGIN).unwrap();
    assert_eq!(step, Some(RotationStep::Founded));
    assert_eq!(takes(&new.bundle(), &old.leaf.certificate, BEGIN), Ok(()));
    assert_eq!(takes(&new.bundle(), &new.leaf.certificate, BEGIN), Ok(()));
}

#[test]
fn a_certificate_never_outlives_its_authority() {
    let chain = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let end = CertificateFacts::read(&chain.authority.certificate).unwrap().not_after;
    let authority = Authority::load(chain.authority).unwrap();
    let leaf = authority.sign(&rotation().names, end - Duration::days(3)).unwrap();
    assert_eq!(CertificateFacts::read(&leaf.certificate).unwrap().not_after, end);
}

#[test]
fn a_first_authority_leaves_trusted_what_is_trusted_already() {
    let old = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    // Nothing is left but what the caBundle says.
    let found = Stored { previous: Some(old.bundle()), ..Stored::default() };
    let (new, step) = rotation().advance(&found, None, BEGIN).unwrap();
    assert_eq!(step, Some(RotationStep::Founded));
    assert_eq!(takes(&new.bundle(), &old.leaf.certificate, BEGIN), Ok(()));
    assert_eq!(takes(&new.bundle(), &new.leaf.certificate, BEGIN), Ok(()));
    // One that has expired, or is no certificate, is not.
    let later = BEGIN + Duration::days(6 * 365);
    for previous in [old.bundle(), "garbage".to_owned()] {
        let found = Stored { previous: Some(previous), ..Stored::default() };
        assert_eq!(rotation().advance(&found, None, later).unwrap().0.previous, None);
    }
}

#[test]
fn an_authority_is_known_by_its_certificate() {
    let cluster = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let other = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let known = cluster.authority.certificate.clone();
    for found in [
        Stored { authority: Some(cluster.authority.clone()), ..Stored::default() },
        Stored { next: Some(cluster.authority), ..Stored::default() },
        Stored { previous: Some(format!("{known}\n")), ..Stored::default() },
    ] {
        assert!(found.knows(&known));
        assert!(!found.knows(&other.authority.certificate));
    }
    assert!(!Stored::default().knows(&known));
}

#[test]
fn a_certificate_is_valid_an_hour_before_it_is_made() {
    let chain = rotation().advance(&Stored::default(), None, BEGIN).unwrap().0;
    let early = BEGIN - Duration::hours(1);
    assert_eq!(takes(&chain.bundle(), &chain.leaf.certificate, early), Ok(()));
    assert!(takes(&chain.bundle(), &chain.leaf.certificate, early - Duration::seconds(1)).is_err());
}
