//! Adds notes on a mount beyond its options: its requirements, its sharing with other mounts, and
//! the callers that give up before it does.

use super::Note;
use super::dead_server::retry;
use crate::nfs::catalog::OptionId;
use crate::nfs::timeouts::{self, Retry};
use crate::nfs::version::Versions;
use crate::subject::driver::Nfs;
use crate::subject::effective::Token;
use crate::subject::{ReadOnlyBy, Subject};

/// Returns everything that applies to the subject; without what depends on options that are
/// `undecided`, because they are not rendered.
pub(super) fn of(subject: &Subject<'_>, undecided: &[String]) -> Vec<Note> {
    [
        inline(subject),
        subject.follows_claim().then(|| subject.read_only_by().map_or_else(follows_claim, read_only)),
        subject.has_idle_read_only().then(idle_read_only),
        locks(subject).filter(|_| undecided.is_empty()),
        deadline(subject).filter(|_| undecided.is_empty()),
        Some(sharecache(subject)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn note(about: &'static str, text: impl Into<String>) -> Note {
    Note { about, text: text.into() }
}

/// Returns those that say why there is no mount.
pub(super) fn without_mount(subject: &Subject<'_>) -> Vec<Note> {
    let is_known = subject.carries_no_mount() && subject.nfs != Nfs::No && subject.driver.known.is_read();
    let snapshots = is_known.then(|| {
        note(
            "snapshots",
            "the driver takes no mount options from a VolumeSnapshotClass: nothing is mounted with it",
        )
    });
    inline(subject).into_iter().chain(snapshots).collect()
}

fn inline(subject: &Subject<'_>) -> Option<Note> {
    subject.volume?;
    subject.driver.inline.obstacle().map(|obstacle| note("inline", obstacle))
}

fn follows_claim() -> Note {
    note("read-only", "the kubelet adds ro if the claim is read-only, which the volume does not show")
}

/// Says why the mount is read-only, whatever the claim is.
fn read_only(by: ReadOnlyBy<'_>) -> Note {
    let reason = match by {
        ReadOnlyBy::Option(place) => format!("{} has ro", place.short()),
        ReadOnlyBy::FirstAccessMode(mode) => {
            format!("the driver adds ro because the first access mode is {mode}")
        }
        ReadOnlyBy::Driver => "the driver adds ro".to_owned(),
    };
    note("read-only", format!("every mount is read-only: {reason}"))
}

/// Notes that the kubelet hands the driver the claim's `readOnly` (`NewMounter`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go>).
fn idle_read_only() -> Note {
    note(
        "read-only",
        "csi.readOnly: true adds no ro: the kubelet gives the driver the claim's readOnly, not the volume's",
    )
}

/// Notes that `mount.nfs` rejects an `NFSv3` mount with remote locks where rpc.statd does not run
/// (`start_statd`, <https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/network.c;hb=nfs-utils-2-6-2>;
/// measured: exit 32).
fn locks(subject: &Subject<'_>) -> Option<Note> {
    let settings = subject.options.settings();
    if settings.versions.and(Versions::V3).is_empty() {
        return None;
    }
    let place = if subject.mounts_on_node() { ", on the node" } else { ", in the driver's container" };
    let needs = format!("rpc.statd must run where mount.nfs does{place}");
    Some(note(
        "locks",
        if settings.local_locks.nolock {
            format!("nolock makes NFSv3 locks local to this node; without it {needs}")
        } else if settings.versions == Versions::V3 {
            format!("NFSv3 without nolock: {needs}, or the mount fails (exit 32)")
        } else {
            format!("if the server offers no newer version than NFSv3, {needs}, or the mount fails (exit 32)")
        },
    ))
}

/// Returns a driver that gives up first reports a failure while mount.nfs still runs, and the next
/// try starts another one (kubernetes-csi/csi-driver-nfs#1271, #649).
fn deadline(subject: &Subject<'_>) -> Option<Note> {
    let deadline = u64::from(subject.driver.deadline?);
    let retry = retry(subject);
    let background = subject.may_go_to_background();
    // In the background a child retries, and the driver does not wait for it.
    if background || timeouts::refused_mount(retry, false).as_secs() <= deadline {
        return None;
    }
    let minutes = retry.minutes(false);
    let tries = match retry {
        Retry::Minutes(_) => format!("retry={minutes} makes mount.nfs retry for {minutes} min"),
        _ => format!("mount.nfs retries for {minutes} min by default (retry={minutes})"),
    };
    // A number of minutes may have eleven digits; no more than the deadline are in time.
    let longest = i64::try_from(deadline / 60 + 1).unwrap_or(i64::MAX);
    let in_time = (0..minutes.min(longest))
        .rev()
        .find(|minutes| timeouts::refused_mount(Retry::Minutes(*minutes), false).as_secs() <= deadline);
    let instead = in_time
        .map(|minutes| format!("; retry={minutes} ends before that if connections are refused"))
        .unwrap_or_default();
    Some(note("retry", format!("{tries}, but the driver gives up after {deadline} s{instead}")))
}

/// Describes the settings that are taken over from an existing mount of the node: the connections
/// of any mount of the server ([`nfs_match_client`]), the superblock of one of the same export
/// ([`nfs_compare_super`], which compares neither timeo nor retrans).
///
/// [`nfs_match_client`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c
/// [`nfs_compare_super`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/super.c
fn sharecache(subject: &Subject<'_>) -> Note {
    let last = subject.options.effective().rfind(|token| token.id() == Some(OptionId::Sharecache));
    let is_off = last.and_then(Token::entry).is_some_and(|entry| entry.negated);
    note(
        "sharecache",
        if is_off {
            "nosharecache: timeo and retrans are its own; the first mount of this server sets nconnect"
        } else {
            "on each node the first mount of this server sets nconnect, and the first mount of this export \
timeo and retrans, until all are unmounted"
        },
    )
}
