//! The one string mount.nfs gets, after the carriers are joined, split, sorted
//! or folded as the subject's driver does.

mod layout;
mod shell;

use super::driver::Driver;
use crate::nfs::acceptance::{self, Acceptance};
use crate::nfs::catalog::{Entry, OptionId, OptionSet, entries};
use crate::nfs::disguised::Meant;
use crate::nfs::option::{self, MountOption};
use crate::nfs::placeholder::placeholders;
use crate::nfs::reading::is_blank;
use crate::nfs::settings::Settings;
use crate::site::Site;
use layout::Part;
pub(crate) use layout::lay_out;

/// One option of a subject.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the option")]
pub struct Token<'m> {
    /// The option, folded where the driver folds.
    pub option: MountOption<'m>,
    /// The response of the layers to it.
    pub acceptance: Acceptance,
    /// The place where the user wrote it; `None` for an option that the driver adds.
    pub site: Option<Site>,
    /// True if it stands in a carrier that reaches the mount.
    pub in_force: bool,
    /// True if the driver or its mount helper takes it out.
    pub is_drivers_own: bool,
    /// True if it has a placeholder that a program may still fill in: then it may become any
    /// option, and nothing is said of it.
    pub is_unrendered: bool,
    /// True if the string that the kernel gets has a `sloppy`.
    pub is_beside_sloppy: bool,
    /// The fault in its spelling, if any.
    pub malformation: Option<Malformation>,
    /// The options that it was meant to be, alone or with the pieces after it, if no layer reads it
    /// that way.
    pub meant: Option<Box<Meant>>,
}

impl<'m> Token<'m> {
    fn new(
        option: MountOption<'m>,
        site: Option<Site>,
        is_plain: bool,
        in_force: bool,
        driver: &Driver,
    ) -> Self {
        Self {
            acceptance: acceptance::judge(&option),
            site,
            in_force,
            is_drivers_own: is_drivers_own(driver, &option),
            is_unrendered: false,
            is_beside_sloppy: false,
            malformation: if is_plain { None } else { Malformation::of(&option) },
            meant: None,
            option,
        }
    }

    /// Puts what the driver makes of the option in its place.
    fn replace_option(&mut self, option: MountOption<'m>) {
        self.acceptance = acceptance::judge(&option);
        // A driver that rewrote the option may have mended it.
        if option::is_plain(option.text()) {
            self.malformation = None;
            self.meant = None;
        }
        self.option = option;
    }

    /// Returns the catalog's row for it.
    pub const fn entry(&self) -> Option<&'static Entry> {
        self.option.entry()
    }

    /// Returns the catalog's word for it.
    pub fn id(&self) -> Option<OptionId> {
        self.entry().map(|entry| entry.id)
    }

    /// Returns true if a person wrote it, and it is NFS that reads it at the mount.
    pub const fn is_written(&self) -> bool {
        self.site.is_some() && self.in_force && !self.is_drivers_own && !self.is_unrendered
    }

    /// Returns true if it may be one of these words once a program has filled its placeholders in: its
    /// name is one of them, or a name of theirs begins with what is before its first placeholder.
    pub fn may_become(&self, words: OptionSet) -> bool {
        let text = self.option.text();
        let in_name = placeholders(text).next().filter(|place| place.start < self.option.keyword().len());
        let is_named = match in_name.and_then(|place| text.get(..place.start)) {
            Some(start) => {
                entries().any(|(keyword, entry)| words.contains(entry.id) && keyword.starts_with(start))
            }
            None => self.id().is_some_and(|id| words.contains(id)),
        };
        self.is_unrendered && is_named
    }

    /// Returns true if it is the keyword `bg`, whatever its value. With `fold`, also in capitals or
    /// with white space around it.
    pub fn is_background(&self, fold: bool) -> bool {
        let keyword = self.option.keyword();
        keyword == "bg" || fold && keyword.trim_matches(is_blank).eq_ignore_ascii_case("bg")
    }
}

/// Returns true if the driver or its mount helper takes the option out for itself.
fn is_drivers_own(driver: &Driver, option: &MountOption<'_>) -> bool {
    let keyword = option.keyword();
    driver.own_words.contains(&keyword)
        || option.value().is_some() && driver.takes_out.contains(&keyword) && keyword != "vers"
}

/// A fault in the spelling of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformation {
    /// A control character.
    Control,
    /// White space, inside or around it.
    Blank,
    /// A double quote where none may stand.
    Quote,
    /// A double quote that the driver's shell removes, so that a comma in it ends the option.
    Unquoted,
    /// Nothing before its `=`.
    NoKeyword,
    /// The intended option, alone or with the text that follows, is written otherwise.
    Disguised,
    /// The option before its comma continues in it.
    Continued,
}

impl Malformation {
    /// Returns the fault of an option's text. The values of `SELinux`'s `context=` options may be quoted
    /// and contain white space.
    fn of(option: &MountOption<'_>) -> Option<Self> {
        let text = option.text();
        let is_context = option.entry().is_some_and(|entry| entry.id == OptionId::Context);
        if option.keyword().is_empty() {
            Some(Self::NoKeyword)
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            Some(Self::Control)
        // SELinux labels have quotes and commas by design.
        } else if is_context {
            None
        } else if text.contains('"') {
            Some(Self::Quote)
        } else if text.chars().any(char::is_whitespace) {
            Some(Self::Blank)
        } else {
            None
        }
    }
}

/// An option that has a placeholder.
#[derive(Debug, Clone, Copy)]
struct Unrendered {
    /// Index into `tokens`.
    token: usize,
    /// The number of entries of `order` before it; the largest number where the driver orders by the text.
    place: usize,
}

/// All options of a subject, and the order in which mount.nfs gets those that
/// reach it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the list")]
pub struct Options<'m> {
    tokens: Vec<Token<'m>>,
    /// Indices into `tokens`.
    order: Vec<usize>,
    /// The separate strings that are joined with commas.
    parts: Vec<Part<'m>>,
    /// Carrier and element of those that are not one option as it should be
    /// written.
    irregular: Vec<(usize, usize)>,
    /// The words of what is written.
    words: OptionSet,
    /// Those with placeholders that may reach the mount, in the order of `tokens`.
    unrendered: Vec<Unrendered>,
    /// True if a placeholder elsewhere decides which options there are.
    may_hold_any: bool,
    is_cut_short: bool,
    is_several_words: bool,
    adds_words: bool,
    settings: Settings,
}

impl<'m> Options<'m> {
    /// Returns every option: those of the user in the order of the carriers, then those
    /// the driver adds.
    pub fn tokens(&self) -> &[Token<'m>] {
        &self.tokens
    }

    /// Returns the user's option at `site`; `None` where none begins there. Binary
    /// search: the user's options stand first, in the order of the object.
    pub fn at(&self, site: &Site) -> Option<&Token<'m>> {
        let order = site.order();
        let is_before = |token: &Token<'m>| token.site.as_ref().is_some_and(|found| found.order() < order);
        // Tokens with a site stand in the order of their sites; those of the driver come after
        // them.
        let token = self.tokens.get(self.tokens.partition_point(is_before))?;
        (token.site.as_ref() == Some(site)).then_some(token)
    }

    /// Returns the user's options that begin in a part of an element, in order.
    pub fn within<'o>(&'o self, part: &'o Site) -> impl Iterator<Item = &'o Token<'m>> {
        let order = part.order();
        let is_before = |token: &Token<'m>| token.site.as_ref().is_some_and(|found| found.order() < order);
        let tokens = self.tokens.get(self.tokens.partition_point(is_before)..).unwrap_or_default();
        let is_within = |token: &&Token<'m>| {
            let site = token.site.as_ref().filter(|site| part.range.contains(&site.range.start));
            site.is_some_and(|site| (site.carrier, site.element) == (part.carrier, part.element))
        };
        tokens.iter().take_while(is_within)
    }

    /// Returns the options that reach mount.nfs, in the order in which it gets them; but
    /// for those that have placeholders.
    pub fn effective(&self) -> impl DoubleEndedIterator<Item = &Token<'m>> + Clone {
        self.order.iter().filter_map(|index| self.tokens.get(*index))
    }

    /// Returns [`Self::effective`] as the functions of [`crate::nfs`] take it.
    pub fn effective_options(&self) -> impl Iterator<Item = &MountOption<'m>> + Clone {
        self.effective().filter(|token| !token.is_drivers_own).map(|token| &token.option)
    }

    /// Returns true if an option with this keyword is written where the driver reads it.
    pub fn writes(&self, keyword: &str) -> bool {
        let is_it =
            |token: &Token<'m>| token.in_force && token.site.is_some() && token.option.keyword() == keyword;
        self.tokens().iter().any(is_it)
    }

    /// Returns true if the user gave a single option that reaches the mount.
    pub fn any_given(&self) -> bool {
        self.has_unrendered() || self.effective().any(|token| token.site.is_some())
    }

    /// Returns true if an option that reaches the mount has a placeholder: what is missing may be
    /// there once the file is rendered.
    pub const fn has_unrendered(&self) -> bool {
        self.may_hold_any || !self.unrendered.is_empty()
    }

    /// Returns true if an option of these words may reach the mount after the last one that is known,
    /// once the file is rendered.
    pub fn may_override(&self, words: OptionSet) -> bool {
        let is_of = |token: &Token<'_>| token.id().is_some_and(|id| words.contains(id));
        let is_last = |token: Option<&Token<'_>>| token.is_some_and(|it| !it.is_drivers_own && is_of(it));
        let last = self.order.iter().rposition(|index| is_last(self.tokens.get(*index)));
        let may_come = |open: &Unrendered| {
            last.is_none_or(|last| last < open.place)
                && self.tokens.get(open.token).is_some_and(|token| token.may_become(words))
        };
        self.may_hold_any || self.unrendered.iter().any(may_come)
    }

    /// Returns the options that reach the mount and have placeholders.
    pub fn unrendered(&self) -> impl Iterator<Item = &Token<'m>> {
        self.tokens.iter().filter(|token| token.is_unrendered && token.in_force)
    }

    /// Returns true if an option of this word reaches the mount.
    pub fn has(&self, word: OptionId) -> bool {
        self.effective().any(|token| token.id() == Some(word))
    }

    /// Returns true if an option that reaches the mount is meant, but not written, as one for which
    /// `is_it` holds.
    pub fn means(&self, is_it: impl Fn(&MountOption<'_>) -> bool) -> bool {
        let meant = self.effective().filter_map(|token| token.meant.as_deref());
        meant.flat_map(|meant| &meant.options).any(|text| is_it(&MountOption::new(text.as_str())))
    }

    /// Returns the words of all options for which [`Token::is_written`] holds.
    pub const fn words(&self) -> OptionSet {
        self.words
    }

    /// Returns carrier and element of every element that is not one option as it should be written, in the
    /// order of the object.
    pub fn irregular_elements(&self) -> &[(usize, usize)] {
        &self.irregular
    }

    /// Returns true if the driver drops what stands after some option, so that nothing appended
    /// would reach the mount.
    pub const fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// Returns true if a shell, through which the driver runs mount, makes several words of the
    /// string: mount takes no further words, so every mount fails.
    pub const fn is_several_words(&self) -> bool {
        self.is_several_words
    }

    /// Returns true if a shell, through which the driver runs mount, makes further switches with options
    /// of the string: `3 -o bg`.
    pub const fn adds_words(&self) -> bool {
        self.adds_words
    }

    /// Returns the settings that result from them.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the same without what reaches a mount: nothing is mounted with what is written, so the
    /// driver adds nothing to it either.
    #[must_use]
    pub(super) fn without_mount(mut self) -> Self {
        self.tokens.retain(|token| token.site.is_some());
        self.order.clear();
        self.parts.clear();
        self.settings = Settings::default();
        self
    }

    /// Returns the string that mount.nfs gets.
    pub fn joined(&self) -> String {
        let mut joined = String::with_capacity(self.parts.iter().map(|part| part.text.len() + 1).sum());
        for (index, part) in self.parts.iter().enumerate() {
            joined.push_str(if index == 0 { "" } else { "," });
            joined.push_str(&part.text);
        }
        joined
    }
}
