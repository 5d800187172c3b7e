//! Computes the timeouts of a dead server.
//!
//! Three clocks run: `timeo` and `retrans` in the kernel once the mount
//! exists, `retry` in mount.nfs while it tries to mount, and the deadline of
//! the caller of mount. Sources: [`nfs_init_timeout_values`], [`xprt_calc_majortimeo`],
//! [`stropts.c`] of nfs-utils; checked against the timed rows of `tests/kernel-truth/`.
//!
//! [`nfs_init_timeout_values`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c
//! [`xprt_calc_majortimeo`]: https://github.com/torvalds/linux/blob/v6.12/net/sunrpc/xprt.c
//! [`stropts.c`]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=nfs-utils-2-6-2

use std::time::Duration;

use super::acceptance::Transport;
use super::settings::Settings;
use super::value::leading_number;
use super::version::Versions;

/// kubelet gives a CSI driver this long for one call (`csiTimeout`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go#L56>).
pub const CSI_CALL: Duration = Duration::from_secs(120);

/// Minutes that mount.nfs keeps trying in the foreground unless told.
// nfs(5), retry=n.
pub const FOREGROUND_RETRY_MINUTES: i64 = 2;

/// Minutes that mount.nfs keeps trying in the background unless told: a week.
pub const BACKGROUND_RETRY_MINUTES: i64 = 10_000;

/// Returns the kernel's own `timeo` in tenths of a second.
pub const fn default_timeo(transport: Option<Transport>) -> u32 {
    match transport {
        // NFS_DEF_UDP_TIMEO, 1.1 s.
        Some(Transport::Udp) => 11,
        _ => 600,
    }
}

/// Returns the kernel's own `retrans`.
pub const fn default_retrans(transport: Option<Transport>) -> u32 {
    match transport {
        Some(Transport::Udp) => 3,
        _ => 2,
    }
}

/// Returns the major timeout: when a soft mount fails a call, and a hard one logs
/// "server not responding" and starts over.
///
/// TCP and RDMA: `min(timeo / 10 * (1 + retrans), 600 s)`, never below
/// `timeo / 10`. UDP doubles: `min(timeo / 10 * 2^retrans, 60 s)`.
pub fn major_timeout(settings: &Settings) -> Duration {
    let timeo = settings.timeo.unwrap_or(default_timeo(settings.transport));
    let retrans = settings.retrans.unwrap_or(default_retrans(settings.transport));
    let initial = Duration::from_millis(u64::from(timeo) * 100);
    if settings.transport == Some(Transport::Udp) {
        let doubled = 2_u32.checked_pow(retrans).and_then(|times| initial.checked_mul(times));
        // NFS_MAX_UDP_TIMEOUT; over UDP each retry doubles the wait.
        let cap = Duration::from_secs(60);
        return doubled.map_or(cap, |major| major.min(cap));
    }
    // NFS_MAX_TCP_TIMEOUT; over TCP each retry adds the first wait again.
    let cap = Duration::from_secs(600);
    retrans.checked_add(1).and_then(|tries| initial.checked_mul(tries)).map_or(cap, |major| major.min(cap))
}

/// The reading of `retry` by mount.nfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not given: the default of foreground or background.
    Default,
    /// Given, but negative or no number: the default is used all the same.
    Ignored,
    /// That many minutes.
    Minutes(i64),
}

impl Retry {
    /// Reads the value of `retry=` (`nfs_parse_retry_option`).
    pub fn read(value: Option<&str>) -> Self {
        match value {
            None => Self::Default,
            Some(text) => match leading_number(text) {
                Some(minutes) if minutes >= 0 => Self::Minutes(minutes),
                _ => Self::Ignored,
            },
        }
    }

    /// Minutes that mount.nfs keeps trying.
    pub const fn minutes(self, background: bool) -> i64 {
        match self {
            Self::Minutes(minutes) => minutes,
            _ if background => BACKGROUND_RETRY_MINUTES,
            _ => FOREGROUND_RETRY_MINUTES,
        }
    }
}

/// Returns the longest time until a mount fails if the server refuses connections: `retry` minutes,
/// and the one try that is under way when they end (measured: `retry=1` 76 s, `retry=2` 135 s,
/// `retry=0` at once).
pub fn refused_mount(retry: Retry, background: bool) -> Duration {
    let minutes = u64::try_from(retry.minutes(background)).unwrap_or(0);
    match minutes {
        0 => Duration::from_secs(2),
        minutes => Duration::from_secs(minutes.saturating_mul(60).saturating_add(15)),
    }
}

/// The major timeouts below which a call on `NFSv4` may wait longer.
pub const LONGER_BELOW: Duration = Duration::from_secs(30);

/// Returns true if a call on a soft mount may wait longer than the major timeout: `NFSv4` with short
/// timeouts (measured: `timeo=10,retrans=1` 13 to 22 s, `timeo=50,retrans=2` 16 to 30 s,
/// `timeo=100,retrans=2` 30 s; `NFSv3` waits its major timeout).
pub fn is_longer(settings: &Settings) -> bool {
    settings.versions != Versions::V3 && major_timeout(settings) < LONGER_BELOW
}

/// The time for which mount.nfs queries an `NFSv3` server if packets are dropped (measured: 14 to 38 s).
pub const SILENT_NFSV3: Duration = Duration::from_secs(15);

/// Returns the time of a single try if packets are dropped: the kernel waits the major timeout with
/// `NFSv4` (measured: 182 s by default), mount.nfs its own short one with `NFSv3` (measured: 14 s).
pub fn silent_try(settings: &Settings) -> Duration {
    if settings.versions == Versions::V3 { SILENT_NFSV3 } else { major_timeout(settings) }
}

/// Returns the longest time until a mount in the foreground fails if packets are dropped: tries of
/// `single` until the minutes of `retry` are over (measured: `vers=3` 132 s, `vers=3,retry=0` 14 s,
/// `NFSv4` 182 s, because its first try takes longer than `retry`).
pub fn silent_mount(single: Duration, retry: Retry) -> Duration {
    let minutes = u64::try_from(retry.minutes(false)).unwrap_or(0);
    let all = u128::from(minutes.saturating_mul(60)).saturating_mul(1000);
    let (whole, rest) = (all / single.as_millis().max(1), all % single.as_millis().max(1));
    // mount.nfs reads the clock after each try. One of the kernel's ends a second or two late (measured: 182 s
    // for 180 s), so that a multiple of it is over; one of NFSv3 ends before its 15 s.
    let is_further = rest > 0 || single <= SILENT_NFSV3;
    let tries = whole.saturating_add(u128::from(is_further)).max(1);
    Duration::from_millis(u64::try_from(tries.saturating_mul(single.as_millis())).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nfs::option::{MountOption, split};

    fn major(list: &str) -> f64 {
        let options: Vec<_> = split(list).map(|piece| MountOption::new(piece.text)).collect();
        major_timeout(&Settings::of(&options)).as_secs_f64()
    }

    #[test]
    fn tcp_waits_timeo_for_every_try_up_to_ten_minutes() {
        for (list, seconds) in [
            ("", 180.0),
            ("timeo=600,retrans=3", 240.0),
            ("timeo=6000", 600.0),
            ("timeo=10,retrans=3", 4.0),
            ("timeo=7,retrans=0", 0.7),
            ("retrans=2147483647", 600.0),
        ] {
            assert!((major(list) - seconds).abs() < 1e-9, "{list}");
        }
    }

    #[test]
    fn udp_doubles_up_to_a_minute() {
        assert!((major("udp") - 8.8).abs() < 1e-9);
        assert!((major("udp,retrans=40") - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_silent_server_ends_a_mount_as_measured() {
        for (list, retry, seconds) in [
            ("vers=3", Retry::Default, 135),
            ("vers=3", Retry::Minutes(0), 15),
            ("", Retry::Default, 180),
            ("vers=4.1", Retry::Minutes(10), 720),
            ("vers=4.1", Retry::Minutes(5), 360),
            ("vers=4.1", Retry::Minutes(3), 180),
            ("vers=4.1,timeo=300", Retry::Minutes(2), 180),
        ] {
            let options: Vec<_> = split(list).map(|piece| MountOption::new(piece.text)).collect();
            let single = silent_try(&Settings::of(&options));
            assert_eq!(silent_mount(single, retry).as_secs(), seconds, "{list} {retry:?}");
        }
    }

    #[test]
    fn a_short_timeout_is_kept_by_v3_only() {
        let is_it = |list: &str| {
            let options: Vec<_> = split(list).map(|piece| MountOption::new(piece.text)).collect();
            is_longer(&Settings::of(&options))
        };
        assert!(is_it("timeo=50,retrans=2") && is_it("vers=4.1,timeo=10"));
        assert!(!is_it("vers=3,timeo=50,retrans=2") && !is_it("timeo=100,retrans=2") && !is_it(""));
    }

    #[test]
    fn a_bad_retry_is_the_default() {
        assert_eq!(Retry::read(Some("abc")).minutes(true), 10_000);
        assert_eq!(Retry::read(Some("-1")).minutes(false), 2);
        assert_eq!(Retry::read(Some("1h")).minutes(false), 1);
        assert_eq!(Retry::read(None), Retry::Default);
    }
}
