//! The explanation for people.

use std::fmt;
use std::time::Duration;

use super::{Behind, DeadServer, Explanation, OptionUse};
use crate::kind::{Holds, Kind};
use crate::report::IsNfs;
use crate::report::duration::human;
use crate::report::plain::{place, plain};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        let nfs = match self.nfs {
            IsNfs::Known(true) => "NFS",
            IsNfs::Known(false) => "not NFS: its options are not evaluated",
            IsNfs::Depends(_) => "NFS or not: the object does not show it",
        };
        if !self.driver_title.is_empty() {
            writeln!(f, "  driver     {} ({}), {nfs}", plain(&self.driver), self.driver_title)?;
        }
        for carrier in &self.carriers {
            writeln!(
                f,
                "  holds      {} ({}): {}",
                plain(&carrier.carrier),
                carrier.effect,
                plain(&carrier.elements.join(" | "))
            )?;
        }
        if self.nfs == IsNfs::Known(false) || self.driver_title.is_empty() {
            return Ok(());
        }
        let from =
            if self.driver_source.is_empty() { String::new() } else { format!(": {}", self.driver_source) };
        writeln!(f, "  known      {}{from}", self.driver_known)?;
        if !self.advice.is_empty() {
            writeln!(f, "  advice     {}", self.advice)?;
        }
        match &self.hidden {
            Some(why) => writeln!(f, "  mount -o   (not known: {})", plain(why))?,
            None if self.effective.is_empty() => writeln!(f, "  mount -o   (nothing)")?,
            None => writeln!(f, "  mount -o   {}", plain(&self.effective))?,
        }
        if !self.not_rendered.is_empty() {
            let open = self.not_rendered.join(" | ");
            let is_background = |option: &String| option.split('=').next() == Some("bg");
            // A value cannot make `bg` harmless: mount.nfs compares keywords.
            let rest = if self.not_rendered.iter().all(is_background) {
                "bg takes effect whatever its value"
            } else {
                "the lines below leave it out"
            };
            writeln!(f, "  rendered   not yet: {}; {rest}", plain(&open))?;
        }
        for reading in &self.readings {
            let options = reading.options.join(" | ");
            let options = if options.is_empty() { "(nothing)".into() } else { plain(&options) };
            writeln!(f, "  read as    {options} by {}", reading.by)?;
        }
        for option in &self.options {
            writeln!(f, "  option     {option}")?;
        }
        for conflict in &self.conflicts {
            let options = conflict.options.join(", ");
            let options = plain(&options);
            if let Some(winner) = &conflict.winner {
                let about = conflict.about.as_ref().map(|about| format!(" for {about}")).unwrap_or_default();
                writeln!(f, "  conflict   {options}: {} wins{about}", plain(winner))?;
            } else {
                let on = conflict.depends.unwrap_or("the kernel");
                writeln!(f, "  conflict   {options}: the winner depends on {on}")?;
            }
        }
        for kernels in &self.refused_by_kernels {
            let until =
                kernels.until.as_ref().map(|until| format!(" and from {until} on")).unwrap_or_default();
            writeln!(
                f,
                "  kernels    before {}{until} reject every mount (exit 32): they do not support {}",
                kernels.since,
                plain(&kernels.option)
            )?;
        }
        if let Some(background) = &self.background {
            writeln!(f, "  background {}", plain(background))?;
        }
        // A mount that is refused never reaches the timeouts below.
        if let Some(refused) = &self.refused {
            return self.write_refused(f, refused);
        }
        for note in &self.notes {
            writeln!(f, "  {:<10} {}", note.about, plain(&note.text))?;
        }
        if !self.undecided.is_empty() {
            let undecided = self.undecided.join(", ");
            let verb = if self.undecided.len() == 1 { "is" } else { "are" };
            return writeln!(f, "  dead server: not known until {} {verb} rendered", plain(&undecided));
        }
        let is_open = self.background.is_some();
        self.dead_server
            .as_ref()
            .map_or(Ok(()), |dead| write_dead_server(f, dead, is_open, Mounter::of(self.kind)))
    }
}

impl Explanation {
    /// Writes why every mount fails, and what a background mount makes of it.
    fn write_refused(&self, f: &mut fmt::Formatter<'_>, refused: &str) -> fmt::Result {
        let unless = match &self.dead_server {
            Some(_) if self.behind == Some(Behind::Silent) => " unless packets are dropped",
            Some(_) => " if the server answers",
            None if self.is_refusal_open => ", unless a layer reads bg",
            None => "",
        };
        let who = match self.refused_by {
            Some("driver") if Mounter::of(self.kind) == Mounter::Controller => {
                "the driver refuses to make a snapshot"
            }
            Some("driver") => "the driver rejects the volume before it mounts",
            Some("kubelet") => "the kubelet rejects the volume before it mounts",
            Some("mount(8)") => "mount(8) rejects the list (exit 1)",
            Some("kernels") => "kernels since 5.6 reject the mount (exit 32)",
            _ => "the mount fails (exit 32)",
        };
        writeln!(f, "  every try  {who}{unless}: {}", plain(refused))?;
        let who = Mounter::of(self.kind);
        match &self.dead_server {
            Some(dead) if self.behind == Some(Behind::Silent) => write_silent_mount(f, dead, who),
            Some(dead) => write_dead_mount(f, dead, false, who),
            None => Ok(()),
        }
    }

    /// Writes the object, and the template that it was rendered from.
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}/", place(&self.file), self.line, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{}/", plain(namespace))?;
        }
        write!(f, "{}", plain(&self.name))?;
        match &self.path {
            Some(path) => writeln!(f, " {path}")?,
            None => writeln!(f)?,
        }
        if let Some(origin) = &self.origin {
            writeln!(f, "  rendered   from {}", plain(origin.place()))?;
        }
        Ok(())
    }
}

/// Writes the readers and the meaning of an option, as on its line of the explanation.
impl fmt::Display for OptionUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match self.effect {
            "in force" => String::new(),
            effect => format!(" ({effect})"),
        };
        let read = match self.consumers.as_slice() {
            [] => String::new(),
            consumers => format!("read by {}; ", consumers.join(", ")),
        };
        write!(f, "{}{from}: {read}{}", plain(&self.option), self.meaning)
    }
}

/// The caller that waits for a mount.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mounter {
    /// The kubelet, for a Pod.
    Kubelet,
    /// The driver's controller, which mounts to write a snapshot.
    Controller,
}

impl Mounter {
    fn of(kind: &str) -> Self {
        let holds = Kind::parse(kind).map(|kind| kind.row().holds);
        if holds == Some(Holds::Snapshots) { Self::Controller } else { Self::Kubelet }
    }
}

/// Writes the effect of a dead server; `may_background` is true if it is not certain that no layer
/// reads a `bg`.
fn write_dead_server(
    f: &mut fmt::Formatter<'_>,
    dead: &DeadServer,
    may_background: bool,
    who: Mounter,
) -> fmt::Result {
    write_dead_mount(f, dead, may_background, who)?;
    let held = match who {
        Mounter::Kubelet => "the Pod stays Terminating and umount hangs",
        Mounter::Controller => "the snapshot waits and umount hangs",
    };
    let major = seconds(dead.major_timeout_milliseconds);
    // The mount hides data that was written to the node's disk.
    let kept = if dead.background || may_background { "" } else { "; no data is lost" };
    let mounted = match dead.recovery {
        "hard" => format!(
            "I/O hangs until the server returns, {held} (the kernel logs \"server not responding\" after {major}){kept}"
        ),
        recovery => {
            // softerr was made so that programs can tell a timeout from an error of the server's disk.
            let error = if recovery == "soft" { "EIO" } else { "ETIMEDOUT" };
            // A mount that only reads has nothing to lose.
            let lost = if dead.loses_writes { ", and buffered writes are lost" } else { "" };
            let least = if dead.is_longer { "at least " } else { "" };
            let reason = if dead.is_longer { "; NFSv4 waits longer than short timeouts say" } else { "" };
            format!("I/O fails with {error} after {least}{major}{lost}{reason}")
        }
    };
    writeln!(f, "  dead server, once mounted: {mounted}")
}

/// Writes the effect of a server that drops packets on a mount that is refused otherwise.
fn write_silent_mount(f: &mut fmt::Formatter<'_>, dead: &DeadServer, who: Mounter) -> fmt::Result {
    let mount_ends = human(Duration::from_secs(dead.mount_seconds));
    let (instead, _) = consequences(who);
    let silent_try = seconds(dead.silent_try_milliseconds);
    writeln!(
        f,
        "  dead server, at the mount: if packets are dropped, mount of nfs-utils 2.8 and later exits 0 after about \
{silent_try} although nothing is mounted, and {instead}; mount.nfs keeps retrying in the background for {mount_ends}"
    )
}

/// Returns the result of a mount that seems to succeed, and of one that fails.
const fn consequences(who: Mounter) -> (&'static str, &'static str) {
    match who {
        Mounter::Kubelet => ("Pods write to the node's local disk", "the Pod waits and the kubelet retries"),
        Mounter::Controller => (
            "a snapshot is ready that the server never received",
            "no snapshot is made and the driver's controller retries",
        ),
    }
}

/// Writes the effect of a dead server on the mount itself.
fn write_dead_mount(
    f: &mut fmt::Formatter<'_>,
    dead: &DeadServer,
    may_background: bool,
    who: Mounter,
) -> fmt::Result {
    let (instead, then) = consequences(who);
    let mount_ends = human(Duration::from_secs(dead.mount_seconds));
    let mount_ends = if dead.background { mount_ends } else { format!("{}{mount_ends}", about(&mount_ends)) };
    let silent_try = silent_try(dead);
    let at_the_mount = if let Some(deadline) = dead.driver_seconds.filter(|_| dead.background) {
        format!(
            "mount exits 0 at once if connections are refused, although nothing is mounted, and {instead}; \
mount.nfs keeps retrying in the background for {mount_ends}; if packets are dropped, the driver fails the mount \
after {deadline} s, before mount exits 0 after {silent_try}"
        )
    } else if dead.background {
        format!(
            "mount exits 0 at once if connections are refused, and after {silent_try} if packets are dropped, \
although nothing is mounted, and {instead}; mount.nfs keeps retrying in the background for {mount_ends}"
        )
    } else if may_background {
        let foreground = foreground_mount(dead, &mount_ends);
        format!(
            "{foreground}; {then}; if a layer reads bg, mount exits 0 although nothing is mounted, and {instead}"
        )
    } else {
        format!("{}; {then}", foreground_mount(dead, &mount_ends))
    };
    writeln!(f, "  dead server, at the mount: {at_the_mount}")
}

/// Says when a mount fails: the driver may give up before mount.nfs does.
fn foreground_mount(dead: &DeadServer, mount_ends: &str) -> String {
    let silent = silent_mount(dead);
    // A driver whose deadline comes later changes nothing.
    let of_driver = |length: u64| dead.driver_seconds.filter(|deadline| *deadline < length);
    match (of_driver(dead.mount_seconds), of_driver(dead.silent_mount_milliseconds / 1000)) {
        (None, None) => format!("mount fails after {mount_ends} if connections are refused; {silent}"),
        (Some(deadline), None) => {
            format!("the driver fails the mount after {deadline} s if connections are refused; {silent}")
        }
        (None, Some(deadline)) => format!(
            "mount fails after {mount_ends} if connections are refused; the driver fails it after \
{deadline} s if packets are dropped"
        ),
        (Some(deadline), Some(_)) => format!(
            "the driver fails the mount after {deadline} s, if connections are refused and if packets are \
dropped"
        ),
    }
}

/// Returns the time of one try if packets are dropped.
fn silent_try(dead: &DeadServer) -> String {
    let least = if dead.is_longer { "at least" } else { "about" };
    format!("{least} {}", seconds(dead.silent_try_milliseconds))
}

/// Says when a mount fails if packets are dropped.
fn silent_mount(dead: &DeadServer) -> String {
    let one_try = silent_try(dead);
    if dead.silent_mount_milliseconds == dead.silent_try_milliseconds {
        return format!("it fails after one try of {one_try} if packets are dropped");
    }
    let all = human(Duration::from_millis(dead.silent_mount_milliseconds));
    format!("it fails after {}{all} if packets are dropped, one try taking {one_try}", about(&all))
}

/// Days are about so many already.
fn about(duration: &str) -> &'static str {
    if duration.starts_with("about ") { "" } else { "about " }
}

/// Returns `13.5 s`, `180 s`: as the findings write it.
fn seconds(milliseconds: u64) -> String {
    format!("{} s", Duration::from_millis(milliseconds).as_secs_f64())
}
