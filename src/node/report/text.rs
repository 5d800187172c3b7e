//! The report as text, with the steps to save the files.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

use super::objects::{Compared, NoComparison, NotCompared, Objects, Reason};
use super::steps;
use super::{
    Apart, Background, Data, Doubt, FileSystem, NodeReport, Volume, VolumeState, Warning, WarningKind,
};
use crate::called;
use crate::count::{counted, grouped};
use crate::report::IsNfs;
use crate::report::plain::{place, plain};
use crate::report::terminal::wrap;

/// Returns the report as text. Names come from Pods and are shown without control
/// characters. At a terminal of `width` columns sentences are wrapped.
pub fn write(report: &NodeReport, colour: bool, width: Option<usize>) -> String {
    let mut text = String::new();
    let alarm = if colour { AnsiColor::Red.on_default().bold() } else { Style::new() };
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, report, alarm);
    match width {
        Some(width) => text.lines().map(|line| in_columns(line, width) + "\n").collect(),
        None => text,
    }
}

/// Heads of lines with a command, which is copied, and so stays whole.
const COMMANDS: [&str; 2] = [SAVE, NAMES];
const SAVE: &str = "  save it: ";
const NAMES: &str = "Names of Pods: ";

/// Returns a line in lines of so many columns, indented under its first one.
fn in_columns(line: &str, width: usize) -> String {
    // A command that is broken over lines cannot be copied.
    if COMMANDS.iter().any(|command| line.starts_with(command)) {
        return line.to_owned();
    }
    let blanks = line.len() - line.trim_start().len();
    let (head, text) = line.split_at_checked(blanks).unwrap_or(("", line));
    wrap(text, head, &" ".repeat(blanks + 3), width)
}

fn write_report(out: &mut String, report: &NodeReport, alarm: Style) -> fmt::Result {
    for volume in &report.volumes {
        write_volume(out, volume, alarm)?;
    }
    // A process is shown with its volume where it has one.
    let lone =
        |process: &&Background| !report.volumes.iter().any(|volume| volume.background.contains(&process.pid));
    for process in report.background.iter().filter(lone) {
        write_process(out, process, alarm)?;
    }
    for warning in &report.warnings {
        write_warning(out, report, warning, alarm)?;
    }
    write_readers(out, report)?;
    if let Some(objects) = &report.objects {
        write_objects(out, report, objects, alarm)?;
    }
    write_advice(out, report)?;
    for error in &report.errors {
        writeln!(out, "{}: {alarm}unreadable{alarm:#}: {}\n", place(&error.path), plain(&error.message))?;
    }
    write_summary(out, report)
}

fn write_volume(out: &mut String, volume: &Volume, alarm: Style) -> fmt::Result {
    let state = match volume.state {
        VolumeState::NotMounted | VolumeState::NodeDisk => "NOT MOUNTED",
        VolumeState::OtherFileSystem => "OTHER FILE SYSTEM",
        VolumeState::Hidden => "MOUNTED LATE",
    };
    writeln!(
        out,
        "{alarm}{state}{alarm:#}: Pod {}, volume {} ({})",
        plain(&volume.pod),
        plain(&volume.volume),
        plain(&volume.driver)
    )?;
    // A driver that no row describes may give local directories by design.
    if !volume.lost {
        writeln!(out, "  cannot tell whether this driver uses NFS; if it does not, ignore this entry")?;
    } else if volume.nfs != IsNfs::Known(true) {
        writeln!(
            out,
            "  this driver mounts NFS or another file system, and nothing is on its staging directory"
        )?;
    }
    match volume.state {
        VolumeState::NotMounted | VolumeState::OtherFileSystem => {}
        VolumeState::NodeDisk if volume.is_of_driver() => {
            writeln!(out, "  the driver gave the Pod a directory on the node")?;
        }
        VolumeState::NodeDisk => writeln!(out, "  a directory on the node is mounted there")?,
        VolumeState::Hidden => {
            writeln!(out, "  containers that started before the mount still write to the local disk")?;
        }
    }
    let (place, beneath) = match volume.state {
        VolumeState::NotMounted | VolumeState::NodeDisk => ("on this node's local disk", ""),
        VolumeState::OtherFileSystem => ("in that file system", ""),
        VolumeState::Hidden => ("on this node's local disk", ", beneath the mount"),
    };
    if let Some(other) = volume.file_system.as_ref().filter(|_| volume.state == VolumeState::OtherFileSystem)
    {
        writeln!(out, "  {}", is_mounted(other))?;
    }
    writeln!(out, "  {}{beneath}", amount(volume.data.as_ref(), place))?;
    writeln!(out, "  {}", plain(&volume.path))?;
    if let Some(note) = &volume.note {
        writeln!(out, "  {}", plain(note))?;
    }
    for holder in &volume.holders {
        writeln!(out, "  in use by {} (PID {}) at {}", plain(&holder.name), holder.pid, plain(&holder.path))?;
    }
    if let Some(other) = volume.file_system.as_ref().filter(|_| volume.state == VolumeState::Hidden) {
        writeln!(out, "  {}", is_mounted(other))?;
    }
    for pid in &volume.background {
        writeln!(
            out,
            "  mount.nfs (PID {pid}) is still retrying in the background; when it succeeds, it hides these files"
        )?;
    }
    if let Some(Apart { pid, name }) = &volume.mounted_apart {
        writeln!(
            out,
            "  process {pid} ({}) has it mounted in its container only: set mountPropagation: Bidirectional
  for the kubelet's directory in the DaemonSet of the driver",
            plain(name)
        )?;
    }
    for copy in &volume.copies {
        writeln!(out, "{SAVE}{}", plain(copy))?;
    }
    writeln!(out)
}

/// Says which file system is mounted in the place of NFS.
fn is_mounted(FileSystem { kind, source, root }: &FileSystem) -> String {
    let root = if root == "/" { String::new() } else { format!(", directory {}", plain(root)) };
    format!("{} is mounted there, which is not NFS (source {}{root})", plain(kind), plain(source))
}

fn amount(data: Option<&Data>, place: &str) -> String {
    match data {
        None => format!("files exist only {place}; their number is unknown"),
        // A directory that the program made is data as well.
        Some(Data { files: 0, folders: 0, at_least: false, .. }) => format!("no files {place} so far"),
        Some(data) => format!(
            "{}{} ({}) {} only {place}",
            if data.at_least { "at least " } else { "" },
            counted(grouped(data.files), "file"),
            counted(grouped(data.bytes), "byte"),
            if data.files == 1 { "exists" } else { "exist" },
        ),
    }
}

fn write_process(out: &mut String, process: &Background, alarm: Style) -> fmt::Result {
    let (alarm, note) = if process.kubernetes {
        (alarm, "when the server responds, it mounts over the files that were written until then")
    } else {
        (Style::new(), "not a Pod's volume, so not a finding: possibly from /etc/fstab of the node")
    };
    writeln!(
        out,
        "{alarm}IN THE BACKGROUND{alarm:#}: {} (PID {}), mounting {} on {}\n  {note}\n",
        plain(&process.name),
        process.pid,
        plain(&process.source),
        plain(&process.target)
    )
}

/// Volumes of a warning that are named; the others are counted.
const NAMED: usize = 5;

fn write_warning(out: &mut String, report: &NodeReport, warning: &Warning, alarm: Style) -> fmt::Result {
    match (&warning.path, warning.line) {
        (Some(path), Some(line)) => write!(out, "{}:{line}: ", place(path))?,
        (Some(path), None) => write!(out, "{}: ", place(path))?,
        (None, _) => {}
    }
    let (alarm, word) = if warning.finding { (alarm, "finding") } else { (Style::new(), "warning") };
    writeln!(out, "{alarm}{word}{alarm:#}: {}", plain(&warning.message))?;
    for volume in warning.volumes.iter().take(NAMED) {
        let name = report.name_of(&volume.volume, &volume.folder);
        writeln!(out, "  concerns Pod {}, volume {}", plain(&volume.pod), plain(&name))?;
    }
    if let Some(more) = warning.volumes.len().checked_sub(NAMED).filter(|more| *more > 0) {
        writeln!(out, "  and {}", counted(more, "more volume"))?;
    }
    for (doubt, one, many) in [
        (Doubt::Server, "its server is unknown", "their servers are unknown"),
        (Doubt::Driver, "its driver may not use NFS", "their drivers may not use NFS"),
    ] {
        let mut volumes = warning.may_concern.iter().filter(|volume| volume.why == doubt);
        let Some(first) = volumes.next() else { continue };
        let name = report.name_of(&first.volume, &first.folder);
        let (pod, volume) = (plain(&first.pod), plain(&name));
        write!(out, "  may concern Pod {pod}, volume {volume}")?;
        match volumes.count() {
            0 => writeln!(out, ": {one}")?,
            more => writeln!(out, " and {}: {many}", counted(more, "more volume"))?,
        }
    }
    writeln!(out)
}

/// Writes whose nfsmount.conf the drivers of the node read, where the node's gives options.
fn write_readers(out: &mut String, report: &NodeReport) -> fmt::Result {
    for folder in report.nfsmount_conf.iter().flat_map(|conf| &conf.unseen) {
        writeln!(
            out,
            "{}: not seen, because the file alone is mounted here: its lines are not found\n",
            place(folder)
        )?;
    }
    let drivers = report.nfsmount_conf.as_ref().map(|conf| &*conf.drivers).unwrap_or_default();
    // The readers of the file matter only if a line of it was found.
    if !report.warnings.iter().any(|warning| warning.kind == WarningKind::NfsmountConf) {
        return Ok(());
    }
    if drivers.is_empty() {
        return Ok(());
    }
    for reader in drivers {
        writeln!(out, "{} reads the nfsmount.conf {}", plain(&reader.driver), plain(&reader.message))?;
    }
    writeln!(out)
}

fn write_advice(out: &mut String, report: &NodeReport) -> fmt::Result {
    if !report.has_losses() {
        return Ok(());
    }
    let kill = "End the background processes with kill, so that no mount hides the files.";
    let against_bg = steps::against_bg(report);
    // The order counts: a background mount that succeeds during the copy hides the files.
    let mut steps = Vec::from_iter(Some(kill).filter(|_| report.summary.background > 0));
    steps.push("Copy the files: the line \"save it\" of each volume, with a directory of yours.");
    steps.extend(against_bg.iter().map(String::as_str));
    if steps::has_other_file_system(report) {
        steps.push(
            "Find what mounted the other file system: the kubelet mounts nothing over it. Files in memory (tmpfs)
     end with it.",
        );
    }
    if steps::blames_driver(report) {
        steps.push("Without bg, look at the driver: its DaemonSet needs mountPropagation: Bidirectional.");
    }
    steps.push(
        "Delete the Pod. It stays in Terminating while files are in its directory: move them,
     do not force the deletion. The next Pod waits for the NFS server.",
    );
    steps.push("Copy the saved files to the NFS export.");
    writeln!(out, "Do not delete the Pod, its directory or the node yet: these files have no other copy.")?;
    writeln!(
        out,
        "Do not force a deletion (--force, --grace-period=0), and do not mount or unmount the directory by hand."
    )?;
    for (index, step) in steps.into_iter().enumerate() {
        writeln!(out, "  {}. {}", index + 1, called::by_name(step))?;
    }
    writeln!(
        out,
        "{NAMES}kubectl get pods -A -o custom-columns=NS:.metadata.namespace,POD:.metadata.name,UID:.metadata.uid
"
    )
}

fn write_summary(out: &mut String, report: &NodeReport) -> fmt::Result {
    let summary = &report.summary;
    write!(
        out,
        "{}: {}, {} that may be NFS: {} mounted, {} not mounted",
        place(&report.pods_dir),
        counted(summary.pods, "Pod"),
        counted(summary.volumes, "volume"),
        report.mounted(),
        summary.lost,
    )?;
    for (count, what) in [
        (summary.uncertain + summary.unread, "unknown"),
        (summary.waiting, "being mounted"),
        (summary.background, "mounted in the background"),
        (report.differing(), "not as the object asks"),
        (report.warnings.len(), if report.warnings.len() == 1 { "warning" } else { "warnings" }),
        (report.errors.len(), "unreadable"),
    ] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    writeln!(out)
}

/// Writes what was compared with objects: what differs, what was negotiated, what was not compared.
fn write_objects(out: &mut String, report: &NodeReport, objects: &Objects, alarm: Style) -> fmt::Result {
    for volume in &objects.volumes {
        write_compared(out, volume, alarm)?;
    }
    for NotCompared { pod, volume, folder, reason, message } in &objects.not_compared {
        let head = if *reason == NoComparison::Refused { "cannot be mounted" } else { "not compared" };
        let (pod, name, message) = (plain(pod), report.name_of(volume, folder), plain(message));
        writeln!(out, "{head}: Pod {pod}, volume {}\n  {message}\n", plain(&name))?;
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for difference in objects.volumes.iter().flat_map(|volume| &volume.differences) {
        if difference.reason == Reason::Negotiated {
            *versions.entry(&difference.mounted).or_default() += 1;
        }
    }
    write!(out, "{}: {} compared", place(&objects.file), counted(objects.volumes.len(), "mounted volume"))?;
    let refused = objects.not_compared.iter().filter(|not| not.reason == NoComparison::Refused).count();
    for (count, what) in [(objects.not_compared.len() - refused, "not"), (refused, "cannot be mounted")] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    // The version that the server chose is no difference to mend, so it is only counted.
    let mut before = "; negotiated: ";
    for (version, count) in versions {
        write!(out, "{before}NFS {version} by {}", counted(count, "volume"))?;
        before = ", ";
    }
    writeln!(out, "\n")
}

fn write_compared(out: &mut String, volume: &Compared, alarm: Style) -> fmt::Result {
    let shown = || volume.differences.iter().filter(|difference| difference.reason != Reason::Negotiated);
    if shown().next().is_none() && volume.server.is_none() {
        return Ok(());
    }
    let (alarm, head) = if shown().next().is_none() {
        (Style::new(), "another server by name")
    } else if shown().any(|difference| difference.finding) {
        (alarm, "NOT AS THE OBJECT ASKS")
    } else {
        (Style::new(), "limited by the server")
    };
    writeln!(
        out,
        "{alarm}{head}{alarm:#}: Pod {}, volume {} ({}), {}",
        plain(&volume.pod),
        plain(&volume.volume),
        plain(&volume.driver),
        plain(&volume.object)
    )?;
    let messages = shown().map(|difference| &difference.message).chain(&volume.server);
    for message in messages {
        writeln!(out, "  {}", plain(message))?;
    }
    if !volume.not_shown.is_empty() {
        writeln!(out, "  not shown by the kernel, so not compared: {}", plain(&volume.not_shown.join(",")))?;
    }
    if let Some(note) = &volume.note {
        writeln!(out, "  {}", plain(note))?;
    }
    writeln!(out)
}
