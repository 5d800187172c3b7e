//! Volumes that an earlier look found lost, and a later one cannot look at.

use std::path::Path;

use super::{Data, NodeReport, Volume, VolumeState};

impl NodeReport {
    /// Keeps what an earlier look found lost, and this one could not look at: that it is not seen is
    /// no cure. Nothing leads to its files now but through what covers them.
    pub fn keep_lost(&mut self, last: &Self) {
        let is_unread = |volume: &&Volume| self.unread.iter().any(|unread| volume.is_behind(unread));
        let is_listed = |volume: &&Volume| self.volumes.iter().any(|listed| listed.folder == volume.folder);
        let kept =
            last.volumes.iter().filter(|volume| volume.lost && is_unread(volume) && !is_listed(volume));
        let kept: Vec<Volume> = kept.cloned().collect();
        for mut volume in kept {
            volume.data = volume.data.map(|data| Data { at_least: true, ..data });
            volume.note = Some("found by an earlier check; this one cannot look at it".to_owned());
            (volume.copy, volume.copies) = (None, Vec::new());
            (volume.holders, volume.background) = (Vec::new(), Vec::new());
            self.summary.lost += 1;
            // One that could not be evaluated alone was counted as that.
            if self.unread.iter().any(|unread| unread.starts_with(&volume.folder)) {
                self.summary.unread = self.summary.unread.saturating_sub(1);
            } else {
                self.summary.volumes += 1;
            }
            self.summary.mounted += usize::from(volume.state != VolumeState::NotMounted);
            self.volumes.push(volume);
        }
    }
}

impl Volume {
    /// Returns true if the directory `unread` has it, or is in it.
    fn is_behind(&self, unread: &Path) -> bool {
        self.folder.starts_with(unread) || unread.starts_with(&self.folder)
    }
}
