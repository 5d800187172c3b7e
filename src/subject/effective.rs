//! The one string mount.nfs gets, after the carriers are joined, split, sorted
//! or folded as the subject's driver does.

use std::borrow::Cow;

use super::Facts;
use super::carrier::{Carrier, Form};
use super::driver::{Case, Driver, Empty, Join, Role};
use crate::nfs::catalog::{Entry, Word};
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
}

impl<'m> Token<'m> {
    fn new(option: MountOption<'m>, site: Option<Site>, in_force: bool, driver: &Driver) -> Self {
        let is_drivers_own = driver.own_words.contains(&option.keyword());
        Self {
            verdict: mount::judge(&option),
            option,
            site,
            in_force,
            is_drivers_own,
            is_behind_sloppy: false,
        }
    }

    /// The catalog's row for it.
    pub fn entry(&self) -> Option<&'static Entry> {
        self.verdict.entry
    }

    /// The catalog's word for it.
    pub fn word(&self) -> Option<Word> {
        self.verdict.entry.map(|entry| entry.word)
    }

    /// What is wrong with how it is written, if anything. The values of
    /// `SELinux`'s `context=` options may be quoted and hold blanks.
    pub fn malformation(&self) -> Option<Malformation> {
        let text = self.option.text();
        if text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~')) && !text.starts_with('=') {
            return None;
        }
        let is_context = self.word() == Some(Word::Context);
        if self.option.keyword().is_empty() {
            Some(Malformation::NoKeyword)
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            Some(Malformation::Control)
        } else if is_context {
            None
        } else if text.contains('"') {
            Some(Malformation::Quote)
        } else if text.chars().any(char::is_whitespace) {
            Some(Malformation::Blank)
        } else {
            None
        }
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

/// All options of a subject, and the order in which mount.nfs gets those that
/// reach it.
#[derive(Debug, Clone, Default)]
pub struct Options<'m> {
    tokens: Vec<Token<'m>>,
    /// Indices into `tokens`.
    order: Vec<usize>,
    /// The separate strings that are joined with commas.
    parts: Vec<Cow<'m, str>>,
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

    /// Whether an option with this keyword reaches the mount.
    pub fn has(&self, keyword: &str) -> bool {
        self.effective().any(|token| token.option.keyword() == keyword)
    }

    /// What they amount to.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The string that `mount -o` gets.
    pub fn joined(&self) -> String {
        self.parts.join(",")
    }
}

/// One string that is joined with others, and the tokens in it.
struct Part<'m> {
    text: Cow<'m, str>,
    tokens: std::ops::Range<usize>,
}

/// Lays out the options of the carriers; gives also the driver's own list where
/// the carriers hold no option at all.
pub(crate) fn lay_out<'m>(
    driver: &'static Driver,
    carriers: &[Carrier<'m>],
    facts: &Facts<'m>,
) -> (Options<'m>, &'static [&'static str]) {
    let elements = carriers.iter().map(|carrier| carrier.elements.len()).sum();
    let mut layout = Layout { driver, tokens: Vec::with_capacity(elements) };
    let mut first = Vec::new();
    let mut middle = Vec::new();
    let mut last = Vec::new();
    for (index, carrier) in carriers.iter().enumerate() {
        let parts = layout.user_parts(index, carrier);
        if carrier.in_force {
            match carrier.role {
                Some(Role::First) => first.extend(parts),
                Some(Role::AppendedLast) => last.extend(parts),
                _ => middle.extend(parts),
            }
        }
    }
    let wants_none = carriers.iter().any(refuses_defaults);
    let mut parts = first;
    parts.append(&mut middle);
    let version = carriers.iter().find(|carrier| carrier.form == Form::Version);
    let given = parts.iter().chain(&last).any(|part| !part.tokens.is_empty());
    let defaults = if given || wants_none { &[][..] } else { defaults(driver.empty, version) };
    for option in defaults {
        parts.push(layout.driver_part(option));
    }
    layout.add_additions(facts, &mut parts, &last);
    if let Some(version) = version.and_then(|carrier| carrier.elements.first()) {
        parts.push(layout.version_part(version));
    }
    if facts.read_only {
        parts.push(layout.driver_part("ro"));
    }
    parts.append(&mut last);
    if driver.join == Join::Sorted {
        parts.retain(|part| !part.text.is_empty());
        parts.sort_unstable_by(|a, b| a.text.as_bytes().cmp(b.text.as_bytes()));
        parts.dedup_by(|a, b| a.text == b.text);
    }
    let order: Vec<usize> = parts.iter().flat_map(|part| part.tokens.clone()).collect();
    mark_behind_sloppy(&mut layout.tokens, &order);
    let mut options = Options {
        tokens: layout.tokens,
        order,
        parts: parts.into_iter().map(|part| part.text).collect(),
        settings: Settings::default(),
    };
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
}

impl<'m> Layout<'m> {
    /// Adds the tokens of a carrier, and gives the strings that are joined.
    fn user_parts(&mut self, index: usize, carrier: &Carrier<'m>) -> Vec<Part<'m>> {
        if refuses_defaults(carrier) {
            return Vec::new();
        }
        let mut parts = Vec::with_capacity(carrier.elements.len());
        for (element_index, element) in carrier.elements.iter().enumerate() {
            let start = self.tokens.len();
            for piece in carrier.pieces(element) {
                let piece_start = self.tokens.len();
                if !piece.text.is_empty() {
                    let site = Site { carrier: index, element: element_index, range: piece.range };
                    self.push(piece.text, Some(site), carrier.in_force);
                }
                if carrier.form == Form::SplitEverywhere {
                    parts.push(Part { text: self.fold(piece.text), tokens: piece_start..self.tokens.len() });
                }
            }
            if matches!(carrier.form, Form::List | Form::Joined) {
                parts.push(Part { text: self.fold(element), tokens: start..self.tokens.len() });
            }
        }
        parts
    }

    fn driver_part(&mut self, options: &'static str) -> Part<'m> {
        let start = self.tokens.len();
        for piece in option::split(options) {
            self.push(piece.text, None, true);
        }
        Part { text: options.into(), tokens: start..self.tokens.len() }
    }

    fn version_part(&mut self, version: &str) -> Part<'m> {
        let text = format!("vers={version}");
        let option = MountOption::new(text.clone());
        self.tokens.push(Token::new(option, None, true, self.driver));
        Part { text: text.into(), tokens: self.tokens.len() - 1..self.tokens.len() }
    }

    fn add_additions(&mut self, facts: &Facts<'_>, parts: &mut Vec<Part<'m>>, last: &[Part<'m>]) {
        for addition in self.driver.adds {
            let is_kept_out = parts
                .iter()
                .chain(last)
                .flat_map(|part| self.tokens.get(part.tokens.clone()).unwrap_or_default())
                .any(|token| addition.unless.contains(&token.option.keyword()));
            if is_kept_out || addition.when.is_some_and(|when| !facts.show(&when)) {
                continue;
            }
            let part = self.driver_part(addition.options);
            if addition.first {
                parts.insert(0, part);
            } else {
                parts.push(part);
            }
        }
    }

    fn push(&mut self, text: &'m str, site: Option<Site>, in_force: bool) {
        let option = MountOption::new(text);
        let option = if self.driver.case == Case::Folded { option.folded() } else { option };
        self.tokens.push(Token::new(option, site, in_force, self.driver));
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
