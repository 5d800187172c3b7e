//! The reasons why the layers refuse an option, and the layers that overlook them.

use std::fmt;

use super::super::kernel::Kernel;

/// The reason why an option is refused, whichever kernel mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No layer knows the keyword.
    Unknown,
    /// A flag was given a value.
    FlagWithValue,
    /// A value is needed and there is none, or an empty one.
    ValueMissing,
    /// The value is not a number as the kernel reads numbers.
    NotANumber {
        /// The unit of the number; none for one that counts or names something.
        unit: &'static str,
    },
    /// The number has too many digits for the kernel.
    TooLarge {
        /// Largest number taken.
        max: u32,
    },
    /// The number is outside `min..=max`.
    OutOfRange {
        /// Smallest number taken.
        min: u32,
        /// Largest number taken.
        max: u32,
    },
    /// The value is not one of these words.
    NotOneOf(&'static [&'static str]),
    /// No such NFS version, or one that no covered kernel mounts.
    NoSuchVersion,
    /// No covered kernel takes it.
    NoKernel,
}

/// The layers that overlook a refusal of an option if `sloppy` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlooked {
    /// No kernel.
    Never,
    /// Every kernel.
    Always,
    /// Kernels from 5.6 to 5.19: they overlook values of known options, too.
    Sometimes,
}

/// From the first to before the second, kernels overlook beside a `sloppy` values that do not fit, too.
pub const OVERLOOKS_VALUES: (Kernel, Kernel) = (Kernel::new(5, 6), Kernel::new(6, 0));

impl Refusal {
    /// Returns the layers that overlook it if `sloppy` is set, wherever in the list that is: mount.nfs
    /// moves it to the front (nfs-utils 2.6.2; measured: `foo,sloppy=1` becomes `sloppy,foo`), and kernels
    /// before 5.6 read all options before they look. Values that mount.nfs checks itself, and numbers out
    /// of range, are refused anyway. A value that does not fit was overlooked from Linux 5.6
    /// (`nfs_fs_context_parse_param`, `ctx->sloppy`) until 6.0 (`opt == -ENOPARAM`).
    pub const fn overlooked(self) -> Overlooked {
        match self {
            Self::Unknown | Self::FlagWithValue | Self::ValueMissing => Overlooked::Always,
            Self::NotANumber { .. } | Self::TooLarge { .. } | Self::NotOneOf(_) => Overlooked::Sometimes,
            Self::OutOfRange { .. } | Self::NoSuchVersion | Self::NoKernel => Overlooked::Never,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("neither mount.nfs nor any kernel supports it"),
            Self::FlagWithValue => f.write_str("the option takes no value"),
            Self::ValueMissing => f.write_str("a value is required"),
            Self::NotANumber { unit: "" } => f.write_str("the value is not a whole number"),
            Self::NotANumber { unit } => write!(f, "the value is not a whole number (unit: {unit})"),
            Self::TooLarge { max } => write!(f, "must be at most {max}"),
            Self::OutOfRange { min, max } => write!(f, "must be {min} to {max}"),
            Self::NotOneOf(words) => {
                f.write_str("must be one of ")?;
                for (index, word) in words.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{word}")?;
                }
                Ok(())
            }
            Self::NoSuchVersion => f.write_str("there is no such NFS version"),
            Self::NoKernel => f.write_str("no kernel since 4.18 supports it"),
        }
    }
}
