//! Counts in texts: one finding, two findings.

use std::fmt;

/// A number and what it counts, as `1 finding` and `2 findings`.
///
/// ```
/// # use nfs_mount_guard_engine::count::{counted, named};
/// assert_eq!(counted(1, "finding").to_string(), "1 finding");
/// assert_eq!(counted(0, "finding").to_string(), "0 findings");
/// assert_eq!(named(1, "try", "tries").to_string(), "1 try");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<N> {
    count: N,
    one: &'static str,
    many: Option<&'static str>,
}

/// A number as sentences show it, with a comma between thousands.
///
/// ```
/// # use nfs_mount_guard_engine::count::{counted, grouped};
/// assert_eq!(grouped(600).to_string(), "600");
/// assert_eq!(grouped(10_000).to_string(), "10,000");
/// assert_eq!(counted(grouped(1_234_567), "byte").to_string(), "1,234,567 bytes");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped(u64);

/// Shows `number` with a comma between thousands.
pub const fn grouped(number: u64) -> Grouped {
    Grouped(number)
}

impl From<u8> for Grouped {
    fn from(number: u8) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut scale, mut rest) = (1_u64, self.0);
        while rest / scale >= 1000 {
            scale *= 1000;
        }
        write!(f, "{}", rest / scale)?;
        while scale > 1 {
            rest %= scale;
            scale /= 1000;
            write!(f, ",{:03}", rest / scale)?;
        }
        Ok(())
    }
}

/// Counts so many of `one`, whose plural ends in `s`.
pub const fn counted<N>(count: N, one: &'static str) -> Counted<N> {
    Counted { count, one, many: None }
}

/// Counts so many of `one`, of which several are `many`.
pub const fn named<N>(count: N, one: &'static str, many: &'static str) -> Counted<N> {
    Counted { count, one, many: Some(many) }
}

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.count)?;
        match self.many {
            _ if self.count == N::from(1) => f.write_str(self.one),
            Some(many) => f.write_str(many),
            None => write!(f, "{}s", self.one),
        }
    }
}
