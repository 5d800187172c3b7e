//! Volumes of a cluster without findings, as little of each as is needed should another
//! one make a finding of it. A cluster has 100,000 of them, and most of their texts
//! are the same.

use std::collections::BTreeMap;
use std::path::Path;

use super::pairs::{self, Paired};
use crate::kind::Kind;
use crate::report::tie::{Binding, Pairs, Tie};
use crate::report::{IsNfs, Report, SubjectReport};
use crate::subject::binding::{ClaimName, Uid};

/// Volumes without findings.
#[derive(Debug, Default)]
pub struct Quiet {
    volumes: Vec<Volume>,
    texts: Texts,
}

#[derive(Debug)]
struct Volume {
    name: Box<str>,
    claim: Option<ClaimName>,
    uid: Option<Uid>,
    class: u32,
    driver: u32,
    effective: u32,
    pairs: Pairs,
}

/// Texts, each once.
#[derive(Debug, Default)]
struct Texts {
    all: Vec<Box<str>>,
    known: BTreeMap<Box<str>, u32>,
}

impl Texts {
    fn add(&mut self, text: &str) -> u32 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let index = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(text.into());
        self.known.insert(text.into(), index);
        index
    }

    fn get(&self, index: u32) -> &str {
        usize::try_from(index).ok().and_then(|index| self.all.get(index)).map_or("", |text| text)
    }
}

impl Paired for Volume {
    fn pairs(&self) -> Option<&Pairs> {
        Some(&self.pairs)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn object(&self) -> String {
        format!("{}/{}", Kind::PersistentVolume, self.name)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

impl Quiet {
    /// Takes a volume without findings; gives back what must be kept whole. A volume
    /// of which no other object makes anything is dropped.
    pub fn take(&mut self, mut subject: SubjectReport) -> Option<SubjectReport> {
        let is_volume = subject.kind == Kind::PersistentVolume.as_str();
        let is_unreadable = subject.tie.binding == Binding::Unreadable;
        if !is_volume || is_unreadable || !subject.findings.is_empty() || subject.tie.unreached.is_some() {
            return Some(subject);
        }
        let pairs = subject.tie.pairs.take()?;
        let claim = match subject.tie.binding {
            Binding::Bound(claim) => Some(*claim),
            Binding::Free | Binding::Former(_) | Binding::Unknown | Binding::Unreadable => None,
        };
        self.volumes.push(Volume {
            name: subject.name.into(),
            claim,
            uid: subject.tie.uid,
            class: self.texts.add(subject.tie.class.as_deref().unwrap_or_default()),
            driver: self.texts.add(&subject.driver),
            effective: self.texts.add(&subject.effective),
            pairs: *pairs,
        });
        None
    }

    /// Adds what the objects of a report and these volumes show together. Of the
    /// volumes only those with a finding come into the report.
    pub fn judge(self, report: &mut Report) {
        super::judge_classes(report);
        let Self { volumes, texts } = self;
        let whole = report.subjects.len();
        let mut found = {
            let subjects = report.subjects.iter().map(|subject| subject as &dyn Paired);
            let all: Vec<&dyn Paired> =
                subjects.chain(volumes.iter().map(|volume| volume as &dyn Paired)).collect();
            pairs::found(&all)
        };
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, ..) in &mut found {
            let Some(volume) = index.checked_sub(whole).and_then(|index| volumes.get(index)) else {
                continue;
            };
            *index = *places.entry(*index).or_insert_with(|| {
                report.subjects.push(volume.whole(&texts));
                // It is counted where it is kept.
                report.dropped = report.dropped.saturating_sub(1);
                report.subjects.len() - 1
            });
        }
        pairs::add(&mut report.subjects, found);
    }
}

impl Volume {
    /// Returns the volume as reports have it.
    fn whole(&self, texts: &Texts) -> SubjectReport {
        let class = texts.get(self.class);
        SubjectReport {
            kind: Kind::PersistentVolume.as_str(),
            api_version: "v1".into(),
            name: self.name.to_string(),
            namespace: None,
            path: None,
            driver: texts.get(self.driver).into(),
            // Nothing is compared of what is not.
            nfs: IsNfs::Known(true),
            decision: "allow",
            effective: texts.get(self.effective).into(),
            file: self.object().into(),
            line: 1,
            not_rendered: Vec::new(),
            origin: None,
            findings: Vec::new(),
            tie: Tie {
                class: Some(class).filter(|class| !class.is_empty()).map(Into::into),
                binding: self.claim.clone().map_or(Binding::Free, |claim| Binding::Bound(Box::new(claim))),
                uid: self.uid,
                pairs: Some(Box::new(self.pairs.clone())),
                ..Tie::default()
            },
            is_live: true,
        }
    }
}
