//! Checks that `serde_json` takes any text that the quick reader takes, with the same result. The
//! types that the program reads by it are compared where they are.

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{beginning_within, from_slice, length_within, read};

proptest! {
    #[test]
    fn it_reads_texts_and_numbers_as_the_library_does(
        texts in prop::collection::vec(any::<String>(), 0..4), number in any::<i64>(), flag in any::<Option<bool>>()
    ) {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Holds {
            texts: Vec<String>,
            number: i64,
            flag: Option<bool>,
        }
        let text = serde_json::json!({"texts": texts, "skipped": {"texts": texts}, "number": number, "flag": flag});
        let text = text.to_string();
        let slow: Holds = serde_json::from_str(&text)?;
        // The quick reader leaves other texts to the library.
        if let Some(quick) = read::<Holds>(text.as_bytes()) {
            prop_assert_eq!(quick, slow);
        }
        if let Some(quick) = read::<Value>(text.as_bytes()) {
            prop_assert_eq!(quick, serde_json::from_str::<Value>(&text)?);
        }
    }
}

#[test]
fn it_leaves_to_the_library_what_nests_deeply() {
    // The innermost is empty, and nothing stands inside it.
    for (depth, is_read) in [(63, true), (64, false), (65, false), (100_000, false)] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(read::<IgnoredAny>(text.as_bytes()).is_some(), is_read, "{depth}");
    }
}

#[test]
fn strings_end_where_they_end_wherever_blocks_do() {
    for length in (0..200).chain(1000..1100).chain(2040..2060) {
        for end in ["\"", "\\\"\"", "\\\\\"", "\\u00e9\"", "\u{1}\"", ""] {
            let text = format!("[\"{}{end}]", "a".repeat(length));
            let is_well_formed = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            assert_eq!(read::<IgnoredAny>(text.as_bytes()).is_some(), is_well_formed, "{text}");
            let read: Option<Vec<String>> = read(text.as_bytes());
            assert_eq!(read, serde_json::from_str(&text).ok(), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn a_beginning_takes_no_more_than_it_may_and_as_much_as_it_can(text in any::<String>(), most in 0usize..40) {
        let written = |text: &str| serde_json::to_string(text).expect("a string").len() - 2;
        prop_assert_eq!(length_within(&text), written(&text));
        let beginning = beginning_within(&text, most);
        prop_assert!(text.starts_with(beginning) && written(beginning) <= most);
        if let Some(next) = text.strip_prefix(beginning).and_then(|rest| rest.chars().next()) {
            let longer = format!("{beginning}{next}");
            prop_assert!(written(&longer) > most);
        }
    }
}

#[test]
fn no_list_is_read_as_an_object_at_any_depth() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        name: String,
    }
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Outer {
        inner: Inner,
        maybe: Option<Box<Inner>>,
        each: Vec<Inner>,
    }
    for text in ["[]", "{\"inner\": [\"a\"]}", "{\"maybe\": []}", "{\"each\": [{}, []]}"] {
        assert!(serde_json::from_str::<Outer>(text).is_ok(), "{text}");
        let error = from_slice::<Outer>(text.as_bytes()).expect_err(text).to_string();
        assert!(error.starts_with("invalid type: sequence, expected struct "), "{error}");
        assert!(read::<Outer>(text.as_bytes()).is_none(), "{text}");
    }
    let text = "{\"inner\": {\"name\": \"a\"}, \"maybe\": null, \"each\": [{}], \"other\": [[1, null], {\"x\": []}]}";
    let read: Outer = from_slice(text.as_bytes()).expect("an object");
    assert_eq!(read, serde_json::from_str(text).expect("an object"));
    assert!(from_slice::<Outer>(b"{} x").is_err() && from_slice::<Outer>(b"{").is_err());
}
