//! The command that saves the files of a volume.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The directory to which files are copied: a name that the administrator replaces.
const SAFE: &str = "/a/safe/place";

/// The command for a shell, as root on the node. It keeps owners, times and links, and takes
/// hidden files along, and leaves other file systems out. `to` is relative; `mounts` are those
/// below `from`, from it.
pub(super) fn copy(from: &Path, to: &Path, mounts: &[PathBuf]) -> String {
    let to = format!("{SAFE}/{}", to.display());
    // A name that is no path of its own ends as `/`.
    let (from, to) = (from.display().to_string(), to.trim_end_matches('/'));
    if mounts.is_empty() {
        return format!(
            "mkdir -p {} && cp -ax {} {}",
            quoted(to),
            quoted(&format!("{}/.", from.trim_end_matches('/'))),
            quoted(&format!("{to}/"))
        );
    }
    // cp -x looks at a mount before it leaves it out, and waits for its server; tar looks at nothing
    // that is excluded (dump_dir0 in GNU tar src/create.c).
    let mut excluded = String::new();
    for mount in mounts {
        // Writing to a string cannot fail.
        let _ = write!(excluded, " {}", quoted(&format!("--exclude=./{}", mount.display())));
    }
    format!(
        "mkdir -p {to} && tar -C {from} --one-file-system --acls --xattrs --anchored --no-wildcards{excluded} -cf - . | tar -C {to} --acls --xattrs -xpf -",
        from = quoted(&from),
        to = quoted(to),
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
            copy(Path::new("/p/u/v"), Path::new("u/v"), &[]),
            "mkdir -p /a/safe/place/u/v && cp -ax /p/u/v/. /a/safe/place/u/v/"
        );
        for name in ["a b", "it's", "$(reboot)", "a;b", "-rf", "*"] {
            let words = quoted(name);
            let script = format!("printf %s {words}");
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), name, "{words}");
        }
    }
}
