//! The findings of a pass over a list that expired: they are kept if no later pass reads the list to
//! its end, because found is found.

use std::collections::BTreeSet;

use crate::report::{FileReport, SubjectReport};
use crate::subject::pod::MountingPod;

use super::is_told;

/// The objects with findings, and the Pods, of passes that began again.
#[derive(Default)]
pub(super) struct Earlier {
    subjects: Vec<SubjectReport>,
    pods: Vec<MountingPod>,
}

impl Earlier {
    /// Takes what a pass has found.
    pub(super) fn take(&mut self, file: FileReport) {
        let FileReport { subjects, pods, .. } = file;
        self.subjects =
            joined(subjects.into_iter().filter(is_told), std::mem::take(&mut self.subjects), identity);
        self.pods = joined(pods, std::mem::take(&mut self.pods), pod_identity);
    }

    /// Adds to the last pass what it had not read again.
    pub(super) fn add_to(self, file: &mut FileReport) {
        let before = file.subjects.len();
        file.subjects = joined(std::mem::take(&mut file.subjects), self.subjects, identity);
        file.documents += file.subjects.len() - before;
        file.pods = joined(std::mem::take(&mut file.pods), self.pods, pod_identity);
    }
}

/// Returns the newer ones, and the older ones that are not among them.
fn joined<T, K: Ord>(newer: impl IntoIterator<Item = T>, older: Vec<T>, identity: fn(&T) -> K) -> Vec<T> {
    let mut all: Vec<T> = newer.into_iter().collect();
    let known: BTreeSet<K> = all.iter().map(identity).collect();
    all.extend(older.into_iter().filter(|one| !known.contains(&identity(one))));
    all
}

fn identity(subject: &SubjectReport) -> String {
    subject.title()
}

fn pod_identity(pod: &MountingPod) -> (Box<str>, Box<str>) {
    (pod.namespace.clone(), pod.name.clone())
}
