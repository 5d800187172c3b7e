//! The engine against what is known of the world: three real kernels, real
//! objects, one fixture a rule and a driver, and properties that must hold for
//! any input.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may end by panicking, and nothing imports a test program"
)]

mod access_modes;
mod bounds;
mod bypasses;
mod corpus;
mod driver_truth;
mod drivers;
mod filling;
mod fixture;
mod kernel_truth;
mod kinds;
mod mending;
mod observing;
mod overridden;
mod placeholders;
mod policies;
mod policy_keys;
mod profiles;
mod promised;
mod properties;
mod readings;
mod recovery;
mod repair;
mod replaced;
mod rules;
mod second_version;
mod sorting;
mod spellings;
mod too_long;
mod unreadable;
mod warnings;
mod winners;
