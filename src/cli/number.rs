//! Numbers on the command line.

use crate::count::grouped;

/// Reads a number from `MIN` to `MAX`.
///
/// # Errors
///
/// When the text is no number, or one outside of them; the message has both.
pub(super) fn within<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("must be {} to {}", grouped(MIN), grouped(MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_is_answered_with_the_range() {
        assert_eq!(within::<u32, 1, 10_000>("10000"), Ok(10_000));
        for text in ["0", "10001", "-1", "a", "", "1.5"] {
            assert_eq!(within::<u32, 1, 10_000>(text), Err("must be 1 to 10,000".to_owned()), "{text}");
        }
    }
}
