//! Whatever of a review the quick reader takes, the slow one takes with the same
//! result.

use nfs_mount_guard_json::read;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::wire::FullReview;
use crate::subject::manifest::Manifest;

fn agrees<'de, T: serde::Deserialize<'de> + std::fmt::Debug>(text: &'de [u8]) -> Result<(), TestCaseError> {
    if let Some(quick) = read::<T>(text) {
        let slow = nfs_mount_guard_json::from_slice::<T>(text);
        prop_assert!(slow.is_ok(), "{slow:?}: {}", String::from_utf8_lossy(text));
        prop_assert_eq!(format!("{quick:?}"), format!("{:?}", slow?));
    }
    Ok(())
}

fn all_agree(text: &[u8]) -> Result<(), TestCaseError> {
    agrees::<IgnoredAny>(text)?;
    agrees::<Manifest<'_>>(text)?;
    agrees::<FullReview<'_>>(text)
}

/// Makes any JSON value, with the schema's own keys among the others.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        3 => "[a-z]{0,80}".prop_map(String::from),
        1 => any::<String>(),
        1 => "[\"\\\\\u{0}-\u{1f}\u{7f}é]{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    let key = prop_oneof![
        3 => prop::sample::select(vec![
            "apiVersion", "kind", "metadata", "name", "annotations", "labels", "provisioner", "parameters",
            "mountOptions", "spec", "csi", "nfs", "readOnly", "volumeAttributes", "accessModes", "request", "uid",
            "object", "oldObject", "namespace", "dryRun", "userInfo", "username", "operation", "managedFields", "hostPath",
        ])
        .prop_map(String::from),
        1 => text,
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Returns a review whose object holds anything at all.
fn review() -> impl Strategy<Value = Value> {
    (value(), value(), value()).prop_map(|(metadata, spec, old)| {
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "request": {"uid": "u", "operation": "UPDATE", "object": {"metadata": {"managedFields": metadata}, "spec": spec},
                "oldObject": old},
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn it_skips_every_well_formed_value(value in value(), is_pretty in any::<bool>()) {
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }?;
        prop_assert!(read::<IgnoredAny>(text.as_bytes()).is_some(), "{}", text);
        all_agree(text.as_bytes())?;
    }

    #[test]
    fn it_reads_a_review_as_the_library_does(review in review()) {
        all_agree(review.to_string().as_bytes())?;
    }

    #[test]
    fn it_takes_no_damaged_text_that_the_library_refuses(
        review in review(), at in any::<prop::sample::Index>(), damage in prop::collection::vec(any::<u8>(), 0..3),
        cut in 0_usize..3
    ) {
        let mut text = review.to_string().into_bytes();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, damage);
        all_agree(&text)?;
    }

    #[test]
    fn it_takes_no_row_of_tokens_that_the_library_refuses(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"a\":{},", "\"kind\"", "\"spec\"", "\\", "\\u", "00e9", "\\n", "-",
        "0", "1", ".", "e", "E+", "true", "false", "null", "tru", " ", "\n", "\t", "\u{1}", "\u{7f}", "é", "{}", "[]",
    ]), 0..12)) {
        all_agree(tokens.concat().as_bytes())?;
    }
}

#[test]
fn it_reads_the_usual_review_itself() {
    let review = include_bytes!("../../examples/lost-volume.review.json");
    assert!(read::<FullReview<'_>>(review).is_some());
}

#[test]
fn it_reads_what_an_api_server_sends_itself() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/bodies");
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let review = std::fs::read(&path).expect("a review");
        assert!(read::<FullReview<'_>>(&review).is_some(), "{}", path.display());
    }
}
