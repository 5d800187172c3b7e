//! What the program shows of its findings and rules, one file a format.

pub mod rule_page;
