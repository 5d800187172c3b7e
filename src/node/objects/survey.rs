//! First of all, which settings of their mounts the objects request otherwise: only a mount whose object
//! requests what is mounted explains the mounts that share with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Work, hides_defaults, shown};
use crate::subject::Subject;
use crate::subject::driver::Nfs;

/// By the directory of the volume, the settings that its mount has otherwise than its object requests.
pub(super) type Otherwise = BTreeMap<PathBuf, BTreeSet<&'static str>>;

impl Work<'_, '_> {
    /// Notes the differences of one volume.
    pub(super) fn survey(&mut self, index: usize, subject: &Subject<'_>, export: Option<&str>) {
        let Some(volume) = self.volumes.get(index) else { return };
        let Some(text) = volume.mount.and_then(|mount| mount.nfs.as_deref()) else { return };
        let is_open = subject.overlong.is_some() || subject.options.has_unrendered();
        if subject.nfs == Nfs::No
            || is_open
            || volume.other_object(subject, export, self.seen.pods_dir).is_some()
        {
            return;
        }
        let asked: Vec<_> = subject.options.effective_options().collect();
        let mut found = shown(text).differences(asked.iter().copied());
        found.retain(|difference| difference.is_written || !hides_defaults(subject));
        let keywords = found.into_iter().map(|difference| difference.keyword).collect();
        self.otherwise.entry(volume.name.folder.clone()).or_insert(keywords);
    }
}
