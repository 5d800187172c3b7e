//! The command that saves the files of a volume.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::report::plain::plain;

/// The directory to which files are copied: a name that the administrator replaces.
const SAFE: &str = "/a/safe/place";

/// Returns the command for a shell, as root on the node. It keeps owners, times and links, and takes
/// hidden files along, and leaves other file systems out. `to` is relative; `mounts` are those
/// below `from`, from it.
pub(super) fn copy(from: &Path, to: &Path, mounts: &[PathBuf]) -> String {
    let to = bytes(&Path::new(SAFE).join(to));
    let from = bytes(from);
    if mounts.is_empty() {
        return format!(
            "mkdir -p {} && cp -ax {} {}",
            quoted(&to),
            quoted(&[&from, b"/.".as_slice()].concat()),
            quoted(&[&to, b"/".as_slice()].concat())
        );
    }
    // cp -x looks at a mount before it leaves it out, and waits for its server; tar looks at nothing
    // that is excluded (dump_dir0 of GNU tar:
    // https://github.com/Distrotech/tar/blob/b4afdd0e2892cbd099352dcfda86230cdca8be02/src/create.c).
    // --anchored and --no-wildcards, because a name may have * and [, and tar takes it for a pattern that
    // matches after any slash else.
    let mut excluded = String::new();
    for mount in mounts {
        // Writing to a string cannot fail.
        let _ = write!(excluded, " {}", quoted(&[b"--exclude=./", &*bytes(mount)].concat()));
    }
    format!(
        "mkdir -p {to} && tar -C {from} --one-file-system --acls --xattrs --anchored --no-wildcards{excluded} -cf - . | tar -C {to} --acls --xattrs -xpf -",
        from = quoted(if from.is_empty() { b"/" } else { &from }),
        to = quoted(&to),
    )
}

/// Returns all commands as one; `None` for none. One that fails ends none of the others.
pub(super) fn together(copies: &[String]) -> Option<String> {
    (!copies.is_empty()).then(|| copies.join("; "))
}

/// Returns the bytes of a path, without a slash at its end.
fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = path.as_os_str().as_bytes().to_vec();
    while bytes.last() == Some(&b'/') {
        bytes.pop();
    }
    bytes
}

/// Returns a word as a shell reads it back. One with characters that are not seen, or that are no UTF-8,
/// is written as `$'...'`, because a report would show them otherwise: bash, zsh and POSIX of 2024 know
/// that, and dash does not.
fn quoted(word: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(word) {
        Ok(text) if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._~-+,:@%=".contains(c)) => {
            Cow::Borrowed(text)
        }
        // A report would break a command of a runner of jobs, too.
        Ok(text) if plain(text) == text => Cow::Owned(format!("'{}'", text.replace('\'', "'\\''"))),
        _ => {
            let mut quoted = "$'".to_owned();
            for byte in word {
                // Three digits, so that a digit that follows is none of them.
                let _ = match byte {
                    b' '..=b'~' if !matches!(byte, b'\'' | b'\\' | b'#') => {
                        write!(quoted, "{}", char::from(*byte))
                    }
                    _ => write!(quoted, "\\{byte:03o}"),
                };
            }
            quoted.push('\'');
            Cow::Owned(quoted)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_shell_reads_every_name_back() {
        assert_eq!(
            copy(Path::new("/p/u/v"), Path::new("u/v"), &[]),
            "mkdir -p /a/safe/place/u/v && cp -ax /p/u/v/. /a/safe/place/u/v/"
        );
        for name in ["a b", "it's", "$(reboot)", "a;b", "-rf", "*", "grüße"] {
            reads_back("sh", name.as_bytes());
        }
    }

    fn reads_back(shell: &str, name: &[u8]) {
        let words = quoted(name);
        assert_eq!(plain(&words), words, "a report shows it as it is");
        let script = format!("printf %s {words}");
        let output = std::process::Command::new(shell).args(["-c", &script]).output().expect("it runs");
        assert_eq!(output.stdout, name, "{words}");
    }

    #[test]
    fn bash_reads_back_what_a_report_cannot_show() {
        for name in ["a\nb", "tab\t7", "\u{1b}[31m", "it's\r\\n", "\u{202e}b", "##[error]", "ü\u{7}'"] {
            reads_back("bash", name.as_bytes());
        }
        reads_back("bash", b"\xff 7\xfe");
        // Nor does a path lose its bytes.
        let name = Path::new(OsStr::from_bytes(b"/p/\xff/"));
        assert!(
            copy(name, Path::new("u/v"), &[]).contains("cp -ax $'/p/\\377/.' "),
            "{}",
            copy(name, name, &[])
        );
    }
}
