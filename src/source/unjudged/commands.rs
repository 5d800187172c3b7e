//! Commands that mount NFS: mount(8) and mount.nfs(8) in a script or as a list of arguments, an entry
//! of an autofs(5) map, and a line of fstab(5) that a script or cloud-init writes.

use memchr::memmem;

use crate::nfs::{option, reading};

/// Returns whether a command in a text gives `bg` to an NFS mount; `None` where no line mounts NFS with
/// options.
pub(super) fn background_of(text: &str) -> Option<bool> {
    // Most texts hold no such word.
    let holds = |word: &[u8]| memmem::find(text.as_bytes(), word).is_some();
    if !holds(b"mount") && !holds(b"type=nfs") && !holds(b" nfs") && !holds(b"/&") {
        return None;
    }
    // A backslash at the end continues a line in the next one.
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let commands = text.split(['\n', ';', '|', '&', '`', '(', ')']);
    commands.filter_map(|command| of_command(command.trim())).reduce(|one, other| one || other)
}

fn of_command(command: &str) -> Option<bool> {
    let command = command.split_once(" #").map_or(command, |(before, _)| before);
    if command.starts_with('#') {
        return None;
    }
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    options_among(&words).map(|options| options.has_bg)
}

/// The options of a command that mounts NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// The index of the first word that has options.
    pub(super) word: usize,
    /// True if `bg` is among the options of any word.
    pub(super) has_bg: bool,
}

/// Returns the options of a command that mounts NFS, by its words.
pub(super) fn options_among(words: &[&str]) -> Option<Options> {
    of_mount(words).or_else(|| of_autofs(words)).or_else(|| of_fstab(words)).or_else(|| of_settings(words))
}

/// Reads `mount -t nfs4 -o OPTIONS SERVER:/PATH DIRECTORY`; mount(8) joins the options of several `-o`.
/// systemd-mount(1) has the same switches, and a `--type`.
fn of_mount(words: &[&str]) -> Option<Options> {
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_helper = |word: &str| matches!(name(word).as_str(), "mount.nfs" | "mount.nfs4");
    let is_mount = |word: &&str| matches!(name(word).as_str(), "mount" | "systemd-mount") || is_helper(word);
    let at = words.iter().position(is_mount)?;
    let is_helper = words.get(at).is_some_and(|word| is_helper(word));
    let arguments = words.get(at + 1..)?;
    let named = arguments.iter().enumerate().find_map(|(index, word)| match *word {
        "-t" | "--types" | "--type" => arguments.get(index + 1).copied(),
        _ => word
            .strip_prefix("--types=")
            .or_else(|| word.strip_prefix("--type="))
            .or_else(|| word.strip_prefix("-t"))
            .filter(|named| !named.is_empty()),
    });
    let is_nfs = match named {
        Some(named) => named.split(',').any(|named| matches!(named, "nfs" | "nfs4")),
        None => is_helper || arguments.iter().any(|word| is_export(word)),
    };
    let is_moved = arguments.iter().any(|word| matches!(*word, "--bind" | "--rbind" | "--move"));
    if !is_nfs || is_moved {
        return None;
    }
    let mut found: Option<Options> = None;
    for (index, word) in arguments.iter().enumerate() {
        let joined = word.strip_prefix("--options=").or_else(|| {
            // Short flags may stand together: `-vo`.
            let flags = word.strip_prefix('-').filter(|flags| !flags.starts_with('-'))?;
            let (before, options) = flags.split_once('o')?;
            before.bytes().all(|flag| flag.is_ascii_alphabetic() && flag != b't').then_some(options)
        });
        let (word, options) = match joined {
            Some(options) if !options.is_empty() => (at + 1 + index, options),
            None if *word != "--options" => continue,
            _ => match words.get(at + 2 + index) {
                Some(options) if !options.starts_with('-') => (at + 2 + index, *options),
                _ => continue,
            },
        };
        let has_bg = reading::mentions_background(options);
        let first = found.unwrap_or(Options { word, has_bg });
        found = Some(Options { has_bg: first.has_bg || has_bg, ..first });
    }
    found
}

/// Reads `KEY -fstype=nfs4,OPTIONS SERVER:/PATH`; without a type a server's path is NFS.
fn of_autofs(words: &[&str]) -> Option<Options> {
    let (word, options) =
        words.iter().enumerate().find_map(|(index, word)| Some((index, word.strip_prefix('-')?)))?;
    let types = || options.split(',').filter_map(|option| option.strip_prefix("fstype="));
    let others = || options.split(',').filter(|option| !option.starts_with("fstype="));
    let is_nfs = if let Some(named) = types().next() {
        matches!(named, "nfs" | "nfs4")
    } else {
        let is_entry = matches!(words, [_, _, place] if is_export(place)) && word == 1;
        is_entry && option::has_nfs_option(options) && option::are_options(options)
    };
    let has_options = others().any(|option| !option.is_empty());
    (is_nfs && has_options).then(|| Options { word, has_bg: reading::mentions_background(options) })
}

/// Reads `SERVER:/PATH DIRECTORY nfs OPTIONS`; mount(8) takes such a device for NFS without a type, too,
/// which is null in a list of cloud-init's.
fn of_fstab(words: &[&str]) -> Option<Options> {
    let is_entry = |entry: &&[&str]| {
        matches!(entry, [device, directory, "nfs" | "nfs4" | "auto" | "null" | "~", options]
            if is_export(device) && directory.starts_with('/') && *options != "defaults" && option::are_options(options))
    };
    let (index, entry) = words.windows(4).enumerate().find(|(_, entry)| is_entry(entry))?;
    let options = entry.last().copied().unwrap_or_default();
    Some(Options { word: index + 3, has_bg: reading::mentions_background(options) })
}

/// Reads `docker volume create --opt type=nfs --opt o=OPTIONS`, the same in one argument of `--mount`, and
/// Ansible's `mount: src=SERVER:/PATH fstype=nfs opts=OPTIONS`.
fn of_settings(words: &[&str]) -> Option<Options> {
    if !words.iter().any(|word| word.contains("type=nfs")) {
        return None;
    }
    let setting = |word: &str| {
        let word = word.trim_start_matches('-');
        let word = word.strip_prefix("opt=").or_else(|| word.strip_prefix("volume-opt=")).unwrap_or(word);
        let (key, value) = word.split_once('=')?;
        Some((key.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
    };
    // One argument may hold several settings; a quoted one has commas of its own.
    let settings = |word: &str| -> Vec<(String, String)> {
        let word = word.replace(",\"volume-opt=", ",volume-opt=");
        let mut rest = word.as_str();
        let mut found: Vec<(String, String)> = Vec::new();
        while let Some((first, others)) = rest.split_once(",volume-opt=") {
            found.extend(setting(first.trim_end_matches(['"', '\''])));
            rest = others;
        }
        found.extend(setting(rest));
        found
    };
    let all: Vec<(usize, (String, String))> = words
        .iter()
        .enumerate()
        .flat_map(|(index, word)| settings(word).into_iter().map(move |setting| (index, setting)))
        .collect();
    let names_nfs = |key: &str| {
        all.iter().any(|(_, (found, value))| found == key && matches!(value.as_str(), "nfs" | "nfs4"))
    };
    let key = if names_nfs("fstype") {
        "opts"
    } else if names_nfs("type") {
        "o"
    } else {
        return None;
    };
    let is_it = |(_, (found, value)): &&(usize, (String, String))| {
        found == key && value != "defaults" && option::are_options(value)
    };
    let (word, (_, options)) = all.iter().find(is_it)?;
    Some(Options { word: *word, has_bg: reading::mentions_background(options) })
}

/// Returns true for `SERVER:/PATH`.
pub(super) fn is_export(word: &str) -> bool {
    word.split_once(":/").is_some_and(|(server, rest)| {
        let is_name = !server.is_empty() && !server.contains(['=', '/']);
        is_name && !rest.starts_with('/')
    })
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
            ("mount -t nfs -o hard -o bg nas:/a /b", true),
            ("mount -t nfs -o hard \"$EXPORT\" /b", false),
            ("OUT=$(mount -t nfs -o bg nas:/a /b 2>&1)", true),
            ("OUT=`mount -t nfs -o bg nas:/a /b`", true),
            ("echo 'nas:/a /b nfs bg,hard 0 0' >> /etc/fstab", true),
            ("*  -fstype=nfs4,bg,hard  nas:/home/&", true),
            ("*  -rw,fstype=nfs4,bg  nas:/home/&", true),
            ("*  -rw,bg  nas:/home/&", true),
            ("/home /etc/auto.home -bg,fstype=nfs", true),
        ] {
            assert_eq!(background_of(text), Some(has_bg), "{text}");
        }
    }

    #[test]
    fn commands_that_mount_something_else_or_without_options_are_not() {
        for text in [
            "mount -o bind /a /b",
            "mount --bind -o ro nas:/a /b",
            "mount -t tmpfs -o size=1g tmpfs /x",
            "mount -t ceph -o name=admin mon1:6789:/ /m",
            "mount -t glusterfs -o acl g1:/vol /m",
            "mount -t overlay overlay -o lowerdir=/nfs:/a /m",
            "mount -t nfs nas:/a /b",
            "mount -t nfs nas:/a /b # use -o bg later",
            "# mount -t nfs -o bg nas:/a /b",
            "curl -o file https://nas.example.com/nfs",
            "umount -f /mnt; echo nfs -o bg",
            "the volume is mounted with -o bg",
            "please mount the nfs share with -o bg if you can",
            "To mount nfs on a node use -o options",
            "helm install mount nfs -o json",
            "find /host/mount -type f -name nfs -o foo",
            "rsync -av nas:/a /b",
            "*  -fstype=nfs4  nas:/home/&",
        ] {
            assert_eq!(background_of(text), None, "{text}");
        }
    }
}
