//! Exports the server's telemetry: one log event for each decision, and metrics.

pub mod log;
pub mod metrics;
pub mod renewal;
