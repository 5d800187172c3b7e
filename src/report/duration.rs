//! Durations, for people.

use std::time::Duration;

/// Returns `90 s`, `3 min`, `7 days`.
pub(super) fn human(duration: Duration) -> String {
    match duration.as_secs() {
        0..120 if duration.subsec_millis() > 0 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", (seconds + 30) / 60),
        seconds @ 7_200..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        seconds => format!("about {} days", (seconds + 43_200) / 86_400),
    }
}
