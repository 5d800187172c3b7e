//! Names of findings for reports that are compared with earlier ones.

use std::collections::HashMap;
use std::hash::Hasher as _;

use super::{FindingReport, SubjectReport};

/// Names of findings that stay when lines move: by rule, object and pointer,
/// with a number where one name would stand for several.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    seen: HashMap<u64, usize>,
}

impl Fingerprints {
    pub(super) fn of(&mut self, subject: &SubjectReport, finding: &FindingReport) -> String {
        let element = finding.element.as_deref().unwrap_or_default();
        self.of_text(&format!(
            "{}\n{}\n{}\n{}\n{element}",
            finding.code,
            subject.file,
            subject.object(),
            if subject.path.is_some() { &finding.pointer } else { &finding.carrier }
        ))
    }

    pub(super) fn of_text(&mut self, text: &str) -> String {
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(text.as_bytes());
        let hash = hasher.finish();
        let times = self.seen.entry(hash).or_default();
        *times += 1;
        format!("{hash:016x}:{times}")
    }
}
