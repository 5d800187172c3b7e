//! The one string mount.nfs gets, after the carriers are joined, split, sorted
//! or folded as the subject's driver does.

use std::borrow::Cow;
use std::ops::Range;

use super::Facts;
use super::carrier::{Carrier, Form};
use super::driver::{Case, Driver, Empty, Join, Role};
use crate::nfs::catalog::{Entry, Word, Words};
use crate::nfs::mount::{self, Verdict};
use crate::nfs::option::{self, MountOption};
use crate::nfs::settings::Settings;
use crate::site::Site;

/// One option of a subject.
#[derive(Debug, Clone)]
pub struct Token<'m> {
    /// The option, folded where the driver folds.
    pub option: MountOption<'m>,
    /// What the layers say to it.
    pub verdict: Verdict,
    /// Where the user wrote it; `None` for one that the driver adds.
    pub site: Option<Site>,
    /// Whether it stands in a carrier that reaches the mount.
    pub in_force: bool,
    /// Whether the driver's own mount helper takes it out.
    pub is_drivers_own: bool,
    /// Whether a `sloppy` stands before it in the string the kernel gets.
    pub is_behind_sloppy: bool,
    /// What is wrong with how it is written, if anything.
    pub malformation: Option<Malformation>,
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
            verdict: mount::judge(&option),
            site,
            in_force,
            is_drivers_own: driver.own_words.contains(&option.keyword()),
            is_behind_sloppy: false,
            malformation: if is_plain { None } else { Malformation::of(&option) },
            option,
        }
    }

    /// The catalog's row for it.
    pub const fn entry(&self) -> Option<&'static Entry> {
        self.option.entry()
    }

    /// The catalog's word for it.
    pub fn word(&self) -> Option<Word> {
        self.entry().map(|entry| entry.word)
    }

    /// Whether a person wrote it, and it is NFS that reads it at the mount.
    pub const fn is_written(&self) -> bool {
        self.site.is_some() && self.in_force && !self.is_drivers_own
    }

    /// Whether it is the keyword `bg`, whatever its value. With `fold`, also in
    /// capitals or with blanks around it.
    pub fn is_background(&self, fold: bool) -> bool {
        let keyword = self.option.keyword();
        keyword == "bg" || fold && keyword.trim().eq_ignore_ascii_case("bg")
    }
}

/// What is wrong with how an option is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformation {
    /// A control character.
    Control,
    /// White space, inside or around it.
    Blank,
    /// A double quote where none may stand.
    Quote,
    /// Nothing before its `=`.
    NoKeyword,
}

impl Malformation {
    /// The values of `SELinux`'s `context=` options may be quoted and hold
    /// blanks.
    fn of(option: &MountOption<'_>) -> Option<Self> {
        let text = option.text();
        let is_context = option.entry().is_some_and(|entry| entry.word == Word::Context);
        if option.keyword().is_empty() {
            Some(Self::NoKeyword)
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            Some(Self::Control)
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

/// All options of a subject, and the order in which mount.nfs gets those that
/// reach it.
#[derive(Debug, Clone, Default)]
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
    words: Words,
    settings: Settings,
}

impl<'m> Options<'m> {
    /// Every option: those of the user in the order of the carriers, then those
    /// the driver adds.
    pub fn tokens(&self) -> &[Token<'m>] {
        &self.tokens
    }

    /// The user's option at `site`; `None` where none begins there. Binary
    /// search: the user's options stand first, in the order of the object.
    pub fn at(&self, site: &Site) -> Option<&Token<'m>> {
        let order = site.order();
        let is_before = |token: &Token<'m>| token.site.as_ref().is_some_and(|found| found.order() < order);
        let token = self.tokens.get(self.tokens.partition_point(is_before))?;
        (token.site.as_ref() == Some(site)).then_some(token)
    }

    /// The options that reach mount.nfs, in the order in which it gets them.
    pub fn effective(&self) -> impl DoubleEndedIterator<Item = &Token<'m>> + Clone {
        self.order.iter().filter_map(|index| self.tokens.get(*index))
    }

    /// As [`Self::effective`], for the functions of [`crate::nfs`].
    pub fn effective_options(&self) -> impl Iterator<Item = &MountOption<'m>> + Clone {
        self.effective().filter(|token| !token.is_drivers_own).map(|token| &token.option)
    }

    /// Whether the user gave a single option that reaches the mount.
    pub fn any_given(&self) -> bool {
        self.effective().any(|token| token.site.is_some())
    }

    /// Whether an option of this word reaches the mount.
    pub fn has(&self, word: Word) -> bool {
        self.effective().any(|token| token.word() == Some(word))
    }

    /// The words of all options for which [`Token::is_written`] holds.
    pub const fn words(&self) -> Words {
        self.words
    }

    /// Carrier and element of every element that is not one option as it
    /// should be written, in the order of the object.
    pub fn irregular_elements(&self) -> &[(usize, usize)] {
        &self.irregular
    }

    /// What they amount to.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The string that `mount -o` gets.
    pub fn joined(&self) -> String {
        let mut joined = String::with_capacity(self.parts.iter().map(|part| part.text.len() + 1).sum());
        for (index, part) in self.parts.iter().enumerate() {
            joined.push_str(if index == 0 { "" } else { "," });
            joined.push_str(&part.text);
        }
        joined
    }
}

/// One string that is joined with others, and the tokens in it.
#[derive(Debug, Clone)]
struct Part<'m> {
    text: Cow<'m, str>,
    tokens: Range<usize>,
    turn: Turn,
}

/// When a part has its turn among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    First,
    Middle,
    Last,
}

/// Lays out the options of the carriers; gives also the driver's own list where
/// the carriers hold no option at all.
pub(crate) fn lay_out<'m>(
    driver: &'static Driver,
    carriers: &[Carrier<'m>],
    facts: &Facts<'m>,
) -> (Options<'m>, &'static [&'static str]) {
    let elements = carriers.iter().map(|carrier| carrier.elements.len()).sum();
    let mut layout = Layout {
        driver,
        tokens: Vec::with_capacity(elements),
        parts: Vec::with_capacity(elements),
        irregular: Vec::new(),
    };
    for (index, carrier) in carriers.iter().enumerate() {
        layout.add_carrier(index, carrier);
    }
    let wants_none = carriers.iter().any(refuses_defaults);
    let version = carriers.iter().find(|carrier| carrier.form == Form::Version);
    let given = layout.parts.iter().any(|part| !part.tokens.is_empty());
    let defaults = if given || wants_none { &[][..] } else { defaults(driver.empty, version) };
    for option in defaults {
        let part = layout.driver_part(option);
        layout.parts.push(part);
    }
    layout.add_additions(facts);
    if let Some(version) = version.and_then(|carrier| carrier.elements.first()) {
        layout.add_version(version);
    }
    if facts.read_only {
        let part = layout.driver_part("ro");
        layout.parts.push(part);
    }
    let Layout { mut tokens, mut parts, irregular, .. } = layout;
    parts.sort_by_key(|part| part.turn);
    if driver.join == Join::Sorted {
        parts.retain(|part| !part.text.is_empty());
        parts.sort_unstable_by(|a, b| a.text.as_bytes().cmp(b.text.as_bytes()));
        parts.dedup_by(|a, b| a.text == b.text);
    }
    let mut order = Vec::with_capacity(tokens.len());
    order.extend(parts.iter().flat_map(|part| part.tokens.clone()));
    mark_behind_sloppy(&mut tokens, &order);
    let mut words = Words::default();
    for word in tokens.iter().filter(|token| token.is_written()).filter_map(Token::word) {
        words.insert(word);
    }
    let mut options = Options { tokens, order, parts, irregular, words, settings: Settings::default() };
    options.settings = Settings::of(options.effective_options());
    (options, defaults)
}

fn mark_behind_sloppy(tokens: &mut [Token<'_>], order: &[usize]) {
    let mut is_behind = false;
    for index in order {
        if let Some(token) = tokens.get_mut(*index) {
            token.is_behind_sloppy = is_behind;
            is_behind |= token.word() == Some(Word::Sloppy) && token.verdict.refusal.is_none();
        }
    }
}

/// Whether the carrier says `options: none`: no option, and no default either.
fn refuses_defaults(carrier: &Carrier<'_>) -> bool {
    carrier.role == Some(Role::First) && carrier.elements == ["none"]
}

fn defaults(empty: Empty, version: Option<&Carrier<'_>>) -> &'static [&'static str] {
    match empty {
        Empty::KernelDefaults | Empty::Hidden => &[],
        Empty::DriverDefaults(defaults) => defaults,
        Empty::DriverDefaultsByVersion(v3, v4) => {
            let is_v4 = version
                .and_then(|carrier| carrier.elements.first())
                .is_some_and(|version| version.starts_with('4'));
            if is_v4 { v4 } else { v3 }
        }
    }
}

struct Layout<'m> {
    driver: &'static Driver,
    tokens: Vec<Token<'m>>,
    parts: Vec<Part<'m>>,
    irregular: Vec<(usize, usize)>,
}

impl<'m> Layout<'m> {
    /// Adds the tokens of a carrier, and the strings that are joined.
    fn add_carrier(&mut self, index: usize, carrier: &Carrier<'m>) {
        if refuses_defaults(carrier) || carrier.form == Form::Version {
            return;
        }
        for (element_index, element) in carrier.elements.iter().copied().enumerate() {
            let start = self.tokens.len();
            let site = |range| Site { carrier: index, element: element_index, range };
            if option::is_plain(element) {
                self.add_option(element, Some(site(0..element.len())), true, carrier.in_force);
                self.add_part(element, start, carrier);
                continue;
            }
            self.irregular.push((index, element_index));
            for piece in carrier.pieces(element) {
                let piece_start = self.tokens.len();
                if !piece.text.is_empty() {
                    let is_plain = option::is_plain(piece.text);
                    self.add_option(piece.text, Some(site(piece.range)), is_plain, carrier.in_force);
                }
                if carrier.form == Form::SplitEverywhere {
                    self.add_part(piece.text, piece_start, carrier);
                }
            }
            if carrier.form != Form::SplitEverywhere {
                self.add_part(element, start, carrier);
            }
        }
    }

    fn add_option(&mut self, text: &'m str, site: Option<Site>, is_plain: bool, in_force: bool) {
        let option = MountOption::new(text);
        let option = if self.driver.case == Case::Folded { option.folded() } else { option };
        self.tokens.push(Token::new(option, site, is_plain, in_force, self.driver));
    }

    /// The tokens from `start` on are those of `text`, a part of the carrier's.
    fn add_part(&mut self, text: &'m str, start: usize, carrier: &Carrier<'m>) {
        if !carrier.in_force {
            return;
        }
        let turn = match carrier.role {
            Some(Role::First) => Turn::First,
            Some(Role::AppendedLast) => Turn::Last,
            _ => Turn::Middle,
        };
        self.parts.push(Part { text: self.fold(text), tokens: start..self.tokens.len(), turn });
    }

    fn driver_part(&mut self, options: &'static str) -> Part<'m> {
        let start = self.tokens.len();
        for piece in option::split(options) {
            self.add_option(piece.text, None, true, true);
        }
        Part { text: options.into(), tokens: start..self.tokens.len(), turn: Turn::Middle }
    }

    /// The value may hold more than a version: it is put behind `vers=` as it is.
    fn add_version(&mut self, version: &str) {
        let text = format!("vers={version}");
        let start = self.tokens.len();
        for piece in option::split(&text) {
            let option = MountOption::new(piece.text.to_owned());
            let is_plain = option::is_plain(piece.text);
            self.tokens.push(Token::new(option, None, is_plain, true, self.driver));
        }
        let tokens = start..self.tokens.len();
        self.parts.push(Part { text: text.into(), tokens, turn: Turn::Middle });
    }

    fn add_additions(&mut self, facts: &Facts<'_>) {
        for addition in self.driver.adds {
            let mut given =
                self.parts.iter().flat_map(|part| self.tokens.get(part.tokens.clone()).unwrap_or_default());
            let is_kept_out = given.any(|token| addition.unless.contains(&token.option.keyword()));
            if is_kept_out || addition.when.is_some_and(|when| !facts.show(&when)) {
                continue;
            }
            let part = self.driver_part(addition.options);
            if addition.first {
                self.parts.insert(0, Part { turn: Turn::First, ..part });
            } else {
                self.parts.push(part);
            }
        }
    }

    fn fold(&self, text: &'m str) -> Cow<'m, str> {
        let may_change = |byte: u8| byte.is_ascii_uppercase() || !byte.is_ascii();
        if self.driver.case == Case::Folded && text.bytes().any(may_change) {
            text.to_lowercase().into()
        } else {
            text.into()
        }
    }
}
