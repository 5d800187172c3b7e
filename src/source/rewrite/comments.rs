//! Comments of a text that a replacement takes away.

use super::Replacement;
use super::lines::line_start;

/// Returns where the comments begin that stand in the replaced text, and not in the new one.
pub fn lost(text: &str, replacement: &Replacement) -> Vec<usize> {
    let taken = text.get(replacement.start..replacement.end).unwrap_or_default();
    // A replacement that begins in the middle of a comment's line begins after its sign.
    let line = text.get(line_start(text, replacement.start)..replacement.start).unwrap_or_default();
    let is_inside = first(line).is_some();
    let mut at = replacement.start;
    let mut lost = Vec::new();
    for (index, line) in taken.split_inclusive('\n').enumerate() {
        let found = first(line).filter(|_| index > 0 || !is_inside);
        let comment = found.and_then(|found| line.get(found..)).map(str::trim_end);
        if let Some((found, comment)) = found.zip(comment)
            // A replacement may carry the comment to its new place.
            && !replacement.with.contains(comment)
        {
            lost.push(at + found);
        }
        at += line.len();
    }
    lost
}

/// Returns where the comment of a line begins.
pub(super) fn first(line: &str) -> Option<usize> {
    let begins = line.trim_start().starts_with('#').then(|| line.len() - line.trim_start().len());
    // YAML requires a space before the sign: `a#b` is text.
    begins.or_else(|| line.find(" #").map(|at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_the_new_text_lacks_is_lost() {
        let text = "- hard # stays\n# about intr\n- intr # may go\n- fg\n";
        let all = Replacement::new(15..text.len(), "- fg\n");
        assert_eq!(lost(text, &all), [15, 35]);
        let kept = Replacement::new(15..text.len(), "# about intr\n- fg # may go\n");
        assert!(lost(text, &kept).is_empty());
        let value = Replacement::new(2..6, "soft");
        assert!(lost(text, &value).is_empty());
        let within = Replacement::new(10..text.len(), "");
        assert_eq!(lost(text, &within), [15, 35], "its own line's comment begins before it");
    }
}
