//! nfsmount.conf and nfsmount.conf.d, as mount.nfs reads them: options that every mount
//! gets which does not have them itself. Read after nfs-utils 2.6.2 [`conffile.c`][conffile] and
//! [`configfile.c`][configfile], and compared with the real mount.nfs.
//!
//! [conffile]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=support/nfs/conffile.c;hb=nfs-utils-2-6-2
//! [configfile]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/configfile.c;hb=nfs-utils-2-6-2
//!
//! Counts every value that one of the versions of mount.nfs uses, if they differ: 2.6.2 drops a
//! server's value when a later section names the option for another server, and takes nothing from
//! /usr/etc beside a file in /etc.

mod order;
mod quotes;
mod replaced;
mod section;
mod text;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::io_fault;
pub use replaced::ConfMounts;
use replaced::gone;
use section::{Heading, Variable, heading, value_of};
pub(super) use section::{Section, is_volume_point, may_be_server};
use text::text_of;

/// Files that include each other are followed so far.
const INCLUDES: usize = 8;

/// The ending of the files in a directory that are read.
const ENDING: &str = ".conf";

/// One line of a file that gives options to mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The file.
    pub(super) file: PathBuf,
    /// The line, from 1.
    pub(super) line: usize,
    /// To which mounts.
    pub(super) section: Section,
    /// The option's name in the file, in lower case.
    name: String,
    /// The text that mount.nfs appends; contains commas if the file does.
    pub(super) text: String,
}

/// The settings in the files of a node.
#[derive(Debug, Default)]
pub(super) struct Conf {
    /// The files that were read.
    pub(super) files: Vec<PathBuf>,
    /// The files that could not be read.
    pub(super) problems: Vec<(PathBuf, String)>,
    /// The directory of further files, if it may be on the node and not here.
    pub(super) unseen: Vec<PathBuf>,
    /// Last lines that no line break ends: mount.nfs ignores them.
    pub(super) ignored: Vec<(PathBuf, usize, String)>,
    /// Lines at which mount.nfs ends, with the name of their section.
    pub(super) fatal: Vec<(PathBuf, usize, &'static str)>,
    settings: Vec<Setting>,
    variables: Vec<Variable>,
}

impl Conf {
    /// Reads the file, the directory beside it and, for one in /etc, those in /usr/etc, which
    /// nfs-utils 2.7 and newer read first.
    pub(super) fn read(path: &Path) -> Self {
        let mut conf = Self::default();
        conf.read_beside(path);
        conf.read_first(path);
        conf.read_folder(&directory(path));
        conf.resolve();
        conf
    }

    /// Returns what is known if a file does not answer: nothing.
    pub(super) fn unread(path: &Path, fault: &str) -> Self {
        Self { problems: vec![(path.to_owned(), fault.to_owned())], ..Self::default() }
    }

    /// Reads the files in /usr/etc that belong to one in /etc.
    fn read_beside(&mut self, path: &Path) {
        if let Ok(rest) = path.strip_prefix("/etc") {
            let path = Path::new("/usr/etc").join(rest);
            self.read_first(&path);
            self.read_folder(&directory(&path));
        }
    }

    /// Reads the file itself, which need not be there.
    fn read_first(&mut self, path: &Path) {
        // A line before the first heading belongs to no section.
        self.read_file(path, &mut None, 0, true);
    }

    /// Reads as [`Self::read`] does, for a path that a person gave: one at which nothing is, neither the file
    /// nor the directory beside it, is a problem. Of the two only the one is read that the node still
    /// has, by their mounts `now` and at the first look.
    pub(super) fn read_named(path: &Path, now: &ConfMounts, first: Option<&ConfMounts>) -> Self {
        let (mut conf, folder) = (Self::default(), directory(path));
        conf.read_beside(path);
        match now.file.replaced(first.map(|first| &first.file), path) {
            Some(problem) => conf.problems.push((path.to_owned(), problem)),
            None => conf.read_first(path),
        }
        match now.folder.replaced(first.map(|first| &first.folder), &folder) {
            Some(problem) => conf.problems.push((folder.clone(), problem)),
            None => conf.read_folder(&folder),
        }
        conf.resolve();
        if conf.files.is_empty() && conf.problems.is_empty() && !folder.is_dir() {
            let message = format!("there is no such file, nor {}", folder.display());
            conf.problems.push((path.to_owned(), message));
        } else if now.hides_folder() && !folder.exists() {
            conf.unseen.push(folder);
        }
        conf
    }

    /// Returns every setting.
    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns the settings that a mount gets, in the order in which mount.nfs appends them, if
    /// its options name none of them; without those for servers if its own is unknown.
    pub(super) fn of_mount(&self, server: Option<&str>, point: &str) -> Vec<&Setting> {
        let mut found = self.listed(server, point);
        quotes::drop_swallowed(&mut found);
        found
    }

    /// Returns the same, also with those that an open quotation mark takes away.
    fn listed(&self, server: Option<&str>, point: &str) -> Vec<&Setting> {
        let mut found: Vec<&Setting> = Vec::new();
        let is_point = |section: &Section| matches!(section, Section::MountPoint(name) if name.eq_ignore_ascii_case(point));
        let is_server = |section: &Section| matches!((section, server), (Section::Server(name), Some(server)) if name.eq_ignore_ascii_case(server));
        let is_global = |section: &Section| *section == Section::Global;
        // The last line of a section comes first.
        // The order of conf_get_mntopts: the mount point, then the server, then all; the first one
        // that names an option wins.
        for is_it in [&is_point as &dyn Fn(&Section) -> bool, &is_server, &is_global] {
            for setting in self.settings.iter().rev().filter(|setting| is_it(&setting.section)) {
                // An option is dropped if one of the same kind was appended before it, not only an
                // equal one.
                if !found.iter().any(|earlier| blocks(earlier.keyword(), alias(&setting.name))) {
                    found.push(setting);
                }
            }
        }
        found
    }

    /// Returns the settings that no mount gets, each with the line of its own section that keeps it
    /// away: a later one, unless 2.6.2 drops that for a later one of another server.
    pub(super) fn overridden(&self) -> Vec<(&Setting, &Setting)> {
        // Names of sections are compared without case.
        let is_same = |one: &Section, other: &Section| match (one, other) {
            (Section::Server(one), Section::Server(other))
            | (Section::MountPoint(one), Section::MountPoint(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one == other,
        };
        let is_dropped = |later: &Setting| {
            let is_servers = |setting: &Setting| matches!(setting.section, Section::Server(_));
            let is_another = |other: &Setting| is_servers(other) && !is_same(&other.section, &later.section);
            let after = self.settings.iter().skip_while(|setting| !std::ptr::eq(*setting, later)).skip(1);
            let mut others = after.filter(|other| is_another(other));
            is_servers(later) && others.any(|other| other.name == later.name)
        };
        let (mut given, mut overridden): (Vec<&Setting>, Vec<_>) = (Vec::new(), Vec::new());
        for setting in self.settings.iter().rev() {
            let mut same = given.iter().filter(|later| is_same(&later.section, &setting.section));
            match same.find(|later| blocks(later.keyword(), alias(&setting.name))) {
                Some(later) => overridden.push((setting, *later)),
                None if is_dropped(setting) => {}
                None => given.push(setting),
            }
        }
        overridden
    }

    /// Returns those of [`Self::of_mount`], without those that an option of the mount keeps away.
    pub(super) fn added_to(&self, server: Option<&str>, point: &str, own: &[&str]) -> Vec<&Setting> {
        let mut added = self.of_mount(server, point);
        added.retain(|setting| !own.iter().any(|own| blocks(own, alias(&setting.name))));
        added
    }

    /// Turns values into options; only now every variable is known. One that is not set takes its
    /// setting away. The environment of mount.nfs comes first there, and is not known here.
    fn resolve(&mut self) {
        let variables = std::mem::take(&mut self.variables);
        self.settings.retain_mut(|setting| {
            let option = value_of(&setting.text, setting.section.argument(), &variables)
                .and_then(|value| option(&setting.name, value));
            option.map(|option| setting.text = option).is_some()
        });
    }

    /// Reads the files of the directory, which need not be there.
    fn read_folder(&mut self, folder: &Path) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.problems.push((folder.to_owned(), io_fault::reason(&error))),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            // conffile.c leaves out hidden files, and what has no name before `.conf`.
            .filter(|name| name.len() > ENDING.len() && name.ends_with(ENDING) && !name.starts_with('.'))
            .collect();
        // versionsort(3): 9.conf is before 10.conf.
        names.sort_unstable_by(|a, b| order::versions(a, b));
        if let Some(error) = fs::metadata(folder).ok().and_then(|metadata| gone(&metadata, folder)) {
            return self.problems.push((folder.to_owned(), error.to_string()));
        }
        for name in names {
            let path = folder.join(name);
            if !path.is_dir() {
                self.read_file(&path, &mut None, 0, false);
            }
        }
    }

    fn read_file(&mut self, path: &Path, section: &mut Option<Heading>, depth: usize, may_lack: bool) {
        match text_of(path) {
            Ok(text) => {
                self.files.push(path.to_owned());
                self.parse(&text, path, section, depth);
            }
            Err(error) if may_lack && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problems.push((path.to_owned(), io_fault::reason(&error))),
        }
    }

    fn parse(&mut self, text: &str, path: &Path, section: &mut Option<Heading>, depth: usize) {
        let mut begun: Option<(usize, String)> = None;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let (number, before) = begun.take().unwrap_or((index + 1, String::new()));
            // A backslash at its end joins a line with the next one; both become spaces.
            if let Some(part) = line.strip_suffix("\\\n") {
                begun = Some((number, format!("{before}{part}  ")));
                continue;
            }
            let Some(line) = line.strip_suffix('\n') else {
                // The last line of a file without a line break; it is joined with nothing.
                begun = Some((number, format!("{before}{line}")));
                continue;
            };
            self.parse_line(
                format!("{before}{line}").trim_start_matches(is_space),
                path,
                number,
                section,
                depth,
            );
        }
        if let Some((number, rest)) = begun.filter(|(_, rest)| !rest.trim().is_empty()) {
            self.ignored.push((path.to_owned(), number, rest.trim().to_owned()));
        }
    }

    fn parse_line(
        &mut self,
        line: &str,
        path: &Path,
        number: usize,
        section: &mut Option<Heading>,
        depth: usize,
    ) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            return;
        }
        if let Some(head) = line.strip_prefix('[') {
            *section = heading(head);
            return;
        }
        // mount.nfs logs a line without `=`, and reads on.
        let Some((name, value)) = line.split_once('=') else { return };
        // Outside of a section, and after a heading without its end, it reads nothing, no `include` either.
        let Some(section) = section.clone() else { return };
        let (name, value) = (name.trim_end_matches([' ', '\t']), value.trim_start_matches([' ', '\t']));
        let Some(value) = unquoted(value) else { return };
        if name.eq_ignore_ascii_case("include") {
            self.include(value, path, section, depth);
            return;
        }
        if name.is_empty() || value.is_empty() {
            return;
        }
        let (name, value) = (name.to_ascii_lowercase(), value.to_owned());
        match section {
            Heading::Options(section) => {
                // The last value of a name counts, also of another file; an empty one is none.
                self.settings.retain(|setting| setting.section != section || setting.name != name);
                let file = path.to_owned();
                self.settings.push(Setting { file, line: number, section, name, text: value });
            }
            Heading::Environment(argument) => self.variables.push(Variable { argument, name, value }),
            Heading::Nameless(section) => self.fatal.push((path.to_owned(), number, section)),
            Heading::Other => {}
        }
    }

    fn include(&mut self, value: &str, from: &Path, section: Heading, depth: usize) {
        // `include = -FILE` is for a file that need not be there.
        let (may_lack, value) = value.strip_prefix('-').map_or((false, value), |value| (true, value));
        let path = from.parent().unwrap_or(Path::new("/")).join(value);
        if depth == INCLUDES {
            self.problems.push((path, "too many files include each other".to_owned()));
            return;
        }
        self.read_file(&path, &mut Some(section), depth + 1, may_lack);
    }
}

impl Setting {
    /// Returns the text up to its value.
    fn keyword(&self) -> &str {
        self.text.split('=').next().unwrap_or_default()
    }
}

/// Returns a value without quotes, or without the comment and the white space after it.
fn unquoted(value: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map(|(value, _)| value);
        }
    }
    let value = value.split(['#', ';']).next().unwrap_or_default();
    // conffile.c never looks at the first character when it trims: a carriage return alone is a value.
    let first = value.chars().next().map_or(0, char::len_utf8);
    let end = value.trim_end_matches(is_space).len().max(first);
    value.get(..end)
}

/// Returns true for the whitespace of isspace(3) without a locale, which mount.nfs sets none of.
const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// Returns the option that mount.nfs appends for a value; only the long words turn into each other.
/// `default...` sets the start of a negotiation, and is no option, unless it is `False`: mount.nfs
/// appends `nodefaultproto`, and the kernel knows no such option.
fn option(name: &str, value: &str) -> Option<String> {
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    if name.starts_with("default") && !is("false") {
        return None;
    }
    Some(match (name, alias(name)) {
        ("background", _) if is("false") => "fg".to_owned(),
        ("foreground", _) if is("false") => "bg".to_owned(),
        ("sloppy", _) if is("false") => return None,
        (_, name) if is("false") => format!("no{name}"),
        (_, name) if is("true") => name.to_owned(),
        (_, name) => format!("{name}={}", number(value)),
    })
}

/// Returns the directory of further files.
fn directory(path: &Path) -> PathBuf {
    let mut folder = path.as_os_str().to_owned();
    folder.push(".d");
    folder.into()
}

fn alias(name: &str) -> &str {
    match name {
        "background" => "bg",
        "foreground" => "fg",
        name => name,
    }
}

/// Returns a number with its factor applied: `8k` is 8192.
fn number(value: &str) -> String {
    let factor = match value.bytes().last().map(|byte| byte.to_ascii_lowercase()) {
        Some(b'k') => 1 << 10,
        Some(b'm') => 1 << 20,
        Some(b'g') => 1_u64 << 30,
        _ => return value.to_owned(),
    };
    // strtol(3) reads it: text that is no number is 0.
    let (base, digits) = match value.strip_prefix("0x") {
        Some(digits) => (16, digits),
        // Base 0 of strtol(3): a leading zero is octal, as in C.
        None if value.starts_with('0') => (8, value),
        None => (10, value.trim_start()),
    };
    let end = digits.find(|digit: char| !digit.is_digit(base)).unwrap_or(digits.len());
    let number = digits.get(..end).and_then(|digits| u64::from_str_radix(digits, base).ok());
    number.unwrap_or_default().saturating_mul(factor).to_string()
}

/// Returns true if an option that a mount has keeps the file's option of a name away from it.
/// `hard` does not keep `soft` away: both are passed on, and the file's comes last.
fn blocks(has: &str, name: &str) -> bool {
    let is_version = |name: &str| {
        matches!(name, "vers" | "nfsvers" | "minorversion")
            || name.strip_prefix('v').is_some_and(|rest| rest.starts_with(['2', '3', '4']))
    };
    // mount.nfs compares without a leading `no`: `ac` of a mount keeps `noac` of the file away.
    let bare = |name: &str| name.strip_prefix("no").unwrap_or(name).to_owned();
    has == name
        || bare(has) == bare(name)
        || matches!((has, name), ("bg", "fg") | ("fg", "bg"))
        || is_version(has) && is_version(name)
}
