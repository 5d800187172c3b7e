//! Explains the effect of one object's options: the reader of each, the winner if two contradict,
//! and how long a dead server blocks a Pod.

mod background;
mod conflicts;
mod dead_server;
mod notes;
mod places;
mod refusals;
mod text;

use serde::Serialize;

use super::{IsNfs, Origin};
use crate::kind::{Holds, Kind};
use crate::nfs::acceptance::{Overlooked, Refusal};
use crate::nfs::catalog::{Effect, Entry, OptionId};
use crate::nfs::kernel::Kernel;
use crate::nfs::reading::Reader;
use crate::nfs::value::kernel_number;
use crate::nfs::version::Versions;
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::effective::Token;
use places::{NOT_READ, REFUSED, carriers, effect};
pub use refusals::Behind;

/// The effect of one object's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object's kind.
    pub kind: &'static str,
    /// Its namespace, where its kind has one and the manifest gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The inline volume of the object that it is, as in
    /// `spec.template.spec.volumes[1]`; `None` for the object itself.
    pub path: Option<String>,
    /// The file.
    pub file: String,
    /// The line on which it begins.
    pub line: usize,
    /// The template it was rendered from.
    #[serde(flatten)]
    pub origin: Option<Origin>,
    /// The driver that mounts it.
    pub driver: String,
    /// The same for people; empty where nothing is mounted.
    pub driver_title: &'static str,
    /// The verdict on whether it is NFS.
    pub nfs: IsNfs,
    /// The evidence for the driver's row.
    pub driver_known: String,
    /// The source of the driver's row; empty for a driver without a row.
    pub driver_source: &'static str,
    /// The advice of the driver's vendor or source that matters here; empty if there is none.
    pub advice: &'static str,
    /// The places that hold options.
    pub carriers: Vec<CarrierUse>,
    /// The string that `mount -o` gets.
    pub effective: String,
    /// The reason why the string is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// True if a read-only claim makes the driver add `ro`.
    pub follows_claim: bool,
    /// The parts that a program still fills in, with their placeholders.
    pub not_rendered: Vec<String>,
    /// The string as each layer cuts it, where they do not agree.
    pub readings: Vec<Reading>,
    /// Every option, in the order in which mount.nfs gets them; those that
    /// never reach it come last.
    pub options: Vec<OptionUse>,
    /// Options of which only one can win.
    pub conflicts: Vec<Conflict>,
    /// The reason why every mount with these options fails; `None` where one may succeed. With
    /// `dead_server`, a mount whose server does not answer reports success all the same.
    pub refused: Option<String>,
    /// The component that refuses it: `mount`, which exits with 32, or `kernels`, where older ones
    /// take it, or `mount(8)`, which exits with 1, or `driver` or `kubelet`, which never call it.
    pub refused_by: Option<&'static str>,
    /// Options that some kernels refuse, and with them every mount.
    pub refused_by_kernels: Vec<KernelRefusal>,
    /// The finding about a `bg` that some layer may read, although those that were measured do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// True if the mount is refused only where that `bg` is not read.
    #[serde(skip)]
    pub is_refusal_open: bool,
    /// Notes on such a mount.
    pub notes: Vec<Note>,
    /// The effect of a dead server; `None` if the volume is not NFS, if no mount gets as far as the
    /// server, or if it depends on what is not rendered.
    pub dead_server: Option<DeadServer>,
    /// The case in which a background mount hides that the mount is refused.
    #[serde(skip)]
    pub behind: Option<Behind>,
    /// The options with placeholders on which the effect of a dead server depends.
    #[serde(skip)]
    pub undecided: Vec<String>,
}

/// The string as one layer cuts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The layer.
    pub by: &'static str,
    /// The options that it reads, in order.
    pub options: Vec<String>,
}

/// A place that holds options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierUse {
    /// Its short name.
    pub carrier: String,
    /// Its JSON pointer.
    pub pointer: String,
    /// True if its options reach the mount.
    pub in_force: bool,
    /// The same in words; a driver whose source was not read may take options
    /// from places that only look like it.
    pub effect: &'static str,
    /// The elements.
    pub elements: Vec<String>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionUse {
    /// Its text.
    pub option: String,
    /// The carrier; `None` for an option that the driver adds.
    pub carrier: Option<String>,
    /// True if it reaches the mount.
    pub in_force: bool,
    /// The same in words; see [`CarrierUse::effect`].
    pub effect: &'static str,
    /// The layers that read it, in their order; empty for an unknown word.
    pub consumers: Vec<&'static str>,
    /// The meaning.
    pub meaning: String,
    /// The place; `None` for an option that the driver adds.
    #[serde(skip)]
    pub site: Option<Site>,
}

/// Options of which only one can win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The options: those that the driver drops, then those that mount.nfs gets, in its order.
    pub options: Vec<String>,
    /// The one that wins; `None` where that is not certain.
    pub winner: Option<String>,
    /// The part that it wins, if that is less than all that the others are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// On what it depends which one wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends: Option<&'static str>,
}

/// An option that older kernels refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelRefusal {
    /// Its text.
    pub option: String,
    /// The first kernel that takes it.
    pub since: String,
    /// The first one after it that refuses it again, if one does.
    pub until: Option<String>,
}

/// Something to know of a mount with these options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// `read-only`, `locks`, `retry` or `sharecache`.
    pub about: &'static str,
    /// One sentence, without a final period.
    pub text: String,
}

/// The effect of a dead server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadServer {
    /// True if mount reports success while nothing is mounted.
    pub background: bool,
    /// Seconds until mount.nfs gives up where the server refuses connections.
    pub mount_seconds: u64,
    /// Seconds until the driver gives up, although mount.nfs continues; `None` where
    /// it waits for mount.nfs. In the background that is so only if packets are dropped.
    pub driver_seconds: Option<u64>,
    /// Seconds that a single try takes where packets are dropped.
    pub silent_try_seconds: u64,
    /// The same in milliseconds.
    pub silent_try_milliseconds: u64,
    /// `hard`, `soft` or `softerr`.
    pub recovery: &'static str,
    /// Seconds until a soft mount fails a call, and a hard one starts over.
    pub major_timeout_seconds: u64,
    /// The same in milliseconds, which `timeo` below a second needs.
    pub major_timeout_milliseconds: u64,
    /// True if a call may take longer than the major timeout.
    #[serde(skip)]
    pub is_longer: bool,
    /// Seconds until a foreground mount fails if packets are dropped.
    #[serde(skip)]
    pub silent_mount_milliseconds: u64,
    /// Seconds a call may hang; `None` is until the server is back.
    pub call_seconds: Option<u64>,
    /// True if a call that fails may lose what was written.
    pub loses_writes: bool,
}

impl Explanation {
    /// Explains an object of `file`, which may have been rendered from a template.
    pub fn of(subject: &Subject<'_>, file: &str, line: usize, template: Option<&str>) -> Self {
        let is_nfs = IsNfs::of(subject.nfs);
        let may_be_nfs = is_nfs != IsNfs::Known(false);
        let (refused, refused_by) = refusals::at_every_try(subject).unzip();
        let is_claim = subject.mounts_nothing();
        let hidden = places::hidden(subject).filter(|_| may_be_nfs && !is_claim);
        let is_inline_refused = subject.volume.is_some() && subject.driver.inline.is_never_mounted();
        let has_mount = !is_claim && !is_inline_refused && !subject.carries_no_mount();
        let is_mounted = may_be_nfs && refused.is_none() && hidden.is_none() && has_mount;
        let behind = refusals::behind_server(subject, refused_by).filter(|_| may_be_nfs);
        let readings = readings(subject);
        let undecided =
            if is_mounted || behind.is_some() { dead_server::undecided(subject) } else { Vec::new() };
        let background = if may_be_nfs { background::of(subject, !undecided.is_empty()) } else { None };
        Self {
            kind: subject.kind.as_str(),
            namespace: namespace(subject.kind, subject.namespace),
            name: subject.name.to_owned(),
            path: subject.volume.map(|volume| volume.to_string()),
            file: file.to_owned(),
            line,
            origin: Origin::of(template),
            driver: subject.driver_name.to_owned(),
            driver_title: if is_claim { "" } else { subject.driver.title },
            nfs: is_nfs,
            driver_known: if subject.driver.is_unknown() {
                "no: the driver is not in the table".to_owned()
            } else {
                subject.driver.known.describe()
            },
            driver_source: subject.driver.source,
            // The advice on a driver's lists is about its volumes.
            advice: if subject.kind.row().holds == Holds::Snapshots { "" } else { subject.driver.advice },
            carriers: carriers(subject),
            not_rendered: subject.placeholders().into_iter().map(ToOwned::to_owned).collect(),
            effective: subject.effective(),
            hidden,
            follows_claim: subject.follows_claim() && may_be_nfs,
            options: options(subject, &readings),
            readings,
            conflicts: conflicts::of(subject),
            refused,
            refused_by,
            refused_by_kernels: if may_be_nfs { refusals::by_kernels(subject) } else { Vec::new() },
            is_refusal_open: matches!(refused_by, Some("mount" | "kernels"))
                && background.as_ref().is_some_and(|background| background.passes),
            background: background.map(|background| background.finding),
            notes: if is_mounted { notes::of(subject, &undecided) } else { notes::without_mount(subject) },
            dead_server: ((is_mounted || behind.is_some()) && undecided.is_empty())
                .then(|| dead_server::of(subject, behind)),
            behind,
            undecided,
        }
    }
}

/// Returns the namespace of an object; a class or a volume has none, whatever its manifest says.
fn namespace(kind: Kind, given: Option<&str>) -> Option<String> {
    given.filter(|_| kind.is_namespaced()).map(ToOwned::to_owned)
}

/// Returns the lists that the layers read; empty if all of them agree.
fn readings(subject: &Subject<'_>) -> Vec<Reading> {
    let text = subject.effective();
    let all: Vec<_> = Reader::ALL.into_iter().map(|reader| (reader, reader.options(&text))).collect();
    let is_one = all.iter().all(|(_, options)| all.first().is_some_and(|(_, first)| first == options));
    // A placeholder may become a comma or a quote, so no cut is certain.
    if is_one || subject.options.has_unrendered() {
        return Vec::new();
    }
    all.into_iter()
        .map(|(reader, options)| Reading {
            by: reader.title(),
            options: options.into_iter().map(ToOwned::to_owned).collect(),
        })
        .collect()
}

fn options(subject: &Subject<'_>, readings: &[Reading]) -> Vec<OptionUse> {
    let idle = subject.options.tokens().iter().filter(|token| !token.in_force);
    let unrendered = subject.options.unrendered().filter(|token| token.option.keyword() != "bg");
    let is_read = |text: &str| {
        readings.is_empty() || readings.iter().any(|reading| reading.options.iter().any(|read| read == text))
    };
    let used = |token: &Token<'_>| {
        let mut used = option(subject, token);
        if token.in_force && !token.is_drivers_own && !is_read(token.option.text()) {
            used.consumers.clear();
            "no layer reads it as an option: a quote takes it in, or drops what follows it"
                .clone_into(&mut used.meaning);
        }
        used
    };
    subject.options.effective().chain(unrendered).chain(idle).map(used).collect()
}

fn option(subject: &Subject<'_>, token: &Token<'_>) -> OptionUse {
    let carrier = token.site.as_ref().and_then(|site| subject.carriers.get(site.carrier));
    let entry = token.entry();
    let is_unread = carrier
        .is_some_and(|carrier| !token.in_force && matches!(effect(subject, carrier), NOT_READ | REFUSED));
    // `bg` is bg whatever follows its `=`.
    let is_open = token.is_unrendered && token.option.keyword() != "bg";
    let consumers = match entry {
        _ if is_unread => Vec::new(),
        _ if token.is_drivers_own => vec!["the driver or its mount helper"],
        _ if is_open => vec!["the reader of what it becomes"],
        Some(entry) => entry.consumers.names().collect(),
        None => Vec::new(),
    };
    OptionUse {
        option: token.option.text().to_owned(),
        carrier: carrier.map(|carrier| carrier.place.to_string()),
        in_force: token.in_force,
        consumers,
        effect: match (carrier, token.in_force) {
            (None, _) => "added by the driver",
            (Some(_), true) => "in force",
            (Some(carrier), false) => effect(subject, carrier),
        },
        meaning: match entry {
            _ if is_unread => "reaches no mount".to_owned(),
            _ if token.is_drivers_own => "taken out before mount.nfs sees it".to_owned(),
            _ if is_open => "not rendered: it can become any option".to_owned(),
            Some(entry) => match refusal(token) {
                Some(refusal) => format!("{}; refused: {refusal}", entry.meaning),
                None => format!("{}{}", meaning(subject, entry, token.option.value()), overlooked(token)),
            },
            None => unknown(subject, token).to_owned(),
        },
        site: token.site.clone(),
    }
}

/// Returns the reason why every mount with the option fails, if no `sloppy` beside it overlooks that.
fn refusal(token: &Token<'_>) -> Option<Refusal> {
    let refusal = token.acceptance.refusal.filter(|_| token.in_force && !token.is_unrendered)?;
    let is_overlooked = token.is_beside_sloppy && refusal.overlooked() != Overlooked::Never;
    (!is_overlooked).then_some(refusal)
}

/// Names the kernels that do not support an option, and overlook it beside `sloppy`.
fn overlooked(token: &Token<'_>) -> String {
    let acceptance = &token.acceptance;
    let is_new = acceptance.refusal.is_none() && acceptance.kernels.since > Kernel::OLDEST;
    if token.in_force && token.is_beside_sloppy && is_new {
        format!("; ignored with sloppy by kernels before {}", acceptance.kernels.since)
    } else {
        String::new()
    }
}

/// Describes the effect on the mount of an option that no layer supports.
fn unknown(subject: &Subject<'_>, token: &Token<'_>) -> &'static str {
    if token.in_force && background::is_marked(token) {
        return "unknown as it is written, and bg to a reader that drops quotes and backslashes";
    }
    match (token.in_force, token.is_beside_sloppy, subject.driver.known.is_read()) {
        (true, true, _) => "unknown (ignored with sloppy)",
        (true, false, true) => "unknown (the mount fails)",
        (true, false, false) => "unknown (the mount fails unless the driver reads it)",
        (false, ..) => "unknown",
    }
}

fn meaning(subject: &Subject<'_>, entry: &Entry, value: Option<&str>) -> String {
    let entry = crate::nfs::saying::entry_of(entry, value);
    let is_v3_possible = !subject.options.settings().versions.and(Versions::V3).is_empty();
    match entry.effect {
        Effect::None(why) => format!("{}; no effect: {why}", entry.meaning),
        Effect::NoneOnV4(why) if !is_v3_possible => {
            format!("{}; no effect with NFSv4: {why}", entry.meaning)
        }
        // A name takes the restrictions away again (tests/readings/words.tsv; https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/optmap.c).
        Effect::Active if entry.id == OptionId::User && value.is_some_and(|name| !name.is_empty()) => {
            "one user may mount and unmount it; implies exec, suid and dev".to_owned()
        }
        Effect::Active | Effect::NoneOnV4(_) => {
            match (entry.id, value.and_then(kernel_number)) {
                // 0 is refused.
                (OptionId::Timeo, Some(tenths @ 1..)) => {
                    let most = subject.options.settings().largest_timeo();
                    let limit = if tenths > most { ", the kernel's limit" } else { "" };
                    format!("{} ({} s{limit})", entry.meaning, seconds(tenths.min(most)))
                }
                _ => entry.meaning.to_owned(),
            }
        }
    }
}

/// Writes tenths of a second as seconds: `60`, `1.5`.
fn seconds(tenths: u32) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}
