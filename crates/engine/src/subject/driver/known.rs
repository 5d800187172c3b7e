//! The evidence for what a row says of a driver.

/// The evidence for a row, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The driver of this version ran, and its calls of mount were recorded
    /// (`tests/driver-truth`).
    Measured(&'static str),
    /// The source of this commit or version was read.
    Read(&'static str),
    /// The vendor's documentation says so; the source was not read.
    Documented,
    /// Neither source nor documentation says what happens to options.
    Unknown,
}

impl Known {
    /// Returns true if someone has read or measured what the driver does with options.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Measured(_) | Self::Read(_))
    }

    /// Returns the words of pages and `explain`.
    pub fn describe(self) -> String {
        match self {
            Self::Measured(version) => format!("measured at {version}"),
            Self::Read(version) => format!("read in the source at {version}"),
            Self::Documented => "documented by the vendor, source not read".to_owned(),
            Self::Unknown => "no: neither the source nor the documentation says it".to_owned(),
        }
    }
}
