//! The ValidatingAdmissionPolicy.

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission_policy::validating;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::rules::BACKGROUND_MOUNT;
use nfs_mount_guard::site::MOUNT_OPTIONS_ANNOTATION;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::differences::{gives_effect, is_another_word};
use super::updates::Update;
use super::{background_mount_only, install, refuses, samples, trial, updates};
use crate::api::{Call, Said};
use crate::cluster::Cluster;
use crate::objects::nfs_volume;

/// Tests of the policy.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_validating_policy_refuses_what_the_engine_refuses_for_bg", creates),
        trial("the_validating_policy_has_the_ratchet_of_the_engine", changes),
        trial("the_validating_policy_refuses_a_status_that_sets_the_annotation", status),
    ]
}

/// The admission policy's decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Refused,
    /// The object is none that the API server would ever store.
    Invalid,
}

impl Verdict {
    pub fn of(said: &Said) -> Self {
        let message = said.message();
        if said.passed() {
            return Self::Passed;
        }
        assert_eq!(said.status, 422, "{said:?}");
        if !message.contains("ValidatingAdmissionPolicy") {
            return Self::Invalid;
        }
        let headline =
            format!("{} {} (nfs-mount-guard): bg in ", BACKGROUND_MOUNT.code, BACKGROUND_MOUNT.name);
        assert!(message.contains(&headline), "refused for another reason: {message}");
        Self::Refused
    }
}

fn generated() -> String {
    validating(&Policy::default(), OffsetDateTime::now_utc().date()).expect("a policy").manifest
}

fn creates(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated());
    let policy = background_mount_only();
    let objects = samples::all();
    let answers = api.send_all(objects.iter().map(Call::try_create).collect());
    let counts = compare(&policy, &objects, &answers)?;
    println!("passed, refused, invalid: {counts:?}");
    assert!(counts[0] > 1000 && counts[1] > 400 && counts[2] < objects.len() / 4, "{counts:?}");
    Ok(())
}

/// Compares answers with the engine; gives how many passed, were refused, and
/// are none that could be stored.
pub fn compare(policy: &Policy, objects: &[Value], answers: &[Said]) -> Result<[usize; 3], Failed> {
    let mut counts = [0; 3];
    for (object, said) in objects.iter().zip(answers) {
        let verdict = Verdict::of(said);
        counts[verdict as usize] += 1;
        let is_refused = refuses(policy, object, None);
        let is_known = verdict == Verdict::Passed && is_another_word(object);
        if verdict != Verdict::Invalid && (verdict == Verdict::Refused) != is_refused && !is_known {
            return Err(format!("the engine refuses it: {is_refused}; {said:?}: {object:#}").into());
        }
    }
    Ok(counts)
}

fn changes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let updates = updates::all(&api);
    install(&api, &generated());
    let policy = background_mount_only();
    let answers = api.send_all(updates.iter().map(|update| Call::try_replace(&update.new)).collect());
    let counts = compare_updates(&policy, &updates, &answers)?;
    let kept = updates
        .iter()
        .zip(&answers)
        .filter(|(update, said)| said.passed() && refuses(&policy, &update.new, None))
        .count();
    println!("passed, refused, invalid: {counts:?}; {kept} kept what they had");
    assert!(counts[0] > 1000 && counts[1] > 50 && kept > 100, "{counts:?} {kept}");
    Ok(())
}

fn status(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = nfs_volume("status-by-policy", &["fg"]);
    cluster.delete(&object);
    assert!(api.send(Call::create(&object)).passed());
    install(&api, &generated());
    let annotate = |text: &str| {
        let change = json!({"metadata": {"annotations": {MOUNT_OPTIONS_ANNOTATION: text}}}).to_string();
        let patch = ["patch", "persistentvolume", "status-by-policy", "--subresource=status"];
        cluster.kubectl(&[&patch[..], &["--type=merge", "-p", &change]].concat(), "")
    };
    for text in ["bg", "hard,bg=0", "'bg'", "context=\"a,bg\""] {
        let output = annotate(text);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("NMG001"), "{text}: {output:?}");
    }
    assert!(annotate("hard,fg").status.success());
    cluster.delete(&object);
    Ok(())
}

/// Like [`compare`], of updates.
pub fn compare_updates(policy: &Policy, updates: &[Update], answers: &[Said]) -> Result<[usize; 3], Failed> {
    let mut counts = [0; 3];
    for (update, said) in updates.iter().zip(answers) {
        let verdict = Verdict::of(said);
        counts[verdict as usize] += 1;
        let is_refused = refuses(policy, &update.new, Some(&update.old));
        let is_safe = verdict == Verdict::Passed && (gives_effect(update) || is_another_word(&update.new));
        if verdict != Verdict::Invalid && (verdict == Verdict::Refused) != is_refused && !is_safe {
            let what = updates::describe(update);
            return Err(format!("the engine refuses it: {is_refused}; {said:?}: {what}").into());
        }
    }
    Ok(counts)
}
