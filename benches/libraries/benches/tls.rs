//! Compares the cost of cipher providers, both sides of a connection together.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use nfs_mount_guard_libraries::Pair;
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};

const PROVIDERS: [&str; 2] = ["ring", "aws-lc-rs"];

fn provider(name: &str) -> CryptoProvider {
    if name == "ring" { ring::default_provider() } else { aws_lc_rs::default_provider() }
}

#[divan::bench(args = PROVIDERS)]
fn handshake(bencher: Bencher<'_, '_>, name: &str) {
    let pair = Pair::new(provider(name));
    bencher.bench_local(|| black_box(pair.connect()));
}

#[divan::bench(args = PROVIDERS)]
fn body_of_2_kb(bencher: Bencher<'_, '_>, name: &str) {
    let mut both = Pair::new(provider(name)).connect();
    let body = vec![b'a'; 2000];
    bencher.counter(BytesCount::of_slice(&body)).bench_local(|| black_box(both.send(&body)));
}

#[divan::bench(args = PROVIDERS)]
fn body_of_200_kb(bencher: Bencher<'_, '_>, name: &str) {
    let mut both = Pair::new(provider(name)).connect();
    let body = vec![b'a'; 200_000];
    bencher.counter(BytesCount::of_slice(&body)).bench_local(|| black_box(both.send(&body)));
}

fn main() {
    divan::main();
}
