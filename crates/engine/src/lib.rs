//! Models the way of a list of NFS mount options through kubelet, CSI driver, mount(8), mount.nfs
//! and the kernel, and evaluates it by a policy. Pure: no files, no network, no clock, no log, no
//! async.
//!
//! A module imports from its own row leftwards and from rows above.
//!
//! | layer | modules, left to right |
//! |---|---|
//! | 0 | [`count`]: counts in texts; [`nfs`]: options, catalog, versions, timeouts |
//! | 1 | [`kind`], [`site`], [`finding`], [`profile`], [`subject`]: kinds of object, places in them, drivers, effective options |
//! | 2 | [`rules`]: one file a rule |
//! | 3 | [`policy`]: what is done about findings, exemptions |
//! | 4 | [`engine`]: evaluate, decide, fix |

pub mod count;
pub mod engine;
pub mod finding;
pub mod kind;
pub mod nfs;
pub mod policy;
pub mod profile;
pub mod rules;
pub mod site;
pub mod subject;
