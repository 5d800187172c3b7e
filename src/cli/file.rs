//! Files that are written in one step: a reader finds the old text or the new one, and
//! never a part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes the content of a file, each time that it is asked.
pub(super) type Content<'c> = &'c dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Puts new text in the place of a file that exists, with its permissions.
///
/// # Errors
///
/// When the directory cannot take the new file, or the old one cannot be replaced.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    replace_with(path, &|out| out.write_all(text.as_bytes()))
}

fn replace_with(path: &Path, content: Content<'_>) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    put(&path, content, |file| file.set_permissions(permissions))
}

/// Writes a report to a file, which need not exist. A device or a pipe is written into,
/// and so is a file that cannot be replaced: in a directory that takes no new file, or one
/// that is a mount of its own.
///
/// # Errors
///
/// When the file cannot be written.
pub(super) fn write(path: &Path, content: Content<'_>) -> io::Result<()> {
    let over = || content(&mut File::create(path)?);
    let is_new = match fs::metadata(path) {
        Ok(old) if !old.is_file() => return over(),
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let placed = if is_new && !path.is_symlink() {
        put(path, content, |_| Ok(()))
    } else {
        replace_with(path, content)
    };
    placed.or_else(|_| over())
}

fn put(path: &Path, content: Content<'_>, prepare: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // The mode that umask allows, as for any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // Beside the file, because rename(2) moves nothing to another file system (EXDEV).
    let mut file = builder.tempfile_in(folder)?;
    content(file.as_file_mut())?;
    prepare(file.as_file())?;
    // Before the rename, so that after a crash the name leads to the old text or the new one, and to no
    // empty file.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_report_keeps_permissions_and_links_and_leaves_no_other_file() {
        let folder = TempDir::new().expect("a folder");
        let of = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(of(name)).expect("a file").permissions().mode() & 0o777;
        fs::write(of("as-any"), "").expect("a file");
        write(&of("new"), &|out| out.write_all(b"1")).expect("written");
        assert_eq!(mode("new"), mode("as-any"));
        fs::set_permissions(of("new"), Permissions::from_mode(0o640)).expect("permissions");
        symlink("new", of("link")).expect("a link");
        write(&of("link"), &|out| out.write_all(b"2")).expect("written");
        assert_eq!((fs::read_to_string(of("new")).expect("text"), mode("new")), ("2".to_owned(), 0o640));
        assert!(of("link").is_symlink());
        symlink("target", of("dangling")).expect("a link");
        write(&of("dangling"), &|out| out.write_all(b"3")).expect("written");
        assert!(of("dangling").is_symlink());
        assert_eq!(fs::read_to_string(of("target")).expect("text"), "3");
        write(Path::new("/dev/null"), &|out| out.write_all(b"4")).expect("written");
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a list").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!(names, ["as-any", "dangling", "link", "new", "target"]);
        assert!(write(&of("none/report"), &|out| out.write_all(b"5")).is_err());
    }
}
