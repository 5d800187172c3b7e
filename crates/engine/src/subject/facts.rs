//! The facts of an object other than its options: clues, variants and additions of the driver table
//! depend on them.

use super::Subject;
use super::driver::evidence::{Deletion, Evidence};
use super::driver::{self, Driver, Nfs};
use super::manifest::{StringMap, Text};
use crate::nfs::placeholder::has_placeholder;

/// The class parameters and volume attributes that name the file system's type,
/// the one that counts first.
pub const FS_TYPE_KEYS: [&str; 2] = ["csi.storage.k8s.io/fstype", "fsType"];

/// The class parameters that name the Secret of a request to delete, the second
/// one deprecated
/// (<https://github.com/kubernetes-csi/external-provisioner/blob/v6.3.0/pkg/controller/controller.go>).
const SECRET_KEYS: [&str; 2] = ["csi.storage.k8s.io/provisioner-secret-name", "csiProvisionerSecretName"];

/// The parts of a manifest from which evidence is read.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that a manifest states or not")]
pub(crate) struct Facts<'m> {
    /// Class parameters, volume attributes or `FlexVolume` options.
    pub(crate) map: Option<&'m StringMap<'m>>,
    /// The CSI or `FlexVolume` source's own field.
    pub(crate) fs_type: Option<&'m str>,
    pub(crate) access_modes: Option<&'m [Text<'m>]>,
    pub(crate) volume_handle: Option<&'m str>,
    /// True if the object comes from a file.
    pub(crate) is_in_file: bool,
    /// True if a program may still fill in placeholders: no API server has stored the object.
    pub(crate) takes_placeholders: bool,
    /// The placeholder for annotations of which one may replace the list, or exempt the object.
    pub(crate) unrendered_annotation: Option<&'m str>,
    /// True if the driver's name is one of these placeholders.
    pub(crate) may_be_any_driver: bool,
    pub(crate) is_class: bool,
    pub(crate) is_csi_volume: bool,
    pub(crate) is_block: bool,
    /// True if it is a `FlexVolume`, with which kubelet refuses any mount option (`SupportsMountOption`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/plugin.go>).
    pub(crate) is_flex_volume: bool,
    /// `readOnly` of a source whose mount gets it.
    pub(crate) source_read_only: bool,
    /// True if it is a volume of kubelet's own plugin that the kubelet hands to a CSI driver with the
    /// list, and without the annotation (csi-translation-lib `TranslateInTreePVToCSI`).
    pub(crate) is_handed_to_driver: bool,
    /// True if the kubelet mounts it as NFS itself.
    pub(crate) is_in_tree_nfs: bool,
    /// The class's reclaim policy for volumes whose claim is deleted.
    pub(crate) reclaim_policy: Option<&'m str>,
    /// `spec.csi.readOnly` of a `PersistentVolume`, which only the attacher reads.
    pub(crate) idle_read_only: bool,
}

impl<'m> Facts<'m> {
    fn values(&self, key: &str) -> impl Iterator<Item = &'m str> {
        self.map
            .into_iter()
            .flat_map(StringMap::iter)
            .filter(move |(found, _)| found.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    }

    /// Returns the parameters, attributes or options of which the key is still to be filled in, or the
    /// whole map: any key may be there then.
    pub(crate) fn unrendered_keys(&self) -> impl Iterator<Item = &'m str> {
        let keys = self.map.into_iter().filter(|_| self.takes_placeholders).flat_map(StringMap::iter);
        keys.map(|(key, _)| key).filter(|key| has_placeholder(key))
    }

    /// Returns true if the key is there in these letters, with one of these values.
    fn has_exactly(&self, key: &str, values: &[&str]) -> bool {
        let mut found = self.map.into_iter().flat_map(StringMap::iter).filter(|(found, _)| *found == key);
        found.any(|(_, value)| values.iter().any(|pattern| driver::glob(pattern, value)))
    }

    fn fs_types(&self) -> impl Iterator<Item = &'m str> {
        self.fs_type.into_iter().chain(FS_TYPE_KEYS.iter().flat_map(|key| self.values(key)))
    }

    fn has_mode(&self, mode: &str) -> bool {
        self.access_modes.is_some_and(|modes| modes.iter().any(|found| &**found == mode))
    }

    fn has_attribute(&self, key: &str, values: &[&str]) -> bool {
        !self.is_class && self.values(key).any(|value| is_one_of(value, values))
    }

    /// Returns true if the evidence is there, in one place at least.
    pub(crate) fn show(&self, evidence: &Evidence) -> bool {
        match evidence {
            Evidence::Value(key, values) => self.values(key).any(|value| is_one_of(value, values)),
            Evidence::Exact(key, values) => self.has_exactly(key, values),
            Evidence::ExactParameter(key, values) => self.is_class && self.has_exactly(key, values),
            Evidence::ExactAttribute(key, values) => !self.is_class && self.has_exactly(key, values),
            Evidence::Key(key) => self.values(key).next().is_some(),
            Evidence::NoKey(key) => self.values(key).next().is_none(),
            Evidence::Text(key) => self.values(key).any(|value| !value.is_empty()),
            Evidence::Parameter(key, values) => {
                self.is_class && self.values(key).any(|value| is_one_of(value, values))
            }
            Evidence::Attribute(key, values) => self.has_attribute(key, values),
            Evidence::NoAttribute(key, values) => !self.has_attribute(key, values),
            Evidence::FsType(values) => self.fs_types().any(|value| is_one_of(value, values)),
            Evidence::FsTypeOfClass(values) => {
                self.is_class && self.fs_types().any(|value| is_one_of(value, values))
            }
            Evidence::AccessMode(mode) => self.has_mode(mode),
            Evidence::NoAccessMode(modes) => {
                self.access_modes.is_some_and(|found| !found.is_empty())
                    && !modes.iter().any(|mode| self.has_mode(mode))
            }
            Evidence::FirstAccessMode(mode) => {
                self.access_modes.and_then(<[_]>::first).is_some_and(|first| &**first == *mode)
            }
            Evidence::BlockMode => self.is_block,
            Evidence::FlexVolume => self.is_flex_volume,
            Evidence::VolumeHandle(pattern) => {
                self.volume_handle.is_some_and(|handle| driver::glob(pattern, handle))
            }
            Evidence::ReadOnlySource => self.source_read_only,
            Evidence::All(all) => all.iter().all(|evidence| self.show(evidence)),
            Evidence::Any(any) => any.iter().any(|evidence| self.show(evidence)),
            Evidence::Not(evidence) => !self.show(evidence),
        }
    }

    /// Returns true if volumes of a class are deleted, by a mount that does not get the class's
    /// options.
    pub(crate) fn loses_options_on_delete(&self, deletion: &Deletion) -> bool {
        // The API server's default
        // (https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/apis/storage/v1/defaults.go).
        let deletes = self.reclaim_policy.is_none_or(|policy| policy == "Delete" || policy.is_empty());
        // With a Secret the driver gets its options in the request to delete.
        let has_secret = SECRET_KEYS.iter().any(|key| self.show(&Evidence::Text(key)));
        deletes && !has_secret && !self.show(&deletion.keeps) && !self.may_still_show(&deletion.keeps)
    }

    /// Returns true if a placeholder is where the evidence would be, so that it may be there once
    /// the file is rendered.
    fn may_still_show(&self, evidence: &Evidence) -> bool {
        if !self.takes_placeholders {
            return false;
        }
        match evidence {
            Evidence::Value(..)
            | Evidence::Text(_)
            | Evidence::Exact(..)
            | Evidence::ExactParameter(..)
            | Evidence::ExactAttribute(..)
            | Evidence::Parameter(..)
            | Evidence::Attribute(..)
            | Evidence::NoAttribute(..)
            | Evidence::FsType(_)
            | Evidence::FsTypeOfClass(_)
            | Evidence::Key(_)
            | Evidence::NoKey(_)
                if self.unrendered_keys().next().is_some() =>
            {
                true
            }
            Evidence::Value(key, _)
            | Evidence::Text(key)
            | Evidence::Exact(key, _)
            | Evidence::ExactParameter(key, _)
            | Evidence::ExactAttribute(key, _)
            | Evidence::Parameter(key, _)
            | Evidence::Attribute(key, _)
            | Evidence::NoAttribute(key, _) => self.values(key).any(has_placeholder),
            Evidence::FsType(_) | Evidence::FsTypeOfClass(_) => self.fs_types().any(has_placeholder),
            Evidence::VolumeHandle(_) => self.volume_handle.is_some_and(has_placeholder),
            Evidence::AccessMode(_) | Evidence::NoAccessMode(_) | Evidence::FirstAccessMode(_) => {
                self.access_modes.is_some_and(|modes| modes.iter().any(|mode| has_placeholder(mode)))
            }
            Evidence::All(several) | Evidence::Any(several) => {
                several.iter().any(|evidence| self.may_still_show(evidence))
            }
            Evidence::Not(evidence) => self.may_still_show(evidence),
            Evidence::Key(_)
            | Evidence::NoKey(_)
            | Evidence::BlockMode
            | Evidence::FlexVolume
            | Evidence::ReadOnlySource => false,
        }
    }

    /// Returns true if the evidence is there, whatever placeholders become.
    pub(crate) fn show_already(&self, evidence: &Evidence) -> bool {
        self.show(evidence) && !self.may_still_show(evidence)
    }

    /// Returns true if the evidence is there and no other place contradicts it.
    fn show_surely(&self, evidence: &Evidence) -> bool {
        self.show(evidence)
            && match evidence {
                Evidence::Value(key, values) | Evidence::Parameter(key, values) => {
                    self.values(key).all(|value| is_one_of(value, values))
                }
                Evidence::FsType(values) | Evidence::FsTypeOfClass(values) => {
                    self.fs_types().all(|value| is_one_of(value, values))
                }
                _ => true,
            }
    }

    /// Returns the verdict on whether the object's volumes are NFS by the clues of `driver`. A clue
    /// in only one of two contradicting places makes them neither NFS nor not.
    pub(crate) fn verdict(&self, driver: &Driver) -> Nfs {
        for clue in driver.clues {
            if self.may_still_show(&clue.evidence) {
                return Nfs::Depends;
            }
            if !self.show(&clue.evidence) {
                continue;
            }
            match (clue.verdict, self.show_surely(&clue.evidence)) {
                // Two places that contradict each other prove nothing; a later clue may.
                (Nfs::No, false) => {}
                (Nfs::Yes, false) => return Nfs::Depends,
                (verdict, _) => return verdict,
            }
        }
        driver.nfs
    }

    /// Returns the row that replaces `driver` for this object, or `driver` itself.
    pub(crate) fn row(&self, driver: &'static Driver) -> &'static Driver {
        driver.variants.iter().find(|variant| self.show(&variant.when)).map_or(driver, |variant| variant.row)
    }
}

impl<'m> Subject<'m> {
    /// Returns true if the object shows it, whatever placeholders become.
    pub(crate) fn shows_already(&self, evidence: &Evidence) -> bool {
        self.facts.show_already(evidence)
    }

    /// Returns true if the last part of the `volumeHandle`, after a `:`, is this.
    pub(crate) fn handle_ends_with(&self, part: &str) -> bool {
        self.facts.volume_handle.is_some_and(|handle| handle.rsplit(':').next() == Some(part))
    }

    /// Returns the server of an NFS volume that the kubelet mounts itself.
    pub(crate) fn in_tree_server(&self) -> Option<&'m str> {
        self.server.filter(|_| self.facts.is_in_tree_nfs)
    }

    /// Returns true if volumes of the class are deleted by a mount without its options.
    pub(crate) fn loses_options_on_delete(&self) -> bool {
        self.driver.deletion.is_some_and(|deletion| self.facts.loses_options_on_delete(&deletion))
    }
}

fn is_one_of(value: &str, values: &[&str]) -> bool {
    let value = value.to_lowercase();
    values.iter().any(|pattern| driver::glob(&pattern.to_lowercase(), &value))
}
