//! Events on Pods whose volume is not mounted, with no right but to create them.
//!
//! A Pod's directory has its uid only. Its name and namespace are those of its directory of
//! logs, which the kubelet names `NAMESPACE_NAME_UID` ([`BuildPodLogsDirectory`][helpers]), so that
//! no Pod need be read from the API server.
//!
//! [helpers]: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/kuberuntime/helpers.go
//!
//! An Event that is repeated is a new one with a series (`events.k8s.io/v1`): the update of
//! one would need the right to patch Events of all others.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
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

/// Requests of one look that may get no answer: those of the others wait for the next one.
const SILENT: usize = 3;

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
    /// The name of the volume for people.
    label: String,
    state: VolumeState,
    /// The first look that saw it.
    first: OffsetDateTime,
    /// The last one.
    last: OffsetDateTime,
    /// The number of those looks.
    looks: i32,
}

type Key = (String, String);

/// The name of a Pod at the API server.
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
    /// Returns each result with its count.
    pub fn all(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("created", read(&self.created)), ("failed", read(&self.failed)), ("unnamed", read(&self.unnamed))]
    }
}

impl Seen {
    /// Returns the volumes that a report finds lost, with the names of their Pods. Gives also why
    /// some have none; a volume that is mounted again is forgotten.
    pub fn of(
        &mut self,
        report: &NodeReport,
        logs_dir: Result<&Path, &str>,
        now: OffsetDateTime,
        counts: &Counts,
    ) -> (Vec<Lost>, Option<String>) {
        let is_lost = |volume: &&Volume| volume.lost;
        let found: Vec<&Volume> = report.volumes.iter().filter(is_lost).collect();
        let key = |volume: &Volume| (volume.pod.clone(), volume.identity());
        // A volume that was mounted in the meantime begins a new series with its next loss.
        self.lost.retain(|known, _| found.iter().any(|volume| key(volume) == *known));
        if found.is_empty() {
            return (Vec::new(), None);
        }
        let read = logs_dir.map_err(ToOwned::to_owned).and_then(|dir| {
            pod_names(dir).map_err(|error| format!("{}: {error}", dir.display())).map(|names| (dir, names))
        });
        let (dir, names, mut problem) = match read {
            Ok((dir, names)) => (dir, names, None),
            Err(error) => (Path::new(""), BTreeMap::new(), Some(format!("--pod-logs-dir: {error}"))),
        };
        let mut lost = Vec::new();
        for volume in found {
            let (first, looks) = self.lost.entry(key(volume)).or_insert((now, 0));
            *looks = looks.saturating_add(1);
            let Some(pod) = names.get(&volume.pod) else {
                counts.unnamed.fetch_add(1, Ordering::Relaxed);
                // One line a look: the cause is the same for all.
                problem.get_or_insert_with(|| {
                    format!("no directory in {} has the name of Pod {}", dir.display(), plain(&volume.pod))
                });
                continue;
            };
            lost.push(Lost {
                pod: pod.clone(),
                key: key(volume),
                label: volume.label.clone(),
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

/// The last Event of each volume.
#[derive(Debug, Default)]
struct Pace(BTreeMap<Key, Paced>);

/// An Event whose creation was requested.
#[derive(Debug, Clone, Copy)]
struct Paced {
    at: Instant,
    /// The ten minutes of which it has its name.
    window: i64,
    /// True if the API server has it for sure.
    is_created: bool,
}

impl Pace {
    /// Returns the ten minutes that give the next Event of a volume its name; `None` if it may have none
    /// yet. One that got no answer is requested again by the same name, because the API server may have
    /// it.
    fn due(&self, key: &Key, now: Instant, window: i64) -> Option<i64> {
        match self.0.get(key) {
            Some(paced) if !paced.is_created => Some(paced.window),
            Some(paced) if now.duration_since(paced.at) < PAUSE => None,
            _ => Some(window),
        }
    }

    fn asked(&mut self, key: &Key, paced: Paced) {
        self.0.insert(key.clone(), paced);
    }

    /// Forgets what says nothing of the next Event of any of these volumes.
    fn keep(&mut self, lost: &[Lost], now: Instant) {
        self.0.retain(|key, paced| {
            // One without an answer keeps its name for as long as it is requested.
            let is_recent = now.duration_since(paced.at) < PAUSE;
            if paced.is_created { is_recent } else { lost.iter().any(|lost| lost.key == *key) }
        });
    }
}

/// Returns the volumes of a look, those after `silent` first, and then the others: one that gets no
/// answer must not keep those after it from their turn.
fn in_turn(mut lost: Vec<Lost>, silent: Option<&Key>) -> Vec<Lost> {
    lost.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let start = silent.map_or(0, |silent| lost.partition_point(|lost| lost.key <= *silent));
    lost.rotate_left(start);
    lost
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
    let (mut pace, mut silent) = (Pace::default(), None::<Key>);
    while latest.changed().await.is_ok() {
        let lost = in_turn(latest.borrow_and_update().clone(), silent.as_ref());
        pace.keep(&lost, Instant::now());
        let mut unanswered = 0;
        for lost in &lost {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            // By the clock, so that a process that was restarted gives the same ten minutes the same name.
            let now = now.div_euclid(i64::try_from(PAUSE.as_secs()).unwrap_or(i64::MAX));
            let Some(window) = pace.due(&lost.key, Instant::now(), now) else { continue };
            let events: Api<Event> = Api::namespaced(client.clone(), &lost.pod.namespace);
            let event = lost.event(&node, window);
            let parameters = PostParams::default();
            let failure = match timeout(ANSWER, events.create(&parameters, &event)).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) if is_there(&error) => None,
                Ok(Err(error)) => {
                    Some((crate::cluster::explain(&error), matches!(error, kube::Error::Api(_))))
                }
                Err(_) => Some((format!("no answer in {} s", ANSWER.as_secs()), false)),
            };
            let is_created = failure.is_none();
            pace.asked(&lost.key, Paced { at: Instant::now(), window, is_created });
            let Some((reason, is_answer)) = failure else {
                counts.created.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            counts.failed.fetch_add(1, Ordering::Relaxed);
            let PodName { namespace, name } = &lost.pod;
            say(&format!(
                "event not created, the next look tries again: Pod {namespace}/{name}, volume {}: {reason}",
                plain(&lost.label)
            ));
            if !is_answer {
                // The others may wait for another webhook or backend, or for none.
                silent = Some(lost.key.clone());
                unanswered += 1;
                if unanswered == SILENT {
                    break;
                }
            }
        }
    }
}

/// Returns true if the API server has an Event of this name: the answer to an earlier request was lost,
/// or was to this process before a restart.
fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
}

/// Returns the name of an Event, the same for each request for it: no process may create one twice.
fn event_name(pod: &str, key: &Key, window: i64) -> String {
    let short: String = pod.chars().take(NAME_LENGTH).collect();
    // Not the standard library's hasher, which may change with a release: the name must not.
    let mut hasher = fnv::FnvHasher::default();
    (key, window).hash(&mut hasher);
    // A name ends each of its parts with a letter or digit (RFC 1123).
    format!("{}.{:016x}", short.trim_end_matches(['-', '.']), hasher.finish())
}

impl Lost {
    /// Returns the Event; `window` is the ten minutes that give it its name.
    fn event(&self, node: &str, window: i64) -> Event {
        let (uid, _) = &self.key;
        let PodName { namespace, name } = &self.pod;
        let volume = plain(&self.label);
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
        Event {
            metadata: ObjectMeta {
                name: Some(event_name(name, &self.key, window)),
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
            // The API server allows 128 characters (`ReportingInstanceLengthLimit`,
            // https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/apis/core/validation/events.go).
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

    fn lost(volume: &str) -> Lost {
        let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned() };
        let (first, state) = (OffsetDateTime::UNIX_EPOCH, VolumeState::NotMounted);
        Lost { pod, key: key(volume), label: volume.to_owned(), state, first, last: first, looks: 1 }
    }

    #[test]
    fn a_volume_has_one_event_in_ten_minutes() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let paced = |minutes, window, is_created| Paced { at: at(minutes), window, is_created };
        assert_eq!(pace.due(&key("a"), start, 7), Some(7));
        pace.asked(&key("a"), paced(0, 7, true));
        assert_eq!(pace.due(&key("a"), at(9), 7), None);
        assert_eq!(pace.due(&key("b"), at(9), 7), Some(7), "each volume has its own");
        assert_eq!(pace.due(&key("a"), at(10), 8), Some(8));
        // Without an answer it is the same Event.
        pace.asked(&key("b"), paced(9, 7, false));
        assert_eq!(pace.due(&key("b"), at(30), 10), Some(7));
        pace.keep(&[lost("b")], at(30));
        assert_eq!(pace.0.len(), 1, "what may have another one is forgotten");
        pace.keep(&[], at(30));
        assert_eq!(pace.0.len(), 0, "and what is mounted again");
    }

    #[test]
    fn the_volumes_after_one_without_an_answer_have_their_turn() {
        let names = |lost: Vec<Lost>| lost.into_iter().map(|lost| lost.key.1).collect::<String>();
        let all = || ["c", "a", "b"].map(lost).to_vec();
        assert_eq!(names(in_turn(all(), None)), "abc");
        assert_eq!(names(in_turn(all(), Some(&key("a")))), "bca");
        assert_eq!(names(in_turn(all(), Some(&key("aa")))), "bca");
        assert_eq!(names(in_turn(all(), Some(&key("c")))), "abc");
        assert_eq!(names(in_turn(Vec::new(), Some(&key("c")))), "");
    }

    #[test]
    fn the_name_of_an_event_is_that_of_its_volume_and_time() {
        let name = event_name("web-0", &key("a"), 7);
        assert_eq!(name, event_name("web-0", &key("a"), 7), "also after a restart");
        assert_eq!(name.len(), "web-0.0123456789abcdef".len());
        assert_ne!(name, event_name("web-0", &key("a"), 8));
        assert_ne!(name, event_name("web-0", &key("b"), 7));
        // Longer names are cut, and no part of a name ends with a mark.
        for cut in ["-b", ".b", "-.-b", "b", ".-"] {
            let name =
                event_name(&format!("{}{cut}{}", "a".repeat(NAME_LENGTH - 1), "b".repeat(50)), &key("a"), 7);
            let parts: Vec<&str> = name.split('.').collect();
            assert!(name.len() <= 253 && parts.len() == 2, "{name}");
            assert!(parts.iter().all(|part| part.ends_with(|c: char| c.is_ascii_alphanumeric())), "{name}");
        }
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
