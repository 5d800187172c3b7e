//! The effect of a dead server on a mount, and the placeholders on which it depends.

use std::time::Duration;

use super::{Behind, DeadServer};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::settings::Recovery;
use crate::nfs::timeouts::{self, Retry};
use crate::subject::Subject;
use crate::subject::effective::Token;

/// The options that decide on the effect.
const DECIDING: OptionSet = OptionSet::of(&[
    OptionId::Timeo,
    OptionId::Retrans,
    OptionId::Retry,
    OptionId::Vers,
    OptionId::VersFlag,
    OptionId::Minorversion,
    OptionId::Proto,
    OptionId::Tcp,
    OptionId::Udp,
    OptionId::Rdma,
    OptionId::Bg,
    OptionId::Fg,
    OptionId::Hard,
    OptionId::Soft,
    OptionId::Softerr,
    OptionId::Ro,
    OptionId::Rw,
]);

/// Returns the options that decide on the effect once they are rendered.
pub(super) fn undecided(subject: &Subject<'_>) -> Vec<String> {
    // `bg` is bg whatever follows its `=`.
    let decides = |token: &&Token<'_>| token.option.keyword() != "bg" && token.may_become(DECIDING);
    subject.options.unrendered().filter(decides).map(|token| token.option.text().to_owned()).collect()
}

/// Returns the effect of a dead server on a mount of the subject, whose refusal a background mount
/// may hide.
pub(super) fn of(subject: &Subject<'_>, behind: Option<Behind>) -> DeadServer {
    let settings = subject.options.settings();
    let background = subject.may_go_to_background();
    let retry = retry(subject);
    let silent_try = if behind.is_some() { timeouts::SILENT_NFSV3 } else { timeouts::silent_try(settings) };
    let major_timeout = timeouts::major_timeout(settings);
    let major = major_timeout.as_secs();
    let (recovery, call_seconds) = match settings.recovery {
        Recovery::Hard => ("hard", None),
        Recovery::Soft => ("soft", Some(major)),
        Recovery::Softerr => ("softerr", Some(major)),
    };
    let mount_seconds = timeouts::refused_mount(retry, background).as_secs();
    let deadline = subject.driver.deadline.map(u64::from);
    DeadServer {
        background,
        mount_seconds,
        driver_seconds: deadline.filter(|deadline| !background || *deadline < silent_try.as_secs()),
        silent_try_seconds: silent_try.as_secs(),
        silent_try_milliseconds: milliseconds(silent_try),
        recovery,
        major_timeout_seconds: major,
        major_timeout_milliseconds: milliseconds(major_timeout),
        is_longer: timeouts::is_longer(settings),
        silent_mount_milliseconds: milliseconds(timeouts::silent_mount(silent_try, retry)),
        call_seconds,
        loses_writes: settings.recovery != Recovery::Hard && !settings.read_only,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the `retry` of the mount.
pub(super) fn retry(subject: &Subject<'_>) -> Retry {
    let retry = subject.options.effective().rfind(|token| token.id() == Some(OptionId::Retry));
    Retry::read(retry.and_then(|token| token.option.value()))
}
