//! Follows the bytes of a text through replacements.

use crate::source::rewrite::Replacement;

/// The replacements that make one text of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shift {
    /// First byte, the byte after the last, and the length of what takes their place; in order.
    edits: Vec<(usize, usize, usize)>,
}

impl Shift {
    /// Takes the replacements, which do not overlap.
    pub(super) fn of<'r>(replacements: impl IntoIterator<Item = &'r Replacement>) -> Self {
        let edit = |replacement: &Replacement| (replacement.start, replacement.end, replacement.with.len());
        let mut edits: Vec<_> = replacements.into_iter().map(edit).collect();
        edits.sort_unstable();
        Self { edits }
    }

    /// Returns where a byte of the old text is in the new one; the first one of what takes its place.
    pub fn after(&self, offset: usize) -> usize {
        let (mut gained, mut lost) = (0, 0);
        for (start, end, length) in &self.edits {
            if *end > offset {
                let within = offset.saturating_sub(*start);
                return (offset - within + gained).saturating_sub(lost);
            }
            gained += length;
            lost += end - start;
        }
        (offset + gained).saturating_sub(lost)
    }

    /// Returns where a byte of the new text is in the old one.
    pub fn before(&self, offset: usize) -> usize {
        let (mut gained, mut lost) = (0, 0);
        for (start, end, length) in &self.edits {
            let begins = (start + gained).saturating_sub(lost);
            if begins > offset {
                break;
            }
            if offset < begins + length {
                return *start;
            }
            gained += length;
            lost += end - start;
        }
        (offset + lost).saturating_sub(gained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::rewrite::apply;

    #[test]
    fn a_byte_that_stays_is_found_in_both_texts() {
        let old = "a: bg\nb: [x, y]\nc: hard\nd: 1\n";
        let edit = |start: usize, end: usize, with: &str| Replacement { start, end, with: with.to_owned() };
        let edits = [edit(3, 5, "foreground"), edit(10, 13, ""), edit(14, 14, ", z"), edit(19, 23, "h")];
        let new = apply(old, edits.iter().collect()).unwrap();
        let shift = Shift::of(&edits);
        for letter in ["a:", "b:", "y", "c:", "d:"] {
            let (at, then) = (old.find(letter).unwrap(), new.find(letter).unwrap());
            assert_eq!((shift.after(at), shift.before(then)), (then, at), "{letter}");
        }
        assert_eq!(shift.after(4), new.find("foreground").unwrap());
        assert_eq!(shift.before(new.find("ground").unwrap()), 3);
    }
}
