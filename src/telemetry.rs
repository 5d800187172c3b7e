//! What the server tells of itself: one log event a decision, and metrics.

pub mod log;
pub mod metrics;
pub mod renewal;
