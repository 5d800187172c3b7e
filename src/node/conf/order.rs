//! The order of names with numbers, as `versionsort(3)` has it.

use std::cmp::Ordering;

/// Compares two names; numbers in them count as numbers.
pub(super) fn versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (head_a, rest_a) = run(a);
        let (head_b, rest_b) = run(b);
        let order = match (number(head_a), number(head_b)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => head_a.cmp(head_b),
        };
        // Of equal numbers the one with more zeros in front comes first.
        let order = order.then_with(|| head_b.len().cmp(&head_a.len()));
        if order != Ordering::Equal || (head_a.is_empty() && head_b.is_empty()) {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The digits, or all else, that a text begins with, and the rest.
fn run(text: &str) -> (&str, &str) {
    let is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Option<u128> {
    text.parse().ok()
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
