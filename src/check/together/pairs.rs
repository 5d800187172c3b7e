//! Two objects that hang together on a node: volumes with one handle (NMG024), and
//! mounts that share connections or a superblock (NMG025).
//!
//! Linux shares the connections to a server between mounts of the same address,
//! version, transport and transport security ([`nfs_match_client`]),
//! and the superblock of an export where flags, sizes, cache times and `sec` are equal
//! as well ([`nfs_compare_mount_options`]). `nconnect`, and `timeo`
//! and `retrans`, are not compared: those of the first mount count.
//!
//! [`nfs_match_client`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c
//! [`nfs_compare_mount_options`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/super.c

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::Path;

use time::Date;

use crate::admission::message::remedy;
use crate::engine;
use crate::finding::{Action, Finding, Severity};
use crate::kind::{Holds, Kind};
use crate::nfs::acceptance::Transport;
use crate::nfs::catalog::OptionId;
use crate::nfs::settings::Settings;
use crate::policy::Policy;
use crate::report::tie::{Pairs, Prepared, Spot};
use crate::report::{FindingReport, Report, Reported, Snippet, SubjectReport};
use crate::rules::{DUPLICATE_VOLUME_HANDLE, Rule, SHARED_SUPERBLOCK};
use crate::site::Place;
use crate::source::object::Object;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// Most objects that a message names.
const MOST_NAMED: usize = 3;

/// The word by which csi-driver-nfs calls the export.
const SHARE: &str = "share";

/// Returns the pairs that another object of the input may form with this one. `prepare` writes a
/// finding with its place, where that costs nothing.
pub(in crate::check) fn of(
    policy: &Policy,
    subject: &Subject<'_>,
    object: &Object<'_>,
    today: Date,
    prepare: &dyn Fn(&engine::Judged, Reported) -> Option<FindingReport>,
) -> Option<Box<Pairs>> {
    let holds = subject.kind.row().holds;
    // An inline volume has a handle of its own, which the kubelet makes, and a claim is no mount.
    if subject.volume.is_some() || !matches!(holds, Holds::Class | Holds::Volume) {
        return None;
    }
    let told = |rule: &'static Rule, place: Option<Place>| {
        let finding = Finding {
            code: rule.code,
            severity: Severity::Proper,
            carrier: 0,
            place,
            site: None,
            keyword: "".into(),
            message: "".into(),
            fix: None,
        };
        let judged = engine::judge_one(policy, subject, rule, finding, today)?;
        // No webhook sees both objects, so nothing can be denied.
        let action = if judged.action == Action::Audit { Reported::Audit } else { Reported::Warn };
        let spot = prepare(&judged, action).map(|ready| {
            let FindingReport { line, column, end_column, snippet, .. } = ready;
            Box::new(Spot {
                place: subject.place(&judged.finding).cloned().map(Box::new),
                line,
                column,
                end_column,
                snippet,
            })
        });
        Some(Prepared { action, spot })
    };
    let mut pairs = Pairs::default();
    if let Some(handle) = subject.volume_handle().filter(|handle| !handle.is_empty()) {
        pairs.handle = told(DUPLICATE_VOLUME_HANDLE, Some(Place::VolumeHandle))
            .map(|finding| (hash(&(subject.driver_name, handle)), finding));
    }
    let server = subject.server.filter(|server| !server.is_empty());
    // A list that is refused makes no mount that another one could join.
    let is_refused = |token: &Token<'_>| token.acceptance.refusal.is_some() && !token.is_beside_sloppy;
    let is_laid_out = subject.overlong.is_none()
        && !subject.options.has_unrendered()
        && !subject.options.effective().any(is_refused);
    if let Some(server) = server.filter(|_| is_laid_out) {
        let settings = subject.options.settings();
        pairs.superblock = told(SHARED_SUPERBLOCK, None);
        pairs.nconnect = settings.nconnect;
        pairs.patience = (settings.timeo, settings.retrans);
        let client = client(subject, settings, server);
        pairs.client = Some(client);
        if !subject.options.has(OptionId::Sharecache) {
            let volume =
                if holds == Holds::Volume && !subject.is_csi() { object.bound_volume() } else { None };
            let path = volume.as_ref().and_then(|volume| volume.nfs_path());
            let of_key = || subject.keys().find(|(key, _)| key.eq_ignore_ascii_case(SHARE));
            // The in-tree plugin has a path, a CSI driver an attribute.
            let share = path.or_else(|| of_key().map(|(_, share)| share));
            pairs.export =
                // The server resolves /a and /a/ to one export.
                share.map(|share| hash(&(client, share.trim_end_matches('/'), others(subject).as_slice())));
        }
    }
    (pairs.handle.is_some() || pairs.superblock.is_some()).then(|| Box::new(pairs))
}

/// Returns all that Linux compares of two mounts before they share their connections.
fn client(subject: &Subject<'_>, settings: &Settings, server: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for letter in server.bytes() {
        // DNS names have no case.
        hasher.write_u8(letter.to_ascii_lowercase());
    }
    (settings.versions, settings.transport.unwrap_or(Transport::Tcp)).hash(&mut hasher);
    for token in subject.options.effective() {
        // The port is a part of the address, and xprtsec of the transport.
        if matches!(token.id(), Some(OptionId::Port | OptionId::Xprtsec)) {
            token.option.text().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Returns the options that have to be equal before two mounts share a superblock, in any
/// order.
fn others(subject: &Subject<'_>) -> Vec<u64> {
    let written = subject.options.effective().filter(|token| {
        !matches!(
            token.id(),
            Some(
                OptionId::Timeo
                    | OptionId::Retrans
                    | OptionId::Nconnect
                    | OptionId::Bg
                    | OptionId::Fg
                    | OptionId::Retry
            )
        )
    });
    let mut others: Vec<u64> = written
        .map(|token| match token.entry() {
            Some(entry) => hash(&(entry.id, entry.negated, token.option.value())),
            None => hash(&token.option.text()),
        })
        .collect();
    // The kernel compares what the options set, whatever their order.
    others.sort_unstable();
    others.dedup();
    others
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// An object that others may be compared with.
pub(super) trait Paired {
    /// Returns the pairs that another object may form with it.
    fn pairs(&self) -> Option<&Pairs>;
    /// Returns its name.
    fn name(&self) -> &str;
    /// Returns kind and name.
    fn object(&self) -> String;
    /// Returns the directory of its file; `None` for an object of a cluster. Overlays of several
    /// clusters lie in directories of their own, and what is in them is never together.
    fn folder(&self) -> Option<&Path>;
}

impl Paired for SubjectReport {
    fn pairs(&self) -> Option<&Pairs> {
        self.tie.pairs.as_deref()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn object(&self) -> String {
        Self::object(self)
    }

    fn folder(&self) -> Option<&Path> {
        Path::new(&*self.file).parent().filter(|_| !self.is_live)
    }
}

/// Returns the findings of pairs among the objects: the object, the rule, the sentence.
pub(super) fn found(objects: &[&dyn Paired]) -> PairFindings {
    let mut found = handles(objects);
    found.extend(superblocks(objects));
    found
}

/// Adds what pairs of objects show, once all objects are there.
pub(super) fn judge(report: &mut Report) {
    let found = found(&report.subjects.iter().map(|subject| subject as &dyn Paired).collect::<Vec<_>>());
    add(&mut report.subjects, found);
}

/// Adds findings of pairs to their objects.
pub(super) fn add(subjects: &mut [SubjectReport], found: PairFindings) {
    for (index, rule, message) in found {
        let Some(subject) = subjects.get_mut(index) else { continue };
        let kind = Kind::parse(subject.kind).unwrap_or(Kind::PersistentVolume);
        let Some(pairs) = &subject.tie.pairs else { continue };
        let (prepared, carrier) = if rule == DUPLICATE_VOLUME_HANDLE {
            (pairs.handle.as_ref().map(|(_, prepared)| prepared), Place::VolumeHandle)
        } else {
            (pairs.superblock.as_ref(), Place::MountOptions(kind))
        };
        let Some(prepared) = prepared.cloned() else { continue };
        let Prepared { action, spot } = prepared;
        let Spot { place, line, column, end_column, snippet } = spot.map_or_else(
            || Spot {
                place: Some(Box::new(carrier)),
                line: subject.line,
                column: 1,
                end_column: 1,
                snippet: Snippet::default(),
            },
            |spot| *spot,
        );
        let finding = FindingReport {
            code: rule.code,
            name: rule.name,
            action,
            message,
            carrier: place.as_ref().map(ToString::to_string).unwrap_or_default(),
            pointer: place.map(|place| place.pointer(None)).unwrap_or_default(),
            element: None,
            line,
            column,
            end_column,
            fix: None,
            way_out: None,
            remedy: Some(remedy::of_rule(rule)),
            difference: None,
            origin: subject.origin.as_deref().cloned(),
            snippet,
            offered: None,
            is_left: None,
        };
        subject.findings.push(finding);
        // A baseline and the reports rely on the order by position.
        subject.findings.sort_by_key(|finding| (finding.line, finding.column, finding.code));
    }
    for subject in subjects {
        // The hashes are of use until here, and a scan has many objects.
        subject.tie.pairs = None;
    }
}

/// Index of an object, rule, message.
pub(super) type PairFindings = Vec<(usize, &'static Rule, String)>;

/// Returns the objects that share a key, by it; only keys of several objects. The same object
/// in two files is one.
fn groups(subjects: &[&dyn Paired], key: impl Fn(&Pairs) -> Option<u64>) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(u64, Option<&Path>), Vec<usize>> = BTreeMap::new();
    for (index, subject) in subjects.iter().enumerate() {
        if let Some(key) = subject.pairs().and_then(&key) {
            groups.entry((key, subject.folder())).or_default().push(index);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

fn handles(subjects: &[&dyn Paired]) -> PairFindings {
    let mut found = Vec::new();
    for group in groups(subjects, |pairs| pairs.handle.as_ref().map(|(key, _)| *key)) {
        let mut names: Vec<&str> = named(subjects, &group);
        names.sort_unstable();
        names.dedup();
        for index in group {
            let own = subjects.get(index).map(|subject| subject.name()).unwrap_or_default();
            let others = names.iter().filter(|name| **name != own);
            let count = others.clone().count();
            if count == 0 {
                continue;
            }
            let mut list: Vec<String> =
                others.take(MOST_NAMED).map(|name| format!("PersistentVolume/{name}")).collect();
            if count > MOST_NAMED {
                list.push(format!("{} more", count - MOST_NAMED));
            }
            let message = format!(
                "volumeHandle is also that of {}: the kubelet takes them for one volume",
                list.join(", ")
            );
            found.push((index, DUPLICATE_VOLUME_HANDLE, message));
        }
    }
    found
}

fn named<'s>(subjects: &[&'s dyn Paired], group: &[usize]) -> Vec<&'s str> {
    group.iter().filter_map(|index| subjects.get(*index)).map(|subject| subject.name()).collect()
}

/// A number of which the first mount's counts, and what the kernel takes without one.
struct Number {
    keyword: &'static str,
    default: u32,
    of: fn(&Pairs) -> Option<u32>,
}

const NCONNECT: Number = Number { keyword: "nconnect", default: 1, of: |pairs| pairs.nconnect };
const TIMEO: Number = Number { keyword: "timeo", default: 600, of: |pairs| pairs.patience.0 };
const RETRANS: Number = Number { keyword: "retrans", default: 2, of: |pairs| pairs.patience.1 };

fn superblocks(objects: &[&dyn Paired]) -> PairFindings {
    let mut found = Vec::new();
    for group in groups(objects, |pairs| pairs.superblock.as_ref().and(pairs.client)) {
        odd_ones(objects, &group, "server", &NCONNECT, &mut found);
    }
    for group in groups(objects, |pairs| pairs.superblock.as_ref().and(pairs.export)) {
        odd_ones(objects, &group, "share", &TIMEO, &mut found);
        odd_ones(objects, &group, "share", &RETRANS, &mut found);
    }
    found.sort_by_key(|(index, ..)| *index);
    found
}

/// Returns the objects of a group whose number is not the one that most of them have, or the first has
/// where several are as frequent.
fn odd_ones(
    objects: &[&dyn Paired],
    group: &[usize],
    place: &str,
    number: &Number,
    found: &mut PairFindings,
) {
    let written = |index: &usize| objects.get(*index).and_then(|object| object.pairs()).map(number.of);
    let of = |index: &usize| written(index).map(|value| value.unwrap_or(number.default));
    let mut counts: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (rank, value) in group.iter().filter_map(of).enumerate() {
        // The rank breaks a tie in favor of the first, so that a run does not depend on the numbers.
        counts.entry(value).or_insert((0, usize::MAX - rank)).0 += 1;
    }
    let usual = counts.iter().max_by_key(|(_, count)| **count).map(|(value, _)| *value);
    let Some(usual) = usual.filter(|_| counts.len() > 1) else { return };
    let Some(example) = group.iter().find(|index| of(index) == Some(usual)) else { return };
    let Some(name) = objects.get(*example).map(|object| object.object()) else { return };
    let show = |index: &usize| match written(index).flatten() {
        Some(value) => format!("\"{}={value}\"", number.keyword),
        None => format!("no {}", number.keyword),
    };
    for index in group.iter().filter(|index| of(index) != Some(usual)) {
        // The same object in two files is one.
        if objects.get(*index).is_some_and(|object| object.object() == name) {
            continue;
        }
        let message = format!(
            "{} here, {} in {name}: of one {place} the first mount on a node decides for both",
            show(index),
            show(example)
        );
        found.push((*index, SHARED_SUPERBLOCK, message));
    }
}
