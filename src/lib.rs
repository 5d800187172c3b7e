//! nfs-mount-guard finds, repairs and rejects NFS mount options that lose data in
//! Kubernetes.
//!
//! Layers 0 to 4 are the crate `nfs-mount-guard-engine`, which has no I/O, no clock
//! and no log. A module imports from its own row leftwards and from rows above;
//! cargo keeps that between the crates, a test inside each.
//!
//! | layer | modules, left to right |
//! |---|---|
//! | 0 | [`count`]: counts in texts; [`nfs`]: options, catalog, versions, timeouts |
//! | 1 | [`kind`], [`site`], [`finding`], [`profile`], [`subject`]: kinds of object, places in them, drivers, effective options |
//! | 2 | [`rules`]: one file a rule |
//! | 3 | [`policy`]: what is done about findings, exemptions |
//! | 4 | [`engine`]: evaluate, decide, fix; pure |
//! | 5 | [`called`], [`source`], [`policy_file`], [`admission`], [`admission_policy`], [`report`], [`check`]: bytes in, bytes out |
//! | 6 | `ca`, `telemetry`, `server`, `doctor`, `cluster`, [`node`], `lsp`: certificates, log, metrics, network, diagnosis, the API server, a node's mounts, editors |
//! | 7 | [`cli`] |
//!
#![doc = include_str!("../docs/glossary.md")]

pub mod admission;
pub mod admission_policy;
#[cfg(feature = "serve")]
pub mod ca;
pub mod called;
pub mod check;
pub mod cli;
#[cfg(feature = "serve")]
pub mod cluster;
#[cfg(feature = "serve")]
pub mod doctor;
#[cfg(feature = "lsp")]
pub mod lsp;
#[cfg(unix)]
pub mod node;
pub mod policy_file;
pub mod report;
#[cfg(feature = "serve")]
pub mod server;
pub mod source;
#[cfg(feature = "serve")]
pub mod telemetry;

pub use nfs_mount_guard_engine::{count, engine, finding, kind, nfs, policy, profile, rules, site, subject};
