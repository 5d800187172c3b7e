//! Options of objects that the kernel of the node lacks.

use std::collections::BTreeSet;

use super::Work;
use crate::node::kernel;
use crate::node::mounts::Mount;
use crate::node::report::VolumeName;
use crate::node::report::objects::{Difference, Reason};
use crate::subject::Subject;
use crate::subject::driver::Nfs;

impl Work<'_, '_> {
    /// Notes the options of an object that the node's kernel does not know, and that the mount does
    /// not show. If a difference of the mount says so of its option, that is enough.
    pub(super) fn note_kernel(&mut self, name: &VolumeName, mount: Option<&Mount>, subject: &Subject<'_>) {
        let Some(kernel) = self.seen.kernel.filter(|_| subject.nfs == Nfs::Yes) else { return };
        let shown: BTreeSet<&str> = mount
            .and_then(|mount| mount.nfs.as_deref())
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|option| option.split('=').next().unwrap_or_default())
            .collect();
        let compared = self.outcome.objects.volumes.last();
        let compared = compared.filter(|compared| compared.folder == name.folder);
        let explained: Vec<&Difference> = compared
            .into_iter()
            .flat_map(|compared| &compared.differences)
            .filter(|difference| difference.reason == Reason::KernelTooOld)
            .collect();
        let is_explained = |word: &str| {
            explained.iter().any(|difference| [difference.option, &*difference.object].contains(&word))
        };
        let asked = subject.options.effective().filter(|token| !token.is_drivers_own);
        let asked = asked.filter(|token| !is_explained(token.option.keyword()));
        for token in asked.filter(|token| !shown.contains(token.option.keyword())) {
            if let Some(since) = kernel::lacks(kernel, &token.option) {
                let (_, names) =
                    self.lacking.entry(token.option.text().to_owned()).or_insert_with(|| (since, Vec::new()));
                names.push(name.clone());
            }
        }
    }
}
