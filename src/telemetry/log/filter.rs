//! Selects the events that are logged.

use std::str::FromStr;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The levels of events, by the crate or module that they come from. Decisions are no
/// events: they are logged at every level.
#[derive(Debug, Clone)]
pub struct Filter {
    targets: Targets,
    /// The most detailed of them.
    most: LevelFilter,
}

/// The reason why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be off, error, warn, info or debug, or such a level for a crate: info,hyper=debug")]
pub struct UnknownLevel;

/// The target of the program's own events.
const OWN: &str = env!("CARGO_CRATE_NAME");

impl Filter {
    /// Returns true if an event of this target and level is logged.
    pub(super) fn takes(&self, target: &str, level: Level) -> bool {
        self.targets.would_enable(target, &level)
    }

    /// Returns the most detailed level of all targets.
    pub(super) const fn most(&self) -> LevelFilter {
        self.most
    }
}

/// `LEVEL` is that of the program's own events, `CRATE=LEVEL` that of a library's, which
/// has none without it. The last one of a target counts.
impl FromStr for Filter {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        // A level of another crate alone, hyper=debug, must not silence the events of this one.
        let mut targets = Targets::new().with_target(OWN, LevelFilter::INFO);
        for part in text.split(',') {
            let (target, level) = part.split_once('=').unwrap_or((OWN, part));
            let is_target = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
            // Targets takes any text, and one that is misspelt would log nothing.
            if target.is_empty() || !target.chars().all(is_target) {
                return Err(UnknownLevel);
            }
            targets = targets.with_target(target, level_of(level)?);
        }
        let most = targets.iter().map(|(_, level)| level).max().unwrap_or(LevelFilter::OFF);
        Ok(Self { targets, most })
    }
}

/// Reads a level. `trace` is not among them: it is compiled out, because it costs each request time.
fn level_of(text: &str) -> Result<LevelFilter, UnknownLevel> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        _ => return Err(UnknownLevel),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        text.parse().expect("a filter")
    }

    #[test]
    fn a_level_is_that_of_the_programs_own_events() {
        let own = "nfs_mount_guard::server";
        for (text, most) in [
            ("off", None),
            ("error", Some(Level::ERROR)),
            ("WARN", Some(Level::WARN)),
            ("info", Some(Level::INFO)),
            ("debug", Some(Level::DEBUG)),
            ("debug,hyper=off", Some(Level::DEBUG)),
            ("hyper=debug", Some(Level::INFO)),
            ("info,nfs_mount_guard=debug", Some(Level::DEBUG)),
        ] {
            for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG] {
                assert_eq!(filter(text).takes(own, level), most.is_some_and(|most| level <= most), "{text}");
            }
        }
    }

    #[test]
    fn a_library_is_silent_unless_it_is_named() {
        assert!(!filter("debug").takes("hyper::proto::h1", Level::ERROR));
        assert!(filter("info,hyper=debug").takes("hyper::proto::h1", Level::DEBUG));
        assert!(!filter("info,hyper=debug").takes("h2", Level::ERROR));
        assert_eq!(filter("warn,hyper=debug").most(), LevelFilter::DEBUG);
        assert!(!filter("warn,hyper=debug").takes("nfs_mount_guard", Level::INFO));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in ["", "verbose", "trace", "hyper=", "=debug", "info,", "a b=info", "hyper=debug=info"] {
            assert_eq!(text.parse::<Filter>().err(), Some(UnknownLevel), "{text}");
        }
    }
}
