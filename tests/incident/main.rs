//! The incident itself, with a real etcd, kube-apiserver, kubelet, containerd,
//! runc and mount.nfs: without the guard a Pod runs and its data goes to the
//! node's local disk; with the webhooks it cannot.
//!
//! All of it runs in mount, pid, network and cgroup namespaces of its own, and
//! a test says that nothing of it is left on the host. This program is started
//! again inside them: see `sandbox.rs`.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a test may end by panicking, and nothing imports a test program"
)]

mod acts;
mod cgroups;
mod host;
mod machine;
mod page;
mod sandbox;

#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/api.rs"]
mod api;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/client_certificate.rs"]
mod client_certificate;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/client_config.rs"]
mod client_config;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/component.rs"]
mod component;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/guard.rs"]
mod guard;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/objects.rs"]
mod objects;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../e2e/proxy.rs"]
mod proxy;

use libtest_mimic::Arguments;

fn main() {
    let inside: Vec<String> = std::env::args().skip(1).collect();
    match inside.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--inside", folder] => sandbox::enter(folder.as_ref()),
        ["--inside", folder, "--on-stage"] => sandbox::play(folder.as_ref()),
        _ => libtest_mimic::run(&Arguments::from_args(), host::trials()).exit(),
    }
}
