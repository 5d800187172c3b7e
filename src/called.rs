//! Determines the name by which the program was called: its own one, or that of a plugin of kubectl.
//! Texts that name a command name the one that its user can type.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// The program's own name.
pub const OWN_NAME: &str = "nfs-mount-guard";

/// The prefix of a plugin's name (kubectl `pkg/cmd/plugin`).
const PLUGIN: &str = "kubectl-";

/// The prefix of the name of the program from which kubectl requests completions.
const COMPLETION: &str = "kubectl_complete-";

static NAME: OnceLock<String> = OnceLock::new();

/// The file of a plugin; unset under its own name.
static FILE: OnceLock<String> = OnceLock::new();

/// The role of a process, by the name under which it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its command line.
    Command,
    /// Words that complete a command line, for kubectl.
    Completion,
}

/// Takes the name from the first word of a command line, once for the process.
pub fn start(first_word: Option<&OsStr>) -> Role {
    let (name, role) = read(first_word);
    // A second call speaks of the same process.
    let _ = NAME.set(name);
    if let Some(plugin) = name_of_plugin(first_word) {
        let _ = FILE.set(format!("{PLUGIN}{plugin}"));
    }
    role
}

/// Returns the name that a user types: `nfs-mount-guard`, or `kubectl nfs-mount-guard`.
pub fn name() -> &'static str {
    NAME.get().map_or(OWN_NAME, String::as_str)
}

/// Returns the program that a shell or kubectl starts: `nfs-mount-guard`, or the file of the
/// plugin, `kubectl-nfs_mount_guard`.
pub fn file() -> &'static str {
    FILE.get().map_or(OWN_NAME, String::as_str)
}

/// Returns the name of the manual page: `nfs-mount-guard`, or `kubectl-nfs-mount-guard`.
pub fn page() -> String {
    name().replace(' ', "-")
}

/// Returns a text in which commands are named as a user calls them.
pub fn by_name(text: &str) -> Cow<'_, str> {
    renamed(text, name())
}

/// Returns the text after `kubectl-` in the name of a plugin's file, or of the one for completions.
fn name_of_plugin(first_word: Option<&OsStr>) -> Option<String> {
    let stem = Path::new(first_word?).file_name()?.to_string_lossy();
    let stem = stem.strip_suffix(".exe").unwrap_or(&stem);
    let name = stem.strip_prefix(COMPLETION).or_else(|| stem.strip_prefix(PLUGIN))?;
    Some(name.to_owned())
}

fn read(first_word: Option<&OsStr>) -> (String, Role) {
    let stem = first_word.and_then(|word| Path::new(word).file_name()).unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix(".exe").unwrap_or(&stem);
    // kubectl writes the dashes of a plugin's name as underscores.
    let plugin = |name: &str| format!("kubectl {}", name.replace('-', " ").replace('_', "-"));
    if let Some(name) = stem.strip_prefix(COMPLETION) {
        (plugin(name), Role::Completion)
    } else if let Some(name) = stem.strip_prefix(PLUGIN) {
        (plugin(name), Role::Command)
    } else {
        (OWN_NAME.to_owned(), Role::Command)
    }
}

/// Names the program otherwise where a text has a command: its name, alone or with a command
/// after it. Files and objects of that name stay what they are.
fn renamed<'t>(text: &'t str, name: &str) -> Cow<'t, str> {
    if name == OWN_NAME || !text.contains(OWN_NAME) {
        return Cow::Borrowed(text);
    }
    let mut new = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OWN_NAME) {
        let begins =
            before.is_empty() && new.is_empty() || before.ends_with([' ', '\n', '(', '`', '"', '\'', '|']);
        // A text may be written in pieces, of which one has the name already.
        let begins = begins && !before.ends_with("kubectl ");
        let mut letters = behind.chars();
        let is_command = match letters.next() {
            Some(' ') => letters.next().is_some_and(|letter| letter.is_ascii_lowercase()),
            Some(':') => new.is_empty() && before.is_empty(),
            _ => false,
        };
        new.push_str(before);
        new.push_str(if begins && is_command { name } else { OWN_NAME });
        rest = behind;
    }
    new.push_str(rest);
    Cow::Owned(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_file() {
        for (word, name, role) in [
            ("nfs-mount-guard", "nfs-mount-guard", Role::Command),
            ("/usr/bin/nfs-mount-guard", "nfs-mount-guard", Role::Command),
            ("./guard", "nfs-mount-guard", Role::Command),
            ("/opt/kubectl/nfs-mount-guard", "nfs-mount-guard", Role::Command),
            ("/opt/kubectl-nfs_mount_guard", "kubectl nfs-mount-guard", Role::Command),
            ("kubectl-nfs_mount_guard.exe", "kubectl nfs-mount-guard", Role::Command),
            ("kubectl-nmg", "kubectl nmg", Role::Command),
            ("kubectl_complete-nfs_mount_guard", "kubectl nfs-mount-guard", Role::Completion),
        ] {
            assert_eq!(read(Some(OsStr::new(word))), (name.to_owned(), role), "{word}");
        }
        assert_eq!(read(None), (OWN_NAME.to_owned(), Role::Command));
    }

    #[test]
    fn commands_are_renamed_and_nothing_else_is() {
        for (text, expected) in [
            ("run nfs-mount-guard check -", "run K check -"),
            ("`nfs-mount-guard rules` lists them", "`K rules` lists them"),
            ("a | nfs-mount-guard check -\n  nfs-mount-guard fix a", "a | K check -\n  K fix a"),
            ("nfs-mount-guard: no file", "K: no file"),
            ("/etc/nfs-mount-guard: nfs-mount-guard: x", "/etc/nfs-mount-guard: nfs-mount-guard: x"),
            ("nfs-mount-guard.yaml here", "nfs-mount-guard.yaml here"),
            ("cat /nfs-mount-guard check", "cat /nfs-mount-guard check"),
            ("[default: nfs-mount-guard]", "[default: nfs-mount-guard]"),
            ("_nfs-mount-guard check", "_nfs-mount-guard check"),
            ("run kubectl nfs-mount-guard check", "run kubectl nfs-mount-guard check"),
        ] {
            assert_eq!(renamed(text, "K"), expected);
            assert_eq!(renamed(text, OWN_NAME), text);
        }
    }
}
