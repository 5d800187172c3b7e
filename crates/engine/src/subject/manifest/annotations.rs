//! The annotations of an object that mean something here.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{EXEMPT_ANNOTATION, PROVISIONED_BY_ANNOTATION, STORAGE_CLASS_ANNOTATION, Text};
use crate::nfs::placeholder::has_placeholder;
use crate::site::MOUNT_OPTIONS_ANNOTATION;
use crate::subject::Misplaced;
use crate::subject::unread::{may_be_stray, stray_annotation};

/// Most annotations of another name that are kept: more than a webhook has warnings.
const MOST_STRAYS: usize = 32;

/// The annotations that mean something here; the others, such as the whole
/// object that kubectl keeps in one, are not even copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations<'a> {
    /// Value of [`MOUNT_OPTIONS_ANNOTATION`].
    pub mount_options: Option<Text<'a>>,
    /// Value of [`STORAGE_CLASS_ANNOTATION`].
    pub storage_class: Option<Text<'a>>,
    /// Value of [`PROVISIONED_BY_ANNOTATION`].
    pub provisioned_by: Option<Text<'a>>,
    /// Value of [`EXEMPT_ANNOTATION`].
    pub exempt: Option<Text<'a>>,
    /// The placeholder for a key, or for all of them.
    pub unrendered: Option<Text<'a>>,
    /// Those of another name that hold options, which nothing reads.
    pub strays: Vec<Misplaced>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnnotationsVisitor;
        impl<'de> Visitor<'de> for AnnotationsVisitor {
            type Value = Annotations<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations<'de>, A::Error> {
                let mut found = Annotations::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let field = match &*key {
                        MOUNT_OPTIONS_ANNOTATION => {
                            Some((MOUNT_OPTIONS_ANNOTATION, &mut found.mount_options))
                        }
                        STORAGE_CLASS_ANNOTATION => {
                            Some((STORAGE_CLASS_ANNOTATION, &mut found.storage_class))
                        }
                        PROVISIONED_BY_ANNOTATION => {
                            Some((PROVISIONED_BY_ANNOTATION, &mut found.provisioned_by))
                        }
                        EXEMPT_ANNOTATION => Some((EXEMPT_ANNOTATION, &mut found.exempt)),
                        _ => None,
                    };
                    if let Some((name, field)) = field {
                        // Readers differ on which of two counts.
                        if field.is_some() {
                            return Err(A::Error::duplicate_field(name));
                        }
                        *field = map.next_value()?;
                        continue;
                    }
                    match &*key {
                        // A key of an object that an API server stored begins with a letter or a digit.
                        name if name.starts_with(['$', '{']) && has_placeholder(name) => {
                            map.next_value::<IgnoredAny>()?;
                            found.unrendered = Some(key);
                        }
                        name if found.strays.len() < MOST_STRAYS && may_be_stray(name) => {
                            let Lenient(value) = map.next_value()?;
                            found.strays.extend(value.and_then(|value| stray_annotation(name, &value)));
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(AnnotationsVisitor)
    }
}

/// A value that is text, or anything else in a file that no API server has read yet.
struct Lenient<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Lenient<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyVisitor;
        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = Lenient<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Lenient<'de>, E> {
                Ok(Lenient(Some(Text::from(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Lenient<'de>, E> {
                Ok(Lenient(Some(Text::from(text.to_owned()))))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Lenient<'de>, E> {
                Ok(Lenient(None))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Lenient<'de>, E> {
                Ok(Lenient(None))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Lenient<'de>, E> {
                Ok(Lenient(None))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Lenient<'de>, E> {
                Ok(Lenient(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Lenient<'de>, E> {
                Ok(Lenient(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lenient<'de>, A::Error> {
                // Serde requires that a list is read to its end.
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Lenient(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lenient<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Lenient(None))
            }
        }
        deserializer.deserialize_any(AnyVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may end by panicking")]
mod tests {
    use super::*;
    use crate::subject::LONGEST_OPTIONS;

    fn strays(json: &str) -> Vec<Misplaced> {
        serde_json::from_str::<Annotations<'_>>(json).unwrap().strays
    }

    #[test]
    fn options_under_another_name_are_strays_whatever_the_other_values_are() {
        let json = r#"{"nfs-mount-options": "hard,bg", "a/mountOptions": ["bg"], "b/mountOptions": {"bg": [1]},
            "c/mountOptions": 4, "d/mountOptions": null, "e/mountOptions": true, "f/mountOptions": "",
            "example.com/options": "weekly", "volume.beta.kubernetes.io/mount-options": "soft"}"#;
        let found = strays(json);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, ["metadata", "annotations", "nfs-mount-options"]);
        assert_eq!(found[0].texts, ["hard,bg"]);
    }

    #[test]
    fn one_annotation_twice_is_no_object() {
        for name in
            [MOUNT_OPTIONS_ANNOTATION, STORAGE_CLASS_ANNOTATION, PROVISIONED_BY_ANNOTATION, EXEMPT_ANNOTATION]
        {
            let json = format!("{{\"{name}\": \"a\", \"{name}\": \"b\"}}");
            let error = serde_json::from_str::<Annotations<'_>>(&json).unwrap_err().to_string();
            assert!(error.starts_with(&format!("duplicate field `{name}`")), "{error}");
        }
    }

    #[test]
    fn a_hostile_object_has_few_of_them() {
        let many: Vec<String> =
            (0..2 * MOST_STRAYS).map(|at| format!("\"x{at}/mountOptions\": \"bg\"")).collect();
        assert_eq!(strays(&format!("{{{}}}", many.join(","))).len(), MOST_STRAYS);
        let long = "a".repeat(LONGEST_OPTIONS + 1);
        assert!(strays(&format!("{{\"mountOptions\": \"{long}\"}}")).is_empty());
    }
}
