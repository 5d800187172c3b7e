//! Finds the options that a repair removes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::nfs::catalog::OptionId;
use crate::nfs::disguised::intended_options;
use crate::nfs::option::MountOption;
use crate::site::Place;
use crate::subject::Subject;

/// Returns the options that a subject holds before and no more after, wherever they stand; one
/// in the place of another counts, too, and what is only written otherwise does not.
pub(super) fn options(subject: &Subject<'_>, moved: &[Place], after: &[Vec<Cow<'_, str>>]) -> Vec<String> {
    let carriers = || subject.carriers.iter().zip(after);
    let is_unchanged = carriers()
        .all(|(carrier, after)| after.iter().map(|text| &**text).eq(carrier.elements.iter().copied()));
    if is_unchanged && moved.is_empty() {
        return Vec::new();
    }
    let stays = |place: &Place| !moved.contains(place);
    let mut gone = Counts::default();
    for (carrier, _) in carriers() {
        gone.add(carrier.elements.iter().copied());
    }
    for field in subject.misplaced.iter().filter(|field| !stays(&Place::Field(field.path.clone()))) {
        gone.add(field.texts.iter().map(String::as_str));
    }
    // The annotation of a volume that takes none is no carrier of its options.
    gone.add(subject.unread_annotation.into_iter().filter(|_| !stays(&Place::Annotation)));
    let mut come = Counts::default();
    for (_, after) in carriers().filter(|(carrier, _)| stays(&carrier.place)) {
        come.add(after.iter().map(|text| &**text));
    }
    gone.without(&mut come);
    gone.0
        .into_iter()
        .filter(|(_, (_, count))| *count > 0)
        .map(|(option, (order, _))| (order, option))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// Options with their first place in a row, and how often each occurs.
#[derive(Default)]
struct Counts(BTreeMap<String, (usize, usize)>);

/// Most pairs of options that are compared by their letters.
const MOST_COMPARED: usize = 10_000;

impl Counts {
    fn add<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for option in texts.flat_map(intended_options) {
            let order = self.0.len();
            self.0.entry(option).or_insert((order, 0)).1 += 1;
        }
    }

    /// Takes out those that are among the others, as they are or put right.
    fn without(&mut self, others: &mut Self) {
        for (option, (_, count)) in &mut self.0 {
            let Some((_, there)) = others.0.get_mut(option) else { continue };
            // An option that was there twice and is there once is not removed.
            *there -= (*count).min(*there);
            *count = 0;
        }
        others.0.retain(|_, (_, count)| *count > 0);
        if self.0.len().saturating_mul(others.0.len()) > MOST_COMPARED {
            return;
        }
        for (option, (_, count)) in &mut self.0 {
            for (other, (_, there)) in &mut others.0 {
                if *count > 0 && *there > 0 && is_respelt(option, other) {
                    let both = (*count).min(*there);
                    *count -= both;
                    *there -= both;
                }
            }
        }
    }
}

/// Returns true if an option is another one put right: the same word with another value, or a word
/// that nothing knows, but for its spelling.
fn is_respelt(gone: &str, come: &str) -> bool {
    // Longer words are other words.
    const LONGEST: usize = 64;
    let (gone, come) = (MountOption::new(gone), MountOption::new(come));
    match (gone.entry(), come.entry()) {
        (Some(gone), Some(come)) => {
            (gone.id, gone.negated) == (come.id, come.negated) && gone.id != OptionId::Bg
        }
        (None, Some(_)) => {
            let written = gone.keyword().to_lowercase();
            // A `bg` in capitals is no misspelt `fg`.
            written.trim() != "bg"
                && written.len() <= LONGEST
                && strsim::osa_distance(&written, come.keyword()) <= 2
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_right_is_not_removed_and_a_background_mount_is() {
        for (gone, come, is_same) in [
            ("timeo=60s", "timeo=600", true),
            ("Hard", "hard", true),
            ("noatme", "noatime", true),
            ("BG", "fg", false),
            (" Bg ", "fg", false),
            ("bg", "fg", false),
            ("ac", "noac", false),
            ("soft", "hard", false),
        ] {
            assert_eq!(is_respelt(gone, come), is_same, "{gone} and {come}");
        }
    }

    #[test]
    fn what_stood_twice_and_stands_once_is_not_removed() {
        let (mut gone, mut come) = (Counts::default(), Counts::default());
        gone.add(["hard", "bg", "hard,intr"].into_iter());
        come.add(["hard", "fg"].into_iter());
        gone.without(&mut come);
        let left: Vec<&str> =
            gone.0.iter().filter(|(_, (_, count))| *count > 0).map(|(option, _)| option.as_str()).collect();
        assert_eq!(left, ["bg", "intr"]);
    }
}
