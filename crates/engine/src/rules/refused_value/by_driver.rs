//! Options that a driver itself refuses, so that mount is never called.

use crate::nfs::option::MountOption;
use crate::subject::Subject;
use crate::subject::driver::evidence::Evidence;
use crate::subject::driver::refusal::{Refused, What};
use crate::subject::effective::Token;

/// Returns true if the driver itself refuses an option, so that mount is never called.
pub fn is_refused_by_driver(subject: &Subject<'_>, token: &Token<'_>) -> bool {
    refusals(subject, token).next().is_some()
}

/// Returns true if the driver itself would refuse an option as an element of its own.
pub(crate) fn is_refused_alone(subject: &Subject<'_>, option: &MountOption<'_>) -> bool {
    refusals_of(subject, option, true).next().is_some()
}

/// Returns the reason why the driver itself refuses an option.
pub(super) fn refusals<'c>(
    subject: &'c Subject<'_>,
    token: &'c Token<'_>,
) -> impl Iterator<Item = &'static Refused> + use<'c> {
    let site = token.site.as_ref();
    let carrier = site.and_then(|site| subject.carriers.get(site.carrier));
    let element = carrier.zip(site).and_then(|(carrier, site)| carrier.elements.get(site.element));
    // By length: a token may be a part of its element, and is never more.
    let is_alone = element.is_some_and(|element| element.len() == token.option.text().len());
    refusals_of(subject, &token.option, is_alone)
}

/// Returns the reason why the driver refuses an option, which is an element of its own if it is alone.
fn refusals_of<'c>(
    subject: &'c Subject<'_>,
    option: &'c MountOption<'_>,
    is_alone: bool,
) -> impl Iterator<Item = &'static Refused> + use<'c> {
    let keyword = option.keyword();
    subject.driver.refuses.iter().filter(move |refused| {
        let is_meant = match refused.what {
            What::Keyword(keywords) => keywords.contains(&keyword),
            What::KeywordBeside(keywords, other) => {
                keywords.contains(&keyword) && subject.options.writes(other)
            }
            What::KeywordWithout(keywords, other) => {
                keywords.contains(&keyword) && !subject.options.writes(other)
            }
            What::ValueOtherThan(keywords, values) => {
                keywords.contains(&keyword) && option.value().is_some_and(|value| !values.contains(&value))
            }
            What::Value(keywords, values) => {
                keywords.contains(&keyword) && option.value().is_some_and(|value| values.contains(&value))
            }
            What::SecondEqualsSign => option.value().is_some_and(|value| value.contains('=')),
            // The driver compares whole elements, so it overlooks the text within a longer one.
            What::Element(elements) => is_alone && elements.contains(&option.text()),
            What::OtherThanHandle(of, _) => {
                of == keyword && !subject.handle_ends_with(option.value().unwrap_or_default())
            }
            What::EmptyElement
            | What::VersionOtherThan(_)
            | What::Setting(_)
            | What::OtherAttributes(_)
            | What::FirstAccessMode(_)
            | What::Handle(_)
            | What::FsTypeOtherThan(_) => false,
        };
        is_meant && applies(subject, refused)
    })
}

pub(super) fn applies(subject: &Subject<'_>, refused: &Refused) -> bool {
    let is_handle = match refused.what {
        What::OtherThanHandle(_, handle) => subject.shows_already(&Evidence::VolumeHandle(handle)),
        _ => true,
    };
    is_handle && refused.when.is_none_or(|when| subject.shows_already(&when))
}
