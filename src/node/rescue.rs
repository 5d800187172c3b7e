//! The command that saves the files of a volume.

use std::borrow::Cow;
use std::path::Path;

/// The directory to which files are copied: a name that the administrator replaces.
const SAFE: &str = "/a/safe/place";

/// The command for a shell, as root on the node. It keeps owners, times and links, and takes
/// hidden files along. `to` is relative.
pub(super) fn copy(from: &Path, to: &Path) -> String {
    let to = format!("{SAFE}/{}", to.display());
    // A name that is no path of its own ends as `/`.
    let (from, to) = (from.display().to_string(), to.trim_end_matches('/'));
    format!(
        "mkdir -p {} && cp -a {} {}",
        quoted(to),
        quoted(&format!("{}/.", from.trim_end_matches('/'))),
        quoted(&format!("{to}/"))
    )
}

/// All commands as one; `None` for none. One that fails ends none of the others.
pub(super) fn together(copies: &[String]) -> Option<String> {
    (!copies.is_empty()).then(|| copies.join("; "))
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._~-+,:@%=".contains(c);
    if word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_every_name_back() {
        assert_eq!(
            copy(Path::new("/p/u/v"), Path::new("u/v")),
            "mkdir -p /a/safe/place/u/v && cp -a /p/u/v/. /a/safe/place/u/v/"
        );
        for name in ["a b", "it's", "$(reboot)", "a;b", "-rf", "*"] {
            let words = quoted(name);
            let script = format!("printf %s {words}");
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), name, "{words}");
        }
    }
}
