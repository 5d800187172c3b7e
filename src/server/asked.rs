//! The parameters of a request in its head.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::body::Times;
use crate::admission::Endpoint;

/// The parameters of a request in its head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) endpoint: Endpoint,
    pub(super) times: Times,
}

/// Returns the time the caller will wait, which the API server puts into the query as `timeout=3s`.
pub(super) fn asked_timeout(query: Option<&str>) -> Option<Duration> {
    let query = query?;
    let value = match query.strip_prefix("timeout=") {
        Some(value) if value.bytes().all(|byte| byte != b'&') => value,
        _ => query.split('&').find_map(|pair| pair.strip_prefix("timeout="))?,
    };
    // API servers round up to whole seconds (callHook,
    // https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go).
    if let Some(seconds) = value.strip_suffix('s').and_then(|seconds| seconds.parse::<u32>().ok()) {
        return Some(Duration::from_secs(seconds.into()));
    }
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok()?;
    let seconds = match value.strip_prefix(digits)? {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns true if the body is JSON, as the head says.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let has_media_type = || {
        let media_type = value.to_str().ok().and_then(|value| value.split(';').next());
        media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
    };
    value == "application/json" || has_media_type()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_timeout_the_api_server_sends() {
        for (query, expected) in [
            ("timeout=3s", Some(3000)),
            ("a=b&timeout=500ms", Some(500)),
            ("timeout=1m", Some(60_000)),
            ("timeout=1m30s", None),
            ("timeout=-3s", None),
            ("timeout=", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(asked_timeout(Some(query)), expected, "{query}");
        }
    }
}
