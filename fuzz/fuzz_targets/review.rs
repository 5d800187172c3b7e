//! AdmissionReviews: any bytes get an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use time::macros::date;

fuzz_target!(|body: &[u8]| {
    let policy = Policy::default();
    for endpoint in [Endpoint::Validate, Endpoint::Mutate] {
        let question = Question { endpoint, body, policy: &policy, today: date!(2026 - 03 - 01) };
        let answer = review(&question, &mut |_| {});
        assert!(matches!(answer.status, 200 | 400));
    }
});
