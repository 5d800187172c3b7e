//! Measures the cost of a review and of a manifest: `cargo bench --bench performance -- SECTION`.
//! `benches/run` runs all sections and writes docs/development/performance.md.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a program that prints tables"
)]

#[allow(dead_code, reason = "the engine is measured with the rest of it")]
mod bodies;
#[path = "../../tests/e2e/client_config.rs"]
mod client_config;
mod floor;
mod load;
mod machine;
mod page;
mod profile;
mod server;

use std::path::PathBuf;

/// The program that is measured.
fn program() -> PathBuf {
    std::env::var_os("NFS_MOUNT_GUARD_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_nfs-mount-guard").into(), PathBuf::from)
}

fn main() {
    // cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args {
        ["floor", address, certs] => floor::run(address, certs.as_ref(), floor::Answer::Constant),
        ["floor", "--uid", address, certs] => floor::run(address, certs.as_ref(), floor::Answer::Uid),
        ["page", folder] => page::write(folder.as_ref()),
        ["profile"] => profile::run(false),
        ["profile", "--functions"] => profile::run(true),
        ["server"] => server::run(false),
        ["server", "--quick"] => server::run(true),
        _ => {
            eprintln!(
                "usage: cargo bench --bench performance -- server [--quick] | profile [--functions] | page FOLDER"
            );
            std::process::exit(2);
        }
    }
}
