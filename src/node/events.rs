//! Events on Pods whose volume is not mounted, with no right but to create them.
//!
//! A Pod's directory has its uid only. Its name and namespace are those of its directory of
//! logs, which the kubelet names `NAMESPACE_NAME_UID` (`BuildPodLogsDirectory` in
//! `pkg/kubelet/kuberuntime/helpers.go`), so that no Pod need be read from the API server.
//!
//! An Event that is repeated is a new one with a series (`events.k8s.io/v1`): the update of
//! one would need the right to patch Events of all others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use super::report::{NodeReport, Volume, VolumeState};
use crate::report::plain::plain;

/// Least time between two Events of a volume.
const PAUSE: Duration = Duration::from_secs(600);

/// Longest wait for the API server to take one.
const ANSWER: Duration = Duration::from_secs(10);

/// Most bytes of a Pod's name in that of an Event, which has 253.
const NAME_LENGTH: usize = 200;

/// The reporting component.
const CONTROLLER: &str = "nfs-mount-guard.io/node-check";

/// A volume that is not mounted, and its Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pod: PodName,
    /// The Pod's uid and the volume.
    key: Key,
    state: VolumeState,
    /// The first look that saw it.
    first: OffsetDateTime,
    /// The last one.
    last: OffsetDateTime,
    /// How many did.
    looks: i32,
}

type Key = (String, String);

/// How the API server calls a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PodName {
    namespace: String,
    name: String,
}

/// The findings of all looks of a process.
#[derive(Debug, Default)]
pub struct Seen {
    lost: BTreeMap<Key, (OffsetDateTime, i32)>,
}

/// The results of Events so far.
#[derive(Debug, Default)]
pub struct Counts {
    created: AtomicU64,
    failed: AtomicU64,
    unnamed: AtomicU64,
}

impl Counts {
    /// Each result with its count.
    pub fn all(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("created", read(&self.created)), ("failed", read(&self.failed)), ("unnamed", read(&self.unnamed))]
    }
}

impl Seen {
    /// The volumes that a report finds lost, with the names of their Pods. Gives also why
    /// some have none; a volume that is mounted again is forgotten.
    pub fn of(
        &mut self,
        report: &NodeReport,
        logs_dir: &Path,
        now: OffsetDateTime,
        counts: &Counts,
    ) -> (Vec<Lost>, Option<String>) {
        let is_lost = |volume: &&Volume| volume.lost;
        let found: Vec<&Volume> = report.volumes.iter().filter(is_lost).collect();
        let key = |volume: &Volume| (volume.pod.clone(), volume.volume.clone());
        self.lost.retain(|known, _| found.iter().any(|volume| key(volume) == *known));
        if found.is_empty() {
            return (Vec::new(), None);
        }
        let (names, mut problem) = match pod_names(logs_dir) {
            Ok(names) => (names, None),
            Err(error) => (BTreeMap::new(), Some(format!("--pod-logs-dir: {}: {error}", logs_dir.display()))),
        };
        let mut lost = Vec::new();
        for volume in found {
            let (first, looks) = self.lost.entry(key(volume)).or_insert((now, 0));
            *looks = looks.saturating_add(1);
            let Some(pod) = names.get(&volume.pod) else {
                counts.unnamed.fetch_add(1, Ordering::Relaxed);
                problem.get_or_insert_with(|| {
                    format!(
                        "no directory in {} has the name of Pod {}",
                        logs_dir.display(),
                        plain(&volume.pod)
                    )
                });
                continue;
            };
            lost.push(Lost {
                pod: pod.clone(),
                key: key(volume),
                state: volume.state,
                first: *first,
                last: now,
                looks: *looks,
            });
        }
        (lost, problem)
    }
}

/// Names of Pods by uid.
fn pod_names(logs_dir: &Path) -> io::Result<BTreeMap<String, PodName>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(logs_dir)? {
        if let Some((uid, pod)) = entry?.file_name().to_str().and_then(pod_name) {
            names.insert(uid, pod);
        }
    }
    Ok(names)
}

/// Reads `NAMESPACE_NAME_UID`, none of which has an underscore.
fn pod_name(folder: &str) -> Option<(String, PodName)> {
    let mut parts = folder.split('_').map(ToOwned::to_owned);
    let (namespace, name, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && ![&namespace, &name, &uid].iter().any(|part| part.is_empty());
    is_whole.then_some((uid, PodName { namespace, name }))
}

/// When the last Event of each volume was created.
#[derive(Debug, Default)]
struct Pace(BTreeMap<Key, Instant>);

impl Pace {
    /// True if a volume may have another one.
    fn is_due(&self, key: &Key, now: Instant) -> bool {
        self.0.get(key).is_none_or(|created| now.duration_since(*created) >= PAUSE)
    }

    fn created(&mut self, key: &Key, now: Instant) {
        self.0.retain(|_, created| now.duration_since(*created) < PAUSE);
        self.0.insert(key.clone(), now);
    }
}

/// Creates Events for the volumes that each look finds lost, until there are no more looks.
/// A failure is logged, counted, and tried again after the next look; a look never waits.
pub async fn create(
    client: Client,
    node: String,
    mut latest: watch::Receiver<Vec<Lost>>,
    counts: Arc<Counts>,
    say: impl Fn(&str),
) {
    let mut pace = Pace::default();
    while latest.changed().await.is_ok() {
        let lost = latest.borrow_and_update().clone();
        for lost in &lost {
            if !pace.is_due(&lost.key, Instant::now()) {
                continue;
            }
            let events: Api<Event> = Api::namespaced(client.clone(), &lost.pod.namespace);
            let event = lost.event(&node);
            let parameters = PostParams::default();
            let failure = match timeout(ANSWER, events.create(&parameters, &event)).await {
                Ok(Ok(_)) => {
                    counts.created.fetch_add(1, Ordering::Relaxed);
                    pace.created(&lost.key, Instant::now());
                    continue;
                }
                Ok(Err(error)) => (crate::cluster::explain(&error), matches!(error, kube::Error::Api(_))),
                Err(_) => (format!("no answer in {} s", ANSWER.as_secs()), false),
            };
            counts.failed.fetch_add(1, Ordering::Relaxed);
            let (reason, is_of_event) = failure;
            let PodName { namespace, name } = &lost.pod;
            say(&format!(
                "event not created, the next look tries again: Pod {namespace}/{name}, volume {}: {reason}",
                plain(&lost.key.1)
            ));
            // Without a connection the others fail as well.
            if !is_of_event {
                break;
            }
        }
    }
}

impl Lost {
    fn event(&self, node: &str) -> Event {
        let (uid, volume) = &self.key;
        let PodName { namespace, name } = &self.pod;
        let volume = plain(volume);
        let text = match self.state {
            VolumeState::NotMounted | VolumeState::NodeDisk => format!(
                "volume \"{volume}\" is not mounted: the Pod writes to the local disk of node {node}; save the files before the Pod is deleted"
            ),
            VolumeState::OtherFileSystem => format!(
                "volume \"{volume}\" is not mounted by NFS: another file system is in its place on node {node}, and the Pod writes there; save the files before the Pod is deleted"
            ),
            VolumeState::Hidden => format!(
                "volume \"{volume}\" was mounted after the container started: the container writes to the local disk of node {node}, below the mount; save the files before the Pod is deleted"
            ),
        };
        let is_repeated = self.looks > 1;
        let short: String = name.chars().take(NAME_LENGTH).collect();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{short}.{:x}", OffsetDateTime::now_utc().unix_timestamp_nanos())),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(micro_time(self.first)),
            series: is_repeated
                .then(|| EventSeries { count: self.looks, last_observed_time: micro_time(self.last) }),
            type_: Some("Warning".to_owned()),
            reason: Some("VolumeNotMounted".to_owned()),
            action: Some("CheckMount".to_owned()),
            note: Some(text),
            regarding: Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(namespace.clone()),
                name: Some(name.clone()),
                uid: Some(uid.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(node.chars().take(128).collect()),
            ..Event::default()
        }
    }
}

fn micro_time(time: OffsetDateTime) -> MicroTime {
    let micros = i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or_default();
    MicroTime(Timestamp::from_microsecond(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(volume: &str) -> Key {
        ("uid".to_owned(), volume.to_owned())
    }

    #[test]
    fn a_volume_has_one_event_in_ten_minutes() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert!(pace.is_due(&key("a"), start));
        pace.created(&key("a"), start);
        assert!(!pace.is_due(&key("a"), at(9)));
        assert!(pace.is_due(&key("b"), at(9)), "each volume has its own");
        assert!(pace.is_due(&key("a"), at(10)));
        pace.created(&key("b"), at(10));
        assert_eq!(pace.0.len(), 1, "what may have another one is forgotten");
    }

    #[test]
    fn a_directory_of_logs_names_a_pod() {
        let (uid, pod) = pod_name("shop_web-0_1b4e28ba-2fa1-11d2-883f-0016d3cca427").expect("a Pod");
        assert_eq!(
            (&*pod.namespace, &*pod.name, &*uid),
            ("shop", "web-0", "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
        );
        for other in ["", "shop", "shop_web", "a_b_c_d", "_b_c", "a__c", "a_b_"] {
            assert_eq!(pod_name(other), None, "{other:?}");
        }
    }
}
