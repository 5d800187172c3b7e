//! Commands that mount NFS: mount(8) and mount.nfs(8) in a script or as a list of arguments, an entry
//! of an autofs(5) map, and one of cloud-init's `mounts`.

use memchr::memmem;

use crate::nfs::reading;

/// Returns whether a command in a text gives `bg` to an NFS mount; `None` where no line mounts NFS with
/// options.
pub(super) fn background_of(text: &str) -> Option<bool> {
    // Most texts hold no such word.
    let holds = |word: &[u8]| memmem::find(text.as_bytes(), word).is_some();
    if !holds(b"mount") && !holds(b"-fstype=nfs") {
        return None;
    }
    // A backslash at the end continues a line in the next one.
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let commands = text.split(['\n', ';', '|', '&']).filter(|command| !command.trim_start().starts_with('#'));
    let of_command = |command: &str| {
        let words: Vec<&str> =
            command.split_whitespace().map(|word| word.trim_matches(['"', '\'', '(', ')', '`'])).collect();
        options_among(&words).map(|(_, options)| reading::mentions_background(options))
    };
    commands.filter_map(of_command).reduce(|one, other| one || other)
}

/// Returns the options of a command that mounts NFS, and the index of the word that has them.
pub(super) fn options_among<'w>(words: &[&'w str]) -> Option<(usize, &'w str)> {
    of_cloud_init(words).or_else(|| of_autofs(words)).or_else(|| of_mount(words))
}

/// `mount -t nfs4 -o OPTIONS SERVER:/PATH DIRECTORY`
fn of_mount<'w>(words: &[&'w str]) -> Option<(usize, &'w str)> {
    let name = |word: &&str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let at =
        words.iter().position(|word| matches!(name(word).as_str(), "mount" | "mount.nfs" | "mount.nfs4"))?;
    let is_helper = words.get(at).is_some_and(|word| name(word) != "mount");
    let arguments = words.get(at + 1..)?;
    let is_type =
        |word: &&str| matches!(*word, "nfs" | "nfs4" | "-tnfs" | "-tnfs4" | "--types=nfs" | "--types=nfs4");
    let is_nfs = is_helper || arguments.iter().any(|word| is_type(word) || is_export(word));
    let options = arguments.iter().enumerate().filter(|_| is_nfs).find_map(|(index, word)| {
        let index = at + 1 + index;
        let joined = word.strip_prefix("--options=").or_else(|| {
            // Short flags may stand together: `-vo`.
            let flags = word.strip_prefix('-').filter(|flags| !flags.starts_with('-'))?;
            flags.split_once('o').map(|(_, options)| options)
        });
        match joined {
            Some(options) if !options.is_empty() => Some((index, options)),
            Some(_) => words.get(index + 1).map(|options| (index + 1, *options)),
            None if *word == "--options" => words.get(index + 1).map(|options| (index + 1, *options)),
            None => None,
        }
    });
    options.filter(|(_, options)| !options.is_empty() && !options.starts_with('-'))
}

/// `KEY -fstype=nfs4,OPTIONS SERVER:/PATH`
fn of_autofs<'w>(words: &[&'w str]) -> Option<(usize, &'w str)> {
    let (index, options) = words
        .iter()
        .enumerate()
        .find_map(|(index, word)| Some((index, word.strip_prefix("-fstype=nfs")?)))?;
    let options = options.strip_prefix('4').unwrap_or(options).strip_prefix(',')?;
    Some((index, options))
}

/// `[SERVER:/PATH, DIRECTORY, nfs, OPTIONS]`
fn of_cloud_init<'w>(words: &[&'w str]) -> Option<(usize, &'w str)> {
    let [device, directory, kind, options, ..] = words else { return None };
    let is_entry = is_export(device) && directory.starts_with('/') && matches!(*kind, "nfs" | "nfs4");
    (is_entry && *options != "defaults").then_some((3, *options))
}

/// Returns true for `SERVER:/PATH`.
fn is_export(word: &&str) -> bool {
    word.split_once(":/").is_some_and(|(server, rest)| !server.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_mount_nfs_with_options_are_found_however_they_are_written() {
        for (text, has_bg) in [
            ("#!/bin/sh\nset -e\nmount -t nfs -o bg,hard nas:/export /mnt\n", true),
            ("mkdir -p /mnt && mount -t nfs4 nas:/export /mnt -o hard", false),
            ("/sbin/mount.nfs nas:/export /mnt -vo \"soft,bg\"", true),
            ("mount --types=nfs --options=nfsvers=4.1 nas:/a /b || exit 1", false),
            ("mount -t nfs \\\n  -o bg \\\n  nas:/a /b", true),
            ("sudo mount -obg nas:/a /b", true),
            ("*  -fstype=nfs4,bg,hard  nas:/home/&", true),
        ] {
            assert_eq!(background_of(text), Some(has_bg), "{text}");
        }
    }

    #[test]
    fn commands_that_mount_something_else_or_without_options_are_not() {
        for text in [
            "mount -o bind /a /b",
            "mount -t tmpfs -o size=1g tmpfs /x",
            "mount -t nfs nas:/a /b",
            "# mount -t nfs -o bg nas:/a /b",
            "curl -o file https://nas.example.com/nfs",
            "umount -f /mnt; echo nfs -o bg",
            "the volume is mounted with -o bg",
        ] {
            assert_eq!(background_of(text), None, "{text}");
        }
    }
}
