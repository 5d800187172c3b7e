//! The order of names with numbers, as `versionsort(3)` has it (`strverscmp` of glibc 2.36).

use std::cmp::Ordering;

/// The digits before the first difference of two names.
enum Run {
    /// None.
    Nothing,
    /// A number without a leading zero.
    Whole,
    /// Zeros alone.
    Zeros,
    /// A leading zero and more: the digits after a decimal point.
    Fraction,
}

/// Compares two names: numbers in them count as numbers, and those with leading zeros as fractions.
pub(super) fn versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let before = a.get(..same).unwrap_or_default();
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    let by_byte = || a.first().cmp(&b.first());
    // Of two numbers the one with more digits is larger.
    let by_length = || digits(a).cmp(&digits(b)).then_with(by_byte);
    let is_digit = |name: &[u8]| name.first().is_some_and(u8::is_ascii_digit);
    let begins = |name: &[u8]| is_digit(name) && name.first() != Some(&b'0');
    match (run(before), is_digit(a), is_digit(b)) {
        (Run::Nothing, ..) if begins(a) && begins(b) => by_length(),
        (Run::Whole, true, true) => by_length(),
        (Run::Whole, has, has_other) if has != has_other => has.cmp(&has_other),
        // A further digit makes a fraction smaller: 00 is before 0.
        (Run::Zeros, has, has_other) if has != has_other => has_other.cmp(&has),
        _ => by_byte(),
    }
}

fn run(before: &[u8]) -> Run {
    let length = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match before.get(before.len() - length..).unwrap_or_default() {
        [] => Run::Nothing,
        [b'0', rest @ ..] if rest.iter().all(|digit| *digit == b'0') => Run::Zeros,
        [b'0', ..] => Run::Fraction,
        _ => Run::Whole,
    }
}

/// Returns the number of digits that bytes begin with.
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in the order in which `strverscmp` of glibc 2.36 puts them.
    const NAMES: [&str; 32] = [
        "", "000", "00", "01", "010", "09", "09-site.conf", "0", "0a", "1", "1-local.conf", "1.01", "1.2",
        "1.10", "9", "9.conf", "10", "10.conf", "a", "a001", "a00", "a01", "a01b", "a0", "a0a", "a1", "a1b",
        "a2", "a9", "a10", "b.conf", "foo 0",
    ];

    #[test]
    fn each_two_names_are_in_the_order_of_glibc() {
        for (index, a) in NAMES.iter().enumerate() {
            for (other, b) in NAMES.iter().enumerate() {
                assert_eq!(versions(a, b), index.cmp(&other), "{a:?} {b:?}");
            }
        }
    }
}
