//! Elects the replica that manages the certificates: the one that holds the Lease.
//!
//! The Lease only saves work. Should two replicas hold it at a time, each write
//! of theirs still names the version that it replaces, and the slower one
//! fails.

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use time::{Duration, OffsetDateTime};

use super::create::create;
use super::{Error, FIELD_MANAGER, is_conflict};

/// The time after which a silent holder has lost the Lease.
// Four renewals: one that is late, or an API server that restarts, changes no holder.
const LIFE: Duration = Duration::seconds(40);

/// The time between two renewals by the holder.
const RENEWAL: Duration = Duration::seconds(10);

/// One replica's view of the Lease.
pub(super) struct Lease {
    api: Api<Object>,
    name: String,
    /// The identity of this replica.
    holder: String,
    /// The last sign of life that was seen, and when that was by our own
    /// clock: other clocks may differ.
    seen: Option<(Sign, OffsetDateTime)>,
}

/// A holder with its last sign of life.
type Sign = (Option<String>, Option<MicroTime>);

impl Lease {
    pub(super) fn new(client: Client, namespace: &str, name: &str, holder: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: name.to_owned(), holder: holder.to_owned(), seen: None }
    }

    /// Returns true if this replica holds the Lease as of `now`; acquires it if no replica does.
    pub(super) async fn hold(&mut self, now: OffsetDateTime) -> Result<bool, Error> {
        let found = self.api.get_opt(&self.name).await.map_err(self.failed("read"))?;
        let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let sign = (spec.holder_identity.clone(), spec.renew_time.clone());
        let seen = match &self.seen {
            // client-go does so, too: clocks of nodes differ, so only the change of the sign counts, by
            // the own clock (k8s.io/client-go tools/leaderelection).
            Some((last, seen)) if *last == sign => *seen,
            _ => now,
        };
        self.seen = Some((sign, seen));
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let is_ours = holder == self.holder;
        // No write while the last one is fresh: each costs a revision of etcd.
        if is_ours && now < seen + RENEWAL {
            return Ok(true);
        }
        if !is_ours && !holder.is_empty() && now < seen + LIFE {
            return Ok(false);
        }
        let time = timestamp(now);
        let transitions = spec.lease_transitions.unwrap_or_default();
        let wanted = LeaseSpec {
            acquire_time: if is_ours { spec.acquire_time } else { Some(time.clone()) },
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(LIFE.whole_seconds()).ok(),
            lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
            renew_time: Some(time),
            ..LeaseSpec::default()
        };
        let is_held = self.write(found, wanted).await?;
        if is_held && !is_ours {
            tracing::info!(
                lease = self.name,
                holder = self.holder,
                "this replica manages the certificates now"
            );
        }
        Ok(is_held)
    }

    /// Gives it back, so that another replica need not wait.
    pub(super) async fn release(&self) -> Result<(), Error> {
        let found = self.api.get_opt(&self.name).await.map_err(self.failed("read"))?;
        let Some(lease) = found else { return Ok(()) };
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&*self.holder) {
            return Ok(());
        }
        // Emptied, not deleted: deletion would need a further right.
        let wanted = LeaseSpec { holder_identity: Some(String::new()), ..spec };
        self.write(Some(lease), wanted).await.map(drop)
    }

    /// Writes the Lease; `false` if another replica wrote first.
    async fn write(&self, found: Option<Object>, spec: LeaseSpec) -> Result<bool, Error> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = if let Some(lease) = found {
            // With the resourceVersion that was read: a write of another replica in between makes
            // this a conflict.
            let lease = Object { spec: Some(spec), ..lease };
            self.api.replace(&self.name, &parameters, &lease).await.map(drop)
        } else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            create(&self.api, &self.name, &self.holder, &Object { metadata, spec: Some(spec) }).await
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(self.failed("write")(error)),
        }
    }

    fn failed(&self, verb: &str) -> impl FnOnce(kube::Error) -> Error + use<> {
        Error::api(format!("{verb} the Lease {}", self.name))
    }
}

fn timestamp(time: OffsetDateTime) -> MicroTime {
    // Kubernetes writes microseconds, and would not give back more.
    let micros = time.unix_timestamp_nanos() / 1000;
    let micros = i64::try_from(micros).unwrap_or_default();
    MicroTime(Timestamp::from_microsecond(micros).unwrap_or_default())
}
