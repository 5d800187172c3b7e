//! Colors and width of the reports for people.

use anstyle::{AnsiColor, Style};

use super::{Reported, terminal};

/// Colors of the reports for people, each of which repeats what a word says, and the width of their
/// lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    /// The style of denials.
    pub(super) deny: Style,
    /// The style of warnings.
    pub(super) warn: Style,
    /// The style of repairs.
    pub(super) patch: Style,
    /// Margins and notes.
    pub(super) faint: Style,
    /// Places and headings.
    pub(super) strong: Style,
    /// Lines that a change takes away.
    pub(super) removed: Style,
    /// Lines that a change adds.
    pub(super) added: Style,
    /// The columns of the terminal; `None` for a pipe or a file.
    width: Option<usize>,
}

impl Palette {
    /// Makes a palette with colours, or without any.
    pub(super) const fn new(colour: bool) -> Self {
        let none = Style::new();
        if !colour {
            return Self {
                deny: none,
                warn: none,
                patch: none,
                faint: none,
                strong: none,
                removed: none,
                added: none,
                width: None,
            };
        }
        Self {
            deny: AnsiColor::Red.on_default().bold(),
            warn: AnsiColor::Yellow.on_default().bold(),
            patch: AnsiColor::Cyan.on_default().bold(),
            // Blue is nearly black on many dark terminals.
            faint: none.dimmed(),
            strong: none.bold(),
            removed: AnsiColor::Red.on_default(),
            added: AnsiColor::Green.on_default(),
            width: None,
        }
    }

    /// Returns the same for lines of so many columns.
    pub(super) const fn within(self, width: Option<usize>) -> Self {
        Self { width, ..self }
    }

    /// Returns a line in lines as wide as the terminal; `head` is in front of the first one, and
    /// `indent` in front of the others.
    pub(super) fn lines(&self, head: &str, text: &str, indent: &str) -> String {
        match self.width {
            Some(width) => terminal::wrap(text, head, indent, width),
            None => format!("{head}{text}"),
        }
    }

    /// Returns the style of an action.
    pub(super) const fn of(&self, action: Reported) -> Style {
        match action {
            Reported::Deny => self.deny,
            Reported::Warn => self.warn,
            Reported::Patch => self.patch,
            Reported::Audit | Reported::Exempt => self.faint,
        }
    }
}
