//! The workloads that make Pods, as far as the inline CSI volumes of these are concerned.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::manifest::{CsiSource, Manifest, Metadata, Spec, Text};
use crate::kind::PodSpec;
use crate::nfs::placeholder::has_placeholder;

/// A Pod, or what holds a template of one. Where the Pod is specified the kind
/// says; the fields of the others are simply absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Workload<'a> {
    /// `v1`, `apps/v1` or `batch/v1`.
    pub api_version: Option<Text<'a>>,
    /// `Pod`, `Deployment` and so on.
    pub kind: Option<Text<'a>>,
    /// Its own name, namespace, labels and annotations, not those of its template.
    pub metadata: Option<Metadata<'a>>,
    /// Of a Pod, or of what makes Pods.
    pub spec: Option<WorkloadSpec<'a>>,
    /// PodTemplate.
    pub template: Option<Template<'a>>,
}

/// `spec`, of a Pod or of what makes Pods.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct WorkloadSpec<'a> {
    /// Pod.
    pub volumes: Option<Vec<Option<Volume<'a>>>>,
    /// The template of Pods.
    pub template: Option<Template<'a>>,
    /// CronJob: the template of Jobs.
    pub job_template: Option<JobTemplate<'a>>,
}

/// A template of Pods.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Template<'a> {
    /// The labels and annotations that the Pods get.
    pub metadata: Option<Metadata<'a>>,
    /// The Pods' own.
    pub spec: Option<PodSpecification<'a>>,
}

/// `spec` of a Pod that is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct PodSpecification<'a> {
    /// Its volumes.
    pub volumes: Option<Vec<Option<Volume<'a>>>>,
}

/// A template of Jobs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct JobTemplate<'a> {
    /// The Jobs' own.
    pub spec: Option<JobSpecification<'a>>,
}

/// `spec` of a Job that is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct JobSpecification<'a> {
    /// The template of its Pods.
    pub template: Option<Template<'a>>,
}

/// The sources of a Pod's volume beside `csi` (kubernetes `pkg/apis/core`,
/// `VolumeSource`). Any other key is no source, and the API server drops it.
const OTHER_SOURCES: [&str; 29] = [
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "downwardAPI",
    "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo", "glusterfs",
    "hostPath", "image", "iscsi", "nfs", "persistentVolumeClaim", "photonPersistentDisk", "portworxVolume",
    "projected", "quobyte", "rbd", "scaleIO", "secret", "storageos", "vsphereVolume",
];

/// A volume of a Pod. The API server takes exactly one source for it (kubernetes
/// `pkg/apis/core/validation`, `validateVolumeSource`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume<'a> {
    /// Its name, unique in the Pod.
    pub name: Option<Text<'a>>,
    /// An inline volume of a CSI driver.
    pub csi: Option<CsiSource<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Volume<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VolumeVisitor;
        impl<'de> Visitor<'de> for VolumeVisitor {
            type Value = Volume<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Volume<'de>, A::Error> {
                let mut volume = Volume::default();
                let mut other: Option<String> = None;
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match &*key {
                        "name" => volume.name = map.next_value()?,
                        "csi" => volume.csi = map.next_value()?,
                        // The whole volume is still to be filled in, and may be of any driver.
                        _ if has_placeholder(&key) => {
                            map.next_value::<IgnoredAny>()?;
                            volume.csi = Some(CsiSource { driver: Some(key), ..CsiSource::default() });
                        }
                        _ => {
                            // The API server takes null for a field that is not set.
                            let is_there = map.next_value::<Option<IgnoredAny>>()?.is_some();
                            if is_there && OTHER_SOURCES.contains(&&*key) {
                                other = Some(key.to_string());
                            }
                        }
                    }
                }
                match other.filter(|_| volume.csi.is_some()) {
                    None => Ok(volume),
                    Some(other) => Err(A::Error::custom(format_args!(
                        "has csi and {other}, and the API server takes one source; delete one of them"
                    ))),
                }
            }
        }
        deserializer.deserialize_map(VolumeVisitor)
    }
}

/// An inline CSI volume of a workload, as a manifest of its own.
#[derive(Debug, Clone)]
pub struct Inline<'a> {
    /// Its index among the volumes of the Pod.
    pub index: usize,
    /// Its name, unique in the Pod.
    pub name: Option<Text<'a>>,
    /// The workload's metadata with the volume's source.
    pub manifest: Manifest<'a>,
}

impl<'a> Workload<'a> {
    /// Returns the inline CSI volumes of its Pods, whose specification stands at `at`.
    pub fn inline_volumes(self, at: PodSpec) -> Vec<Inline<'a>> {
        let Self { api_version, kind, metadata, spec, template } = self;
        let spec = spec.unwrap_or_default();
        let template = match at {
            PodSpec::Spec => None,
            PodSpec::Template => template,
            PodSpec::SpecTemplate => spec.template,
            PodSpec::JobTemplate => spec.job_template.unwrap_or_default().spec.unwrap_or_default().template,
        };
        let template = template.unwrap_or_default();
        let volumes =
            if at == PodSpec::Spec { spec.volumes } else { template.spec.and_then(|spec| spec.volumes) };
        let exempt_pods = template.metadata.and_then(|metadata| metadata.annotations?.exempt);
        let volumes = volumes.unwrap_or_default().into_iter().enumerate();
        let inline = volumes.filter_map(|(index, volume)| {
            let Volume { name, csi } = volume?;
            let spec = Spec { csi: Some(csi?), ..Spec::default() };
            Some((index, name, spec))
        });
        inline
            .map(|(index, name, spec)| Inline {
                index,
                name,
                manifest: Manifest {
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                    // Each volume is a subject of its own, with the name of the workload.
                    metadata: metadata.clone(),
                    exempt_pods: exempt_pods.clone(),
                    spec: Some(spec),
                    ..Manifest::default()
                },
            })
            .collect()
    }
}
