//! Measures what a repair leaves: a mount takes no more bytes than a page has.

use super::Piece;
use crate::subject::carrier::most_options;
use crate::subject::{LONGEST_OPTIONS, MOST_OPTIONS, Subject};

/// Returns true if the carriers in force are too long together, and were not before.
pub(super) fn is_overlong(subject: &Subject<'_>, carriers: &[Vec<Piece<'_>>]) -> bool {
    let in_force = subject.carriers.iter().zip(carriers).filter(|(carrier, _)| carrier.in_force);
    let length = |pieces: &[Piece<'_>]| {
        pieces.iter().map(|piece| piece.text.len()).sum::<usize>() + pieces.len().saturating_sub(1)
    };
    let options = |pieces: &[Piece<'_>]| pieces.iter().map(|piece| most_options(&piece.text)).sum::<usize>();
    let (bytes, count) = in_force
        .fold((0, 0), |(bytes, count), (_, pieces)| (bytes + length(pieces), count + options(pieces)));
    subject.overlong.is_none() && (bytes > LONGEST_OPTIONS || count > MOST_OPTIONS)
}
