//! The order of names with numbers, as `versionsort(3)` has it.

use std::cmp::Ordering;

/// Compares two names; numbers in them count as numbers.
pub(super) fn versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    // A number begins before the first difference, if digits are in front of it.
    let digits = a.iter().take(same).rev().take_while(|byte| byte.is_ascii_digit()).count();
    let from = same - digits;
    let (a, b) = (a.get(from..).unwrap_or_default(), b.get(from..).unwrap_or_default());
    match (number(a), number(b)) {
        // Of equal numbers the one with more zeros in front comes first.
        (Some((x, length_a)), Some((y, length_b))) => {
            x.cmp(&y).then_with(|| length_b.cmp(&length_a)).then_with(|| a.cmp(b))
        }
        _ => a.cmp(b),
    }
}

/// The number that bytes begin with, and the number of its digits.
fn number(bytes: &[u8]) -> Option<(u128, usize)> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let number = std::str::from_utf8(bytes.get(..end)?).ok()?.parse().ok()?;
    Some((number, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["b.conf", "10.conf", "a.conf", "9.conf", "01.conf", "1.conf", "a2.conf", "a10.conf"];
        names.sort_unstable_by(|a, b| versions(a, b));
        assert_eq!(
            names,
            ["01.conf", "1.conf", "9.conf", "10.conf", "a.conf", "a2.conf", "a10.conf", "b.conf"]
        );
    }
}
