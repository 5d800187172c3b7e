//! `--color`: whether output has colors. The crate that clap uses decides it for
//! both, so that reports and clap's own messages agree.

use std::env;
use std::ffi::OsString;
use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum as _;

/// The variable that has the value of `--color`, as every flag has one.
const VARIABLE: &str = "NFS_MOUNT_GUARD_COLOR";

/// The colors of the output, or none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Color {
    /// When to use colors; auto is on a terminal only
    #[arg(
        long = "color",
        global = true,
        value_enum,
        value_name = "WHEN",
        env = VARIABLE,
        default_value = "auto",
        long_help = "When to use colors: auto uses them on a terminal. Without this flag NO_COLOR, CLICOLOR=0 and \
TERM=dumb switch them off, CLICOLOR_FORCE and FORCE_COLOR on. Files, JSON and other formats for programs never get \
colors"
    )]
    choice: clap::ColorChoice,
}

impl Color {
    /// Applies the choice to this process.
    pub fn apply(&self) {
        apply(self.choice);
    }

    /// Applies what the words of a command line and the environment say, before they
    /// are parsed: errors of the parser obey it too. `None` where they say something
    /// that the parser will refuse.
    pub fn read(words: &[OsString]) -> Option<Self> {
        let choice = asked(words, env::var_os(VARIABLE).filter(|value| !value.is_empty()))?;
        apply(choice);
        Some(Self { choice })
    }
}

/// Returns the last `--color` before `--`, else the variable.
fn asked(words: &[OsString], variable: Option<OsString>) -> Option<clap::ColorChoice> {
    let mut given = variable;
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--color") => given = words.next().cloned(),
            Some(word) => {
                if let Some(value) = word.strip_prefix("--color=") {
                    given = Some(value.into());
                }
            }
            None => {}
        }
    }
    match given {
        Some(given) => clap::ColorChoice::from_str(given.to_str()?, false).ok(),
        None => Some(clap::ColorChoice::Auto),
    }
}

fn apply(choice: clap::ColorChoice) {
    let choice = match choice {
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
        // anstyle-query knows CLICOLOR_FORCE, not the newer name of it.
        clap::ColorChoice::Auto if is_set("FORCE_COLOR") && !is_set("NO_COLOR") => ColorChoice::Always,
        clap::ColorChoice::Auto => ColorChoice::Auto,
    };
    choice.write_global();
}

/// Returns true if a variable says yes: 0 and false are what supports-color takes for no.
fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
}

/// Returns true if standard output gets colors.
pub fn wanted() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Returns true if standard error gets colors.
pub fn wanted_on_errors() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_color_before_the_end_of_flags_counts() {
        use clap::ColorChoice::{Always, Auto, Never};
        for (words, variable, wanted) in [
            (&["check", "a"][..], None, Some(Auto)),
            (&["check", "--color", "never", "a"], None, Some(Never)),
            (&["--color=always", "check"], Some("never"), Some(Always)),
            (&["check"], Some("never"), Some(Never)),
            (&["check"], Some(""), None),
            (&["check", "--", "--color=never"], None, Some(Auto)),
            (&["check", "--color"], Some("never"), Some(Auto)),
            (&["check", "--color=blue"], None, None),
            (&["check"], Some("blue"), None),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(asked(&words, variable.map(OsString::from)), wanted, "{words:?} {variable:?}");
        }
    }
}
