//! Durations on the command line.

use std::time::Duration;

/// Reads `10s`, `1m 30s` or `500ms`.
///
/// # Errors
///
/// When the text is no duration.
pub fn any(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "must be a duration, for example 10s".to_owned())
}

/// Reads what [`any`] reads, of a second or more.
///
/// # Errors
///
/// When the text is no duration, or a shorter one.
pub fn at_least_a_second(text: &str) -> Result<Duration, String> {
    match any(text)? {
        short if short < Duration::from_secs(1) => Err("must be at least 1s".to_owned()),
        enough => Ok(enough),
    }
}

/// Reads what [`any`] reads, of an hour at most: a process that waits longer looks as if it hung.
///
/// # Errors
///
/// When the text is no duration, or a longer one.
pub fn at_most_an_hour(text: &str) -> Result<Duration, String> {
    match any(text)? {
        long if long > Duration::from_secs(3600) => Err("must be at most 1h".to_owned()),
        enough => Ok(enough),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_duration_is_told_with_one() {
        assert_eq!(any("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(any("ten"), Err("must be a duration, for example 10s".to_owned()));
        assert_eq!(at_least_a_second("999ms"), Err("must be at least 1s".to_owned()));
        assert_eq!(at_least_a_second("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(at_most_an_hour("60m"), Ok(Duration::from_secs(3600)));
        assert_eq!(at_most_an_hour("99d"), Err("must be at most 1h".to_owned()));
    }
}
