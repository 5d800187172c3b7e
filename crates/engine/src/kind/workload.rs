//! Pods, and what makes Pods: each inline CSI volume of theirs is a subject.
//!
//! kubelet passes no mount options to an inline volume, so only its
//! `volumeAttributes` count (`SetUpAt`,
//! <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_mounter.go>). Creating a Pod is enough to set them: no right on storage is needed.

use super::{Holds, PodSpec, Reach, Refuses, Row};

const fn workload(name: &'static str, group: &'static str, plural: &'static str, pod_spec: PodSpec) -> Row {
    Row {
        name,
        group,
        plural,
        holds: Holds::InlineVolumes(pod_spec),
        list: &[],
        sub_resources: &[],
        may_be_silent: false,
        refuses: Refuses::All,
        reach: match pod_spec {
            PodSpec::Spec => Reach::Decides,
            PodSpec::Template | PodSpec::SpecTemplate | PodSpec::JobTemplate => Reach::Warns,
        },
    }
}

pub(super) static POD: Row = workload("Pod", "", "pods", PodSpec::Spec);
pub(super) static POD_TEMPLATE: Row = workload("PodTemplate", "", "podtemplates", PodSpec::Template);
pub(super) static REPLICATION_CONTROLLER: Row =
    workload("ReplicationController", "", "replicationcontrollers", PodSpec::SpecTemplate);
pub(super) static DEPLOYMENT: Row = workload("Deployment", "apps", "deployments", PodSpec::SpecTemplate);
pub(super) static STATEFUL_SET: Row = workload("StatefulSet", "apps", "statefulsets", PodSpec::SpecTemplate);
pub(super) static DAEMON_SET: Row = workload("DaemonSet", "apps", "daemonsets", PodSpec::SpecTemplate);
pub(super) static REPLICA_SET: Row = workload("ReplicaSet", "apps", "replicasets", PodSpec::SpecTemplate);
pub(super) static JOB: Row = workload("Job", "batch", "jobs", PodSpec::SpecTemplate);
pub(super) static CRON_JOB: Row = workload("CronJob", "batch", "cronjobs", PodSpec::JobTemplate);
