//! The quick reader of reviews: what it takes, serde_json takes with the same
//! result.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfs_mount_guard::admission::json::read;
use nfs_mount_guard::admission::wire::FullReview;
use nfs_mount_guard::subject::manifest::Manifest;

fn agrees<'de, T: serde::Deserialize<'de> + std::fmt::Debug>(text: &'de [u8]) {
    if let Some(quick) = read::<T>(text) {
        let slow = serde_json::from_slice::<T>(text).expect("the library takes it as well");
        assert_eq!(format!("{quick:?}"), format!("{slow:?}"));
    }
}

fuzz_target!(|text: &[u8]| {
    agrees::<serde::de::IgnoredAny>(text);
    agrees::<Manifest<'_>>(text);
    agrees::<FullReview<'_>>(text);
});
