//! Finds the intended value for one that mount.nfs or the kernel refuses.

use super::acceptance::judge;
use super::catalog::OptionId;
use super::option::MountOption;

/// Quotes as a word processor writes them, which are letters to every layer.
pub(crate) const TYPOGRAPHIC: [char; 4] = ['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];

/// Returns the option as it should be written, where its refused value can mean one
/// thing only: another case, a unit, a version with its name around it. `None`
/// where it may mean several things, or nothing.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::{intended::intended, option::MountOption};
/// let meant = |text| intended(&MountOption::new(text));
/// assert_eq!(meant("nfsvers=v4.1").as_deref(), Some("nfsvers=4.1"));
/// assert_eq!(meant("timeo=60s").as_deref(), Some("timeo=600"));
/// assert_eq!(meant("rsize=1M").as_deref(), Some("rsize=1048576"));
/// assert_eq!(meant("nfsvers=4.1]").as_deref(), Some("nfsvers=4.1"));
/// assert_eq!(meant("vers=\u{2018}4.1\u{2019}").as_deref(), Some("vers=4.1"));
/// assert_eq!(meant("timeo=soon"), None);
/// ```
pub fn intended(option: &MountOption<'_>) -> Option<String> {
    // The end of a list in brackets that was cut at its commas.
    let value =
        option.value()?.trim().trim_start_matches('=').trim_end_matches(']').trim_matches(TYPOGRAPHIC);
    let meant = match option.entry()?.id {
        OptionId::Vers => version(value)?,
        OptionId::Timeo => tenths(value)?.to_string(),
        OptionId::Rsize | OptionId::Wsize | OptionId::Bsize => bytes(value)?.to_string(),
        OptionId::Actimeo
        | OptionId::Acregmin
        | OptionId::Acregmax
        | OptionId::Acdirmin
        | OptionId::Acdirmax => seconds(value)?.to_string(),
        OptionId::Retry => minutes(value)?.to_string(),
        OptionId::Retrans | OptionId::Nconnect | OptionId::MaxConnect => count(value)?.to_string(),
        // The minor version alone is wanted; people write the whole one.
        OptionId::Minorversion => value.strip_prefix("4.")?.to_owned(),
        OptionId::Sec => value.split(':').map(flavor).collect::<Vec<_>>().join(":"),
        OptionId::Proto | OptionId::Mountproto => transport(value),
        OptionId::Lookupcache if matches!(value, "no" | "off" | "false" | "0") => "none".to_owned(),
        _ => value.to_lowercase(),
    };
    let text = format!("{}={meant}", option.keyword());
    // A value that is refused as well would be no remedy.
    let is_taken = judge(&MountOption::new(text.as_str())).refusal.is_none();
    (is_taken && text != option.text()).then_some(text)
}

/// Returns the version that a word without a value names: `nfs4`, `NFSv4.1`, `vers4.1`.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::intended::version_word;
/// assert_eq!(version_word("NFSv4.1").as_deref(), Some("nfsvers=4.1"));
/// assert_eq!(version_word("nfs3").as_deref(), Some("nfsvers=3"));
/// assert_eq!(version_word("nfs"), None);
/// ```
pub fn version_word(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    // The longer names come first: `v` begins several of them.
    let value = ["nfsversion", "nfsvers", "version", "vers", "nfs", "v"]
        .into_iter()
        .find_map(|name| lower.strip_prefix(name))?;
    let text = format!("nfsvers={}", version(value.trim_start_matches(['-', '_', ':']))?);
    judge(&MountOption::new(text.as_str())).refusal.is_none().then_some(text)
}

/// Returns the version in `v4.1`, `NFSv4`, `4.1.`, `4_1`, `41` or `NFS 4.1`; `3.0` is 3.
fn version(value: &str) -> Option<String> {
    let value = value.trim_start_matches('0');
    let lower = value.to_lowercase();
    let rest = lower.strip_prefix("nfs").unwrap_or(&lower).trim_start_matches([' ', '-', '_']);
    let rest = rest.strip_prefix('v').unwrap_or(rest).trim_end_matches('.');
    let is_version = rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match rest {
        "" => None,
        "3.0" | "3-0" | "3_0" | "30" => Some("3".to_owned()),
        "40" | "41" | "42" | "4-0" | "4-1" | "4-2" | "4_0" | "4_1" | "4_2" => {
            Some(format!("4.{}", rest.get(rest.len() - 1..)?))
        }
        rest => is_version.then(|| rest.to_owned()),
    }
}

/// Returns the security flavor that goes by another name elsewhere.
fn flavor(name: &str) -> String {
    let lower = name.trim().to_lowercase().replace(['-', '_'], "");
    match lower.as_str() {
        "unix" | "authsys" | "authunix" | "system" => "sys".to_owned(),
        "krb" | "kerberos" | "kerberos5" => "krb5".to_owned(),
        _ => lower,
    }
}

/// Returns the transport with its address family, as `tcp4` and `tcpv6` name it.
fn transport(name: &str) -> String {
    let lower = name.to_lowercase();
    match lower.as_str() {
        "tcp4" | "tcpv4" | "tcp-4" | "tcp/4" => "tcp".to_owned(),
        "tcpv6" | "tcp-6" | "tcp/6" => "tcp6".to_owned(),
        "rdma4" | "rdmav4" => "rdma".to_owned(),
        "rdmav6" => "rdma6".to_owned(),
        _ => lower,
    }
}

/// Returns a number with a word for times, as `3x`, or with a fraction of nothing.
fn count(value: &str) -> Option<u64> {
    if let Some(number) = value.strip_suffix(".0") {
        return split_unit(number).and_then(|(number, unit)| unit.is_empty().then_some(number));
    }
    let (number, unit) = split_unit(value)?;
    matches!(unit.as_str(), "x" | "time" | "times" | "try" | "tries" | "retry" | "retries").then_some(number)
}

/// A unit of time.
enum Unit {
    Milliseconds,
    Tenths,
    Seconds,
    Minutes,
    Hours,
}

impl Unit {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => Self::Milliseconds,
            "ds" => Self::Tenths,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Seconds,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minutes,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hours,
            _ => return None,
        })
    }
}

/// Returns the whole minutes that a value with a unit is meant to be: `120s`, `2min`, `1h`.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::intended::minutes;
/// assert_eq!((minutes("120s"), minutes("5 minutes"), minutes("90s")), (Some(2), Some(5), None));
/// ```
pub fn minutes(value: &str) -> Option<u64> {
    let digits = value.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = value.strip_prefix(digits)?.to_ascii_lowercase();
    let number: u64 = digits.trim_end().parse().ok()?;
    match Unit::parse(&unit)? {
        // mount.nfs takes whole minutes, and rounding would change the meaning.
        Unit::Seconds => number.is_multiple_of(60).then_some(number / 60),
        Unit::Minutes => Some(number),
        Unit::Hours => number.checked_mul(60),
        Unit::Milliseconds | Unit::Tenths => None,
    }
}

/// Returns a duration with its unit, in whole tenths of a second.
fn tenths(value: &str) -> Option<u64> {
    if let Some(number) = value.strip_suffix(".0").filter(|number| !number.is_empty()) {
        // `600.0` is the number that a template printed of a float.
        return number.parse().ok().filter(|tenths| (1..=6000).contains(tenths));
    }
    if let Some(half) = value.strip_suffix('s').and_then(|value| value.split_once('.')) {
        let tenths: u64 = Some(half.1).filter(|tenth| tenth.len() == 1)?.parse().ok()?;
        let whole: u64 = half.0.parse().ok()?;
        return whole.checked_mul(10)?.checked_add(tenths).filter(|tenths| (1..=6000).contains(tenths));
    }
    let (number, unit) = split_unit(value)?;
    let tenths = match Unit::parse(&unit) {
        None if unit.is_empty() => number,
        Some(Unit::Milliseconds) if number.is_multiple_of(100) => number / 100,
        Some(Unit::Tenths) => number,
        Some(Unit::Seconds) => number.checked_mul(10)?,
        Some(Unit::Minutes) => number.checked_mul(600)?,
        Some(Unit::Milliseconds | Unit::Hours) | None => return None,
    };
    // 6000 is the limit of the kernel over TCP (600 s).
    (tenths > 0 && tenths <= 6000).then_some(tenths)
}

/// Returns a duration with its unit, in whole seconds.
fn seconds(value: &str) -> Option<u64> {
    let (number, unit) = split_unit(value)?;
    match Unit::parse(&unit)? {
        Unit::Milliseconds => number.is_multiple_of(1000).then_some(number / 1000),
        Unit::Tenths => None,
        Unit::Seconds => Some(number),
        Unit::Minutes => number.checked_mul(60),
        Unit::Hours => number.checked_mul(3600),
    }
}

/// Returns a size with its unit, in bytes; K, M and their like are powers of 1024.
fn bytes(value: &str) -> Option<u64> {
    let (number, unit) = split_unit(value)?;
    let factor = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" | "ki" => 1024,
        "m" | "mb" | "mib" | "mi" => 1024 * 1024,
        "g" | "gb" | "gib" | "gi" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Returns a number whose digits stand in groups of three, as `1_048_576`, in one.
fn grouped(value: &str) -> Option<String> {
    let separator = value.chars().find(|c| matches!(c, '_' | '\'' | '.'))?;
    let mut groups = value.split(separator);
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let is_first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()) && is_digits(group));
    // A dot may be a decimal one.
    let is_enough = separator != '.' || value.matches(separator).count() > 1;
    let are_groups =
        groups.clone().next().is_some() && groups.all(|group| group.len() == 3 && is_digits(group));
    (is_first && are_groups && is_enough).then(|| value.replace(separator, ""))
}

/// Returns a plain number and the letters after it, in small ones.
fn split_unit(value: &str) -> Option<(u64, String)> {
    let whole = grouped(value);
    let value = whole.as_deref().unwrap_or(value);
    let digits = value.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = value.strip_prefix(digits)?;
    let is_plain =
        // The kernel reads a leading zero as octal, so its writer may mean either.
        digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_plain)?;
    Some((number, unit.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_one_meaning_is_put_right() {
        for (text, meant) in [
            ("nfsvers=v4.1", "nfsvers=4.1"),
            ("vers=NFSv4", "vers=4"),
            ("vers=4.1.", "vers=4.1"),
            ("vers=3.0", "vers=3"),
            ("proto=TCP", "proto=tcp"),
            ("sec=KRB5P", "sec=krb5p"),
            ("lookupcache=None", "lookupcache=none"),
            ("timeo=60s", "timeo=600"),
            ("timeo=1min", "timeo=600"),
            ("vers=41", "vers=4.1"),
            ("nfsvers=4_2", "nfsvers=4.2"),
            ("actimeo=30s", "actimeo=30"),
            ("acdirmax=2m", "acdirmax=120"),
            ("minorversion=4.1", "minorversion=1"),
            ("rsize=1M", "rsize=1048576"),
            ("wsize=64kB", "wsize=65536"),
            ("rsize=1_048_576", "rsize=1048576"),
            ("rsize=1'048'576", "rsize=1048576"),
            ("wsize=1.048.576", "wsize=1048576"),
            ("wsize=1g", "wsize=1073741824"),
            ("timeo=0.5s", "timeo=5"),
            ("timeo=60.0", "timeo=60"),
            ("timeo==600", "timeo=600"),
            ("vers==4.1", "vers=4.1"),
            ("vers=04.1", "vers=4.1"),
            ("timeo=60seconds", "timeo=600"),
            ("acregmin=3secs", "acregmin=3"),
            ("retry=5m", "retry=5"),
            ("retrans=3x", "retrans=3"),
            ("retrans=3times", "retrans=3"),
            ("retrans=2.0", "retrans=2"),
            ("nconnect=4x", "nconnect=4"),
            ("sec=unix", "sec=sys"),
            ("sec=AUTH_SYS", "sec=sys"),
            ("sec=krb", "sec=krb5"),
            ("sec=kerberos:unix", "sec=krb5:sys"),
            ("proto=tcp4", "proto=tcp"),
            ("proto=tcpv4", "proto=tcp"),
            ("proto=tcpv6", "proto=tcp6"),
            ("lookupcache=off", "lookupcache=none"),
        ] {
            assert_eq!(intended(&MountOption::new(text)).as_deref(), Some(meant), "{text}");
        }
    }

    #[test]
    fn what_may_mean_several_things_is_left() {
        for text in [
            "vers=5", "vers=four", "timeo=60x", "timeo=0s", "timeo=", "rsize=1G2", "hard=1", "nfsvers=4,1",
            "foo=1M", "vers=43", "vers=31", "acregmin=1w", "minorversion=3.1", "rsize=1.5", "rsize=1_04",
            "timeo=0.55s", "timeo=.5", "rsize=1.048", "retry=90s", "retrans=3s", "sec=krb4", "proto=ip",
            "retry=2", "retrans=three", "timeo=1h",
        ] {
            assert_eq!(intended(&MountOption::new(text)), None, "{text}");
        }
    }
}
