//! The values that may follow an option's `=`, and how each layer reads numbers.

/// A value's grammar, as the kernel's parameter table
/// (<https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c>) and mount.nfs read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// No value: `bg`. The kernel refuses a flag with a value.
    Flag,
    /// A number read by the kernel's `kstrtouint` with base 0, within bounds.
    Number {
        /// Smallest value taken.
        min: u32,
        /// Largest value taken.
        max: u32,
        /// The unit of the number: "0.1 s", "bytes"; none for one that counts or names something.
        unit: &'static str,
    },
    /// One word of a fixed list.
    Word(&'static [&'static str]),
    /// One or more words of a fixed list, separated by `:`.
    Words(&'static [&'static str]),
    /// An NFS version: `3`, `4`, `4.0`, `4.1`, `4.2`.
    Version,
    /// Any text, which must not be empty.
    Text,
    /// Any text, or none, or no `=` at all: nothing ever looks at it.
    Anything,
    /// Nothing, or any text: `fsc` and `fsc=NAME`.
    FlagOrText,
    /// Nothing, or one word of a fixed list.
    FlagOrWord(&'static [&'static str]),
}

/// Reads a number as the kernel does (`kstrtouint`, base 0): an optional `+`,
/// then `0x` for base 16, a leading `0` for base 8, else base 10. Nothing may
/// follow. `None` is what the kernel answers with EINVAL or ERANGE.
pub fn kernel_number(text: &str) -> Option<u32> {
    // Nine digits always fit, and nearly every number is of this form.
    if text.len() < 10 && is_canonical_decimal(text) {
        return Some(text.bytes().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')));
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    // `from_str_radix` would take another sign, which the kernel refuses.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// Reads a number as mount.nfs does for `retry` (`strtol`, base 10): leading
/// white space and a sign are taken, what follows the digits is ignored.
/// `None` where no digit stands.
pub fn leading_number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).filter(|digits| !digits.is_empty())?;
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

/// Returns true if `text` is the one spelling of a number that every layer reads alike: `0`, or
/// digits without a leading zero.
pub fn is_canonical_decimal(text: &str) -> bool {
    match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_the_kernel_does() {
        for (text, number) in [
            ("600", Some(600)),
            ("+600", Some(600)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("-1", None),
            ("0x-1", None),
            ("", None),
            ("09", None),
            ("600s", None),
            (" 600", None),
            ("1.5", None),
        ] {
            assert_eq!(kernel_number(text), number, "{text:?}");
        }
    }

    #[test]
    fn reads_retry_as_strtol_does() {
        for (text, number) in [
            ("2", Some(2)),
            ("-1", Some(-1)),
            ("1h", Some(1)),
            ("abc", None),
            ("", None),
            ("99999999999999999999", Some(i64::MAX)),
        ] {
            assert_eq!(leading_number(text), number, "{text:?}");
        }
    }

    #[test]
    fn knows_the_canonical_decimal() {
        assert!(["0", "7", "600"].into_iter().all(is_canonical_decimal));
        assert!(!["", "007", "+6", "6s", "-1", "0x1"].into_iter().any(is_canonical_decimal));
    }
}
