//! Compares libraries at reading a review, and measures a whole decision, the patch included.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use nfs_mount_guard::admission::wire::FullReview;
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use serde::de::IgnoredAny;
use time::macros::date;

#[path = "../../performance/bodies.rs"]
#[allow(dead_code, reason = "the server is measured with all of it")]
mod bodies;

#[path = "decode/brackets.rs"]
mod brackets;

/// The review's size.
#[derive(Debug, Clone, Copy)]
enum Body {
    Small,
    Large,
}

impl Body {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Small => bodies::small(),
            Self::Large => bodies::large(),
        }
    }
}

const BODIES: [Body; 2] = [Body::Small, Body::Large];

fn each<T>(bencher: Bencher<'_, '_>, body: Body, read: impl Fn(&mut [u8]) -> T) {
    let bytes = body.bytes();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        // Some libraries write into what they read; all get a copy.
        .with_inputs(|| bytes.clone())
        .bench_local_refs(|bytes| {
            black_box(read(bytes));
        });
}

#[divan::bench(args = BODIES)]
fn memcpy_alone(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| bytes.to_vec());
}

#[divan::bench(args = BODIES)]
fn quick_reader_of_the_guard(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(nfs_mount_guard_json::read::<FullReview<'_>>(bytes).is_some()));
}

/// Measures the rest when nothing is checked: finding the end of the text that brackets outside of
/// strings enclose.
#[divan::bench(args = BODIES)]
fn pre_scan_that_checks_nothing(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert_eq!(brackets::depth(bytes), 0));
}

#[divan::bench(args = BODIES)]
fn serde_json_into_the_same(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(serde_json::from_slice::<FullReview<'_>>(bytes).is_ok()));
}

#[divan::bench(args = BODIES)]
fn serde_json_into_nothing(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok()));
}

#[divan::bench(args = BODIES)]
fn serde_json_into_a_tree(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON"));
}

#[divan::bench(args = BODIES)]
fn sonic_rs_into_the_same(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(sonic_rs::from_slice::<FullReview<'_>>(bytes).is_ok()));
}

#[divan::bench(args = BODIES)]
fn sonic_rs_into_nothing(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(sonic_rs::from_slice::<IgnoredAny>(bytes).is_ok()));
}

#[divan::bench(args = BODIES)]
fn simd_json_into_the_same(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(simd_json::from_slice::<FullReview<'_>>(bytes).is_ok()));
}

#[divan::bench(args = BODIES)]
fn simd_json_into_a_tape(bencher: Bencher<'_, '_>, body: Body) {
    each(bencher, body, |bytes| assert!(simd_json::to_tape(bytes).is_ok()));
}

fn decide(bencher: Bencher<'_, '_>, endpoint: Endpoint, body: &[u8]) {
    let policy = Policy::default();
    let question = Question { endpoint, body, policy: &policy, today: date!(2026 - 03 - 01) };
    bencher.bench_local(|| black_box(review(&question, &mut |_| {})));
}

#[divan::bench(args = BODIES)]
fn whole_decision_allowed(bencher: Bencher<'_, '_>, body: Body) {
    decide(bencher, Endpoint::Validate, &body.bytes());
}

#[divan::bench]
fn whole_decision_patched(bencher: Bencher<'_, '_>) {
    decide(bencher, Endpoint::Mutate, &bodies::background());
}

#[divan::bench]
fn whole_decision_refused(bencher: Bencher<'_, '_>) {
    decide(bencher, Endpoint::Validate, &bodies::background());
}

fn main() {
    divan::main();
}
