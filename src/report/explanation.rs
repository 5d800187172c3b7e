//! What the options of one object will really do: who reads each, who wins
//! where two contradict, and how long a dead server holds a Pod.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;
use time::Date;

use super::IsNfs;
use super::duration::human;
use super::plain::{place, plain};
use crate::engine::{Judged, evaluate};
use crate::finding::Grade;
use crate::nfs::catalog::{Effect, Entry, Group, Word};
use crate::nfs::clocks::{self, Retry};
use crate::nfs::reading::Reader;
use crate::nfs::settings::Recovery;
use crate::nfs::version::Versions;
use crate::policy::Policy;
use crate::site::Place;
use crate::subject::Subject;
use crate::subject::carrier::Carrier;
use crate::subject::driver::Role;
use crate::subject::effective::Token;

/// What one object's options do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object's kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The inline volume of the object that it is, as in
    /// `spec.template.spec.volumes[1]`; `None` for the object itself.
    pub path: Option<String>,
    /// The file.
    pub file: String,
    /// The line on which it begins.
    pub line: usize,
    /// Who mounts it.
    pub driver: String,
    /// The same for people.
    pub driver_title: &'static str,
    /// Whether it is NFS.
    pub nfs: IsNfs,
    /// How the driver's row is known.
    pub driver_known: String,
    /// Where the driver's row comes from; empty for a driver without a row.
    pub driver_source: &'static str,
    /// What the driver's vendor or source says that matters here; empty where it
    /// says nothing.
    pub advice: &'static str,
    /// The places that hold options.
    pub carriers: Vec<CarrierUse>,
    /// The string that `mount -o` gets.
    pub effective: String,
    /// Whether a read-only claim makes the driver add `ro`.
    pub follows_claim: bool,
    /// What a program still fills in, with its placeholders.
    pub not_rendered: Vec<String>,
    /// The string as each layer cuts it, where they do not agree.
    pub readings: Vec<Reading>,
    /// Every option, in the order in which mount.nfs gets them; those that
    /// never reach it come last.
    pub options: Vec<OptionUse>,
    /// Options of which only one can win.
    pub conflicts: Vec<Conflict>,
    /// Why every mount with these options fails; `None` where one may succeed.
    pub refused: Option<String>,
    /// What happens when the server is dead; `None` where nothing is NFS.
    pub dead_server: Option<DeadServer>,
}

/// The string as one layer cuts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The layer.
    pub by: &'static str,
    /// What it takes for options, in order.
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
    /// Whether its options reach the mount.
    pub in_force: bool,
    /// The same in words; a driver whose source was not read may take options
    /// from places that only look like it.
    pub effect: &'static str,
    /// What it holds.
    pub elements: Vec<String>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionUse {
    /// Its text.
    pub option: String,
    /// Where it stands; `None` for one that the driver adds.
    pub carrier: Option<String>,
    /// Whether it reaches the mount.
    pub in_force: bool,
    /// The same in words; see [`CarrierUse::effect`].
    pub effect: &'static str,
    /// Who reads it, in their order; empty for a word that nobody knows.
    pub consumers: Vec<&'static str>,
    /// What it means.
    pub meaning: String,
}

/// Options of which only one can win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The options, in the order in which mount.nfs gets them.
    pub options: Vec<String>,
    /// The last one, which wins.
    pub winner: String,
}

/// What happens when the server is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadServer {
    /// Whether mount reports success while nothing is mounted.
    pub background: bool,
    /// Seconds until a mount fails where the server refuses connections.
    pub mount_seconds: u64,
    /// Seconds that a single try takes where packets are dropped.
    pub silent_try_seconds: u64,
    /// `hard`, `soft` or `softerr`.
    pub recovery: &'static str,
    /// Seconds until a soft mount fails a call, and a hard one starts over.
    pub major_timeout_seconds: u64,
    /// The same in milliseconds, which `timeo` below a second needs.
    pub major_timeout_milliseconds: u64,
    /// Seconds a call may hang; `None` is for ever.
    pub call_seconds: Option<u64>,
}

impl Explanation {
    /// Explains an object of `file`.
    pub fn of(subject: &Subject<'_>, file: &str, line: usize) -> Self {
        let is_nfs = IsNfs::of(subject.nfs);
        Self {
            kind: subject.kind.as_str(),
            name: subject.name.to_owned(),
            path: subject.volume.map(|volume| volume.to_string()),
            file: file.to_owned(),
            line,
            driver: subject.driver_name.to_owned(),
            driver_title: subject.driver.title,
            nfs: is_nfs,
            driver_known: subject.driver.known.describe(),
            driver_source: subject.driver.source,
            advice: subject.driver.advice,
            carriers: carriers(subject),
            not_rendered: subject.placeholders().into_iter().map(ToOwned::to_owned).collect(),
            readings: readings(subject),
            effective: subject.effective(),
            follows_claim: subject.follows_claim() && is_nfs != IsNfs::Known(false),
            options: options(subject),
            conflicts: conflicts(subject),
            refused: refused(subject),
            dead_server: (is_nfs != IsNfs::Known(false)).then(|| dead_server(subject)),
        }
    }
}

fn carriers(subject: &Subject<'_>) -> Vec<CarrierUse> {
    let present = subject.carriers.iter().filter(|carrier| carrier.present);
    present
        .map(|carrier| CarrierUse {
            carrier: carrier.place.to_string(),
            pointer: carrier.place.pointer(None),
            in_force: carrier.in_force,
            effect: effect(subject, carrier),
            elements: carrier.elements.iter().map(|element| (*element).to_owned()).collect(),
        })
        .chain(unread(subject))
        .collect()
}

/// What holds options and is read by nothing.
fn unread(subject: &Subject<'_>) -> impl Iterator<Item = CarrierUse> {
    let fields =
        subject.misplaced.iter().map(|field| (Place::Field(field.path.clone()), field.texts.clone()));
    let annotation = subject.unread_annotation.map(|text| (Place::Annotation, vec![text.to_owned()]));
    fields.chain(annotation).map(|(place, elements)| CarrierUse {
        carrier: place.to_string(),
        pointer: place.pointer(None),
        in_force: false,
        effect: "not read",
        elements,
    })
}

fn effect(subject: &Subject<'_>, carrier: &Carrier<'_>) -> &'static str {
    match (carrier.in_force, carrier.role) {
        (true, _) => "in force",
        (false, Some(Role::NotTaken)) if !subject.driver.known.is_read() => {
            "whether the driver reads it is not known"
        }
        (false, Some(Role::NotTaken)) => "not read by the driver",
        (false, _) => "not in force",
    }
}

/// How the layers cut `text`; empty where all of them agree.
fn readings(subject: &Subject<'_>) -> Vec<Reading> {
    let text = subject.effective();
    let all: Vec<_> = Reader::ALL.into_iter().map(|reader| (reader, reader.options(&text))).collect();
    let is_one = all.iter().all(|(_, options)| all.first().is_some_and(|(_, first)| first == options));
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

fn options(subject: &Subject<'_>) -> Vec<OptionUse> {
    let idle = subject.options.tokens().iter().filter(|token| !token.in_force);
    let unrendered = subject.options.unrendered().filter(|token| token.option.keyword() != "bg");
    subject.options.effective().chain(unrendered).chain(idle).map(|token| option(subject, token)).collect()
}

fn option(subject: &Subject<'_>, token: &Token<'_>) -> OptionUse {
    let carrier = token.site.as_ref().and_then(|site| subject.carriers.get(site.carrier));
    let entry = token.entry();
    let consumers = match entry {
        _ if token.is_drivers_own => vec!["the driver or its mount helper"],
        _ if token.is_unrendered => vec!["the reader of what it becomes"],
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
            _ if token.is_drivers_own => "taken out before mount.nfs sees it".to_owned(),
            _ if token.is_unrendered => "not rendered: it may become any option".to_owned(),
            Some(entry) => meaning(subject, entry),
            None => "no layer knows it".to_owned(),
        },
    }
}

fn meaning(subject: &Subject<'_>, entry: &Entry) -> String {
    let is_v3_possible = !subject.options.settings().versions.and(Versions::V3).is_empty();
    match entry.effect {
        Effect::None(why) => format!("{}; it does nothing: {why}", entry.meaning),
        Effect::NoneOnV4(why) if !is_v3_possible => {
            format!("{}; it does nothing with NFSv4: {why}", entry.meaning)
        }
        Effect::Active | Effect::NoneOnV4(_) => entry.meaning.to_owned(),
    }
}

fn conflicts(subject: &Subject<'_>) -> Vec<Conflict> {
    let mut groups: BTreeMap<Group, Vec<&str>> = BTreeMap::new();
    for token in subject.options.effective().filter(|token| token.verdict.refusal.is_none()) {
        if let Some(group) = token.entry().and_then(Entry::group) {
            groups.entry(group).or_default().push(token.option.text());
        }
    }
    groups
        .into_values()
        .filter(|options| options.iter().any(|option| Some(option) != options.first()))
        .map(|options| Conflict {
            winner: options.last().copied().unwrap_or_default().to_owned(),
            options: options.into_iter().map(ToOwned::to_owned).collect(),
        })
        .collect()
}

/// The first finding that says that no mount succeeds. UDP is one: kernels since
/// 5.6 refuse it unless they are built otherwise.
fn refused(subject: &Subject<'_>) -> Option<String> {
    let evaluation = evaluate(&Policy::default(), subject, Date::MIN);
    let is_certain = |judged: &&Judged| {
        judged.finding.grade == Grade::CannotMount
            || judged.rule().is_some_and(|rule| rule.name == "udp-transport")
    };
    evaluation.findings.iter().find(is_certain).map(|judged| judged.finding.message.clone().into_owned())
}

fn dead_server(subject: &Subject<'_>) -> DeadServer {
    let settings = subject.options.settings();
    let background = subject.may_go_to_background();
    let retry = subject.options.effective().rfind(|token| token.word() == Some(Word::Retry));
    let retry = Retry::read(retry.and_then(|token| token.option.value()));
    let major_timeout = clocks::major_timeout(settings);
    let major = major_timeout.as_secs();
    let (recovery, call_seconds) = match settings.recovery {
        Recovery::Hard => ("hard", None),
        Recovery::Soft => ("soft", Some(major)),
        Recovery::Softerr => ("softerr", Some(major)),
    };
    DeadServer {
        background,
        mount_seconds: clocks::refused_mount(retry, background).as_secs(),
        silent_try_seconds: clocks::silent_try(settings).as_secs(),
        recovery,
        major_timeout_seconds: major,
        major_timeout_milliseconds: u64::try_from(major_timeout.as_millis()).unwrap_or(u64::MAX),
        call_seconds,
    }
}

/// The explanation for people.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}/{}", place(&self.file), self.line, self.kind, plain(&self.name))?;
        match &self.path {
            Some(path) => writeln!(f, " {path}")?,
            None => writeln!(f)?,
        }
        let nfs = match self.nfs {
            IsNfs::Known(true) => "NFS",
            IsNfs::Known(false) => "not NFS: its options are none of our business",
            IsNfs::Depends(_) => "NFS or not, nobody can tell from the object",
        };
        writeln!(f, "  driver     {} ({}), {nfs}", plain(&self.driver), self.driver_title)?;
        for carrier in &self.carriers {
            writeln!(
                f,
                "  holds      {} ({}): {}",
                plain(&carrier.carrier),
                carrier.effect,
                plain(&carrier.elements.join(" | "))
            )?;
        }
        let Some(dead) = &self.dead_server else { return Ok(()) };
        let from =
            if self.driver_source.is_empty() { String::new() } else { format!(": {}", self.driver_source) };
        writeln!(f, "  known      {}{from}", self.driver_known)?;
        if !self.advice.is_empty() {
            writeln!(f, "  advice     {}", self.advice)?;
        }
        writeln!(
            f,
            "  mount -o   {}",
            if self.effective.is_empty() { "(nothing)".into() } else { plain(&self.effective) }
        )?;
        if self.follows_claim {
            writeln!(f, "  read-only  ro as well if the claim is read-only: the volume does not show that")?;
        }
        if !self.not_rendered.is_empty() {
            let open = self.not_rendered.join(" | ");
            writeln!(f, "  rendered   not yet: {}; what follows leaves out what that becomes", plain(&open))?;
        }
        for reading in &self.readings {
            writeln!(f, "  read as    {} by {}", plain(&reading.options.join(" | ")), reading.by)?;
        }
        for option in &self.options {
            let who = match option.consumers.as_slice() {
                [] => "nobody".to_owned(),
                consumers => consumers.join(", "),
            };
            let from = match option.effect {
                "in force" => String::new(),
                effect => format!(" ({effect})"),
            };
            writeln!(f, "  option     {}{from}: read by {who}; {}", plain(&option.option), option.meaning)?;
        }
        for conflict in &self.conflicts {
            writeln!(
                f,
                "  conflict   {}: {} wins",
                plain(&conflict.options.join(", ")),
                plain(&conflict.winner)
            )?;
        }
        if let Some(refused) = &self.refused {
            return writeln!(f, "  every try  the mount is refused (exit 32): {}", plain(refused));
        }
        write_dead_server(f, dead)
    }
}

fn write_dead_server(f: &mut fmt::Formatter<'_>, dead: &DeadServer) -> fmt::Result {
    let time = |seconds| human(Duration::from_secs(seconds));
    let mut mount = String::new();
    if dead.background {
        write!(
            mount,
            "mount exits 0 at once though nothing is mounted, and Pods write to the node's own disk; \
mount.nfs tries on for {}",
            time(dead.mount_seconds)
        )?;
    } else {
        write!(
            mount,
            "mount fails after about {} where connections are refused, and one try takes {} where packets are \
dropped; the Pod waits and kubelet tries again",
            time(dead.mount_seconds),
            time(dead.silent_try_seconds)
        )?;
    }
    writeln!(f, "  dead server, at the mount: {mount}")?;
    let major = human(Duration::from_millis(dead.major_timeout_milliseconds));
    let mounted = match dead.recovery {
        "hard" => format!(
            "a call hangs until the server is back, and its Pod stays Terminating; the kernel starts over every {major}, and no data is lost"
        ),
        "soft" => format!("a call fails with EIO after {major}, and data on its way is lost"),
        _ => format!("a call fails with ETIMEDOUT after {major}, and data on its way is lost"),
    };
    writeln!(f, "  dead server, once mounted: {mounted}")
}
