//! nfs-mount-guard knows what a list of NFS mount options will really do, and
//! keeps the dangerous ones out of Kubernetes.
//!
//! A module imports from its own row leftwards and from rows above; a test
//! reads the `use` lines and checks it.
//!
//! | layer | modules, left to right |
//! |---|---|
//! | 0 | [`count`]: counts in texts; [`nfs`]: options, catalog, versions, clocks |
//! | 1 | [`kind`], [`site`], [`finding`], [`profile`], [`subject`]: kinds of object, places in them, drivers, effective options |
//! | 2 | [`rules`]: one file a rule |
//! | 3 | [`policy`]: what is done about findings, exemptions |
//! | 4 | [`engine`]: evaluate, decide, fix; pure |
//! | 5 | [`source`], [`policy_file`], [`admission`], [`admission_policy`], [`report`], [`check`]: bytes in, bytes out |
//! | 6 | `authority`, `telemetry`, `server`, `cluster`, [`node`]: certificates, log, metrics, network, the API server, a node's mounts |
//! | 7 | [`cli`] |

pub mod admission;
pub mod admission_policy;
#[cfg(feature = "serve")]
pub mod authority;
pub mod check;
pub mod cli;
#[cfg(feature = "serve")]
pub mod cluster;
pub mod count;
pub mod engine;
pub mod finding;
pub mod kind;
pub mod nfs;
#[cfg(unix)]
pub mod node;
pub mod policy;
pub mod policy_file;
pub mod profile;
pub mod report;
pub mod rules;
#[cfg(feature = "serve")]
pub mod server;
pub mod site;
pub mod source;
pub mod subject;
#[cfg(feature = "serve")]
pub mod telemetry;
