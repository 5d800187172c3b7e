//! Finding a request's uid in a body that cannot be read as a whole: one that
//! was cut off, or breaks off in the middle of an object.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::subject::manifest::Text;

/// Returns the uid at `request.uid`, if it stands in `body` before whatever makes the body
/// unreadable.
pub fn find_uid(body: &[u8]) -> Option<String> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // The parse may well fail; what counts is what it saw before.
    let _ = UidSeed { path: &["request", "uid"], found: &found }.deserialize(&mut deserializer);
    found.into_inner()
}

/// Descends along `path` and keeps the string at its end.
struct UidSeed<'s> {
    path: &'static [&'static str],
    found: &'s RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for UidSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            let uid = <Text<'de> as serde::Deserialize>::deserialize(deserializer)?;
            self.found.borrow_mut().get_or_insert_with(|| uid.to_string());
            return Ok(());
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UidSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, rest)) = self.path.split_first() else {
            return Ok(());
        };
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if &*key == *name {
                map.next_value_seed(UidSeed { path: rest, found: self.found })?;
            } else {
                // Ends with an error at the end of a body that was cut off.
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_uid_before_a_body_breaks_off() {
        let body = br#"{"kind":"AdmissionReview","request":{"uid":"u1","object":{"spec":["#;
        assert_eq!(find_uid(body).as_deref(), Some("u1"));
    }

    #[test]
    fn takes_no_uid_from_anywhere_else() {
        for body in [
            &br#"{"uid":"u1"}"#[..],
            br#"{"request":{"object":{"metadata":{"uid":"u1"}}}}"#,
            br#"{"request":["uid","u1"]}"#,
            br#"{"request":{"uid":7}}"#,
            b"",
            b"\xff\xfe",
        ] {
            assert_eq!(find_uid(body), None);
        }
    }

    #[test]
    fn is_not_stopped_by_depth_before_the_uid() {
        let mut body = br#"{"x":"#.to_vec();
        body.extend(std::iter::repeat_n(b'[', 100_000));
        body.extend(std::iter::repeat_n(b']', 100_000));
        body.extend(br#","request":{"uid":"u1"}}"#);
        assert_eq!(find_uid(&body).as_deref(), Some("u1"));
    }
}
