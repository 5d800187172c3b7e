//! Linux kernel releases, as far as an option's existence depends on them.

use std::fmt;

/// A kernel release, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    major: u16,
    minor: u16,
}

impl Kernel {
    /// The oldest kernel the catalog speaks of: RHEL 8's.
    pub const OLDEST: Self = Self::new(4, 18);
    /// The newest kernel the catalog speaks of.
    pub const NEWEST: Self = Self::new(7, 3);

    /// Releases that nodes are known to run, oldest first: RHEL 8 and 9, and
    /// the long-term series up to the newest that was measured.
    pub const COVERED: [Self; 10] = [
        Self::OLDEST,
        Self::new(5, 4),
        Self::new(5, 10),
        Self::new(5, 14),
        Self::new(5, 15),
        Self::new(6, 1),
        Self::new(6, 6),
        Self::new(6, 12),
        Self::new(7, 2),
        Self::NEWEST,
    ];

    /// Makes the version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads a release as `uname -r` writes it, such as `5.14.0-427.el9.x86_64`.
    pub fn parse(release: &str) -> Option<Self> {
        // Distributions append their own numbers: 5.14.0-427.13.1.el9_4.x86_64.
        let mut numbers = release.trim().split(|letter: char| !letter.is_ascii_digit());
        Some(Self::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A span of kernel releases: from `since`, up to but without `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    /// First release of the span.
    pub since: Kernel,
    /// First release after the span; `None` while the span is open.
    pub until: Option<Kernel>,
}

impl Kernels {
    /// Every kernel the catalog covers.
    pub const ALL: Self = Self { since: Kernel::OLDEST, until: None };

    /// No kernel the catalog covers.
    pub const NONE: Self = Self { since: Kernel::new(u16::MAX, 0), until: None };

    /// Returns the kernels from `major.minor` on.
    pub const fn since(major: u16, minor: u16) -> Self {
        Self { since: Kernel::new(major, minor), until: None }
    }

    /// Returns true if `kernel` lies in the span.
    pub fn contains(&self, kernel: Kernel) -> bool {
        kernel >= self.since && self.until.is_none_or(|until| kernel < until)
    }

    /// Returns true if no covered kernel lies in the span.
    pub fn is_empty(&self) -> bool {
        self.since > Kernel::NEWEST
    }

    /// Returns true if every covered kernel lies in the span.
    pub fn is_all(&self) -> bool {
        // Nothing is known of kernels that are newer still.
        self.since <= Kernel::OLDEST && self.until.is_none_or(|until| until > Kernel::NEWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_releases_as_they_are_written() {
        for (release, kernel) in [
            ("5.14.0-427.el9.x86_64", Some(Kernel::new(5, 14))),
            ("6.1-rc3", Some(Kernel::new(6, 1))),
            ("7.2\n", Some(Kernel::new(7, 2))),
            ("6", None),
            ("", None),
            ("Linux 6.1", None),
        ] {
            assert_eq!(Kernel::parse(release), kernel, "{release:?}");
        }
    }
}
