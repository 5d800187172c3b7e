//! Tests against real components: kube-apiserver, etcd, kubectl, mount.nfs, and
//! the built program itself.
//!
//! A test whose component is missing is reported as ignored with the reason.
//! Under `tests/run`, and with `CI=true`, a component that could be installed
//! and is missing is a failure.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::type_complexity,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a test may end by panicking, and nothing imports a test program"
)]

mod admission_policy;
mod api;
mod apiserver;
mod authority;
mod caller;
mod check;
mod client;
mod client_certificate;
mod client_config;
mod cluster;
mod commands;
mod component;
#[path = "../../benches/creates.rs"]
mod creates;
mod docs;
mod doctor;
mod driver_truth;
mod faults;
mod guard;
mod install;
mod kernel_truth;
#[path = "../reliability/load.rs"]
mod load;
mod lsp;
mod mount_nfs;
mod node_check;
mod objects;
mod other_webhook;
#[path = "../reliability/page.rs"]
mod page;
mod parity;
mod plugin;
mod policy;
mod program;
mod proxy;
mod readers;
#[path = "../../benches/record.rs"]
mod record;
mod review;
#[path = "../reliability/rows.rs"]
mod rows;
mod scan;
#[path = "../../benches/scan.rs"]
mod scan_scale;
mod schema;
#[path = "../reliability/soak.rs"]
mod soak;
mod terminal;
mod tls;
mod wrong_use;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--soak", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return soak::run(rest);
    }
    if arguments == ["--creates"] {
        return match creates::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("benches/run: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if arguments == ["--record"] {
        return match record::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("benches/record-bodies: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(("--scan", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return match scan_scale::run(rest.first().map(String::as_str)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("benches/run: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut arguments = Arguments::from_args();
    // They wait for servers most of the time: two cores run four of them.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.test_threads.get_or_insert(2 * cores);
    let mut trials: Vec<Trial> = Vec::new();
    trials.extend(program::trials());
    trials.extend(tls::trials());
    trials.extend(parity::trials());
    trials.extend(commands::trials());
    trials.extend(wrong_use::trials());
    trials.extend(terminal::trials());
    trials.extend(policy::trials());
    trials.extend(review::trials());
    trials.extend(lsp::trials());
    trials.extend(plugin::trials());
    trials.extend(readers::trials());
    trials.extend(check::trials());
    trials.extend(faults::trials());
    trials.extend(node_check::trials());
    trials.extend(mount_nfs::trials());
    trials.extend(driver_truth::trials());
    trials.extend(kernel_truth::trials());
    trials.extend(apiserver::trials());
    trials.extend(admission_policy::trials());
    trials.extend(caller::trials());
    trials.extend(authority::trials());
    trials.extend(scan::trials());
    trials.extend(doctor::trials());
    trials.extend(install::trials());
    trials.extend(docs::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
