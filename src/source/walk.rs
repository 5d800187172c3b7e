//! Finds the files that a command line means: files, directories and globs.

pub mod exclude;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use super::Skip;
use super::unjudged::is_terraform;
use exclude::Excludes;

/// The most bytes that are read of a file that was found in a walk: 64 MiB. A
/// file that was named itself may be longer.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The path, which is also the name in reports.
    pub path: PathBuf,
    /// True if it was named itself: it must then be readable, whatever it is.
    pub is_explicit: bool,
    /// True if it is a link out of the directory that was walked, through which nothing is written.
    pub leads_out: bool,
}

/// The files that paths lead to.
#[derive(Debug, Default)]
pub struct Walked {
    /// The files, each once, sorted by name.
    pub found: Vec<FoundFile>,
    /// The paths that cannot be found or read.
    pub errors: Vec<WalkError>,
    /// The files that are not read, by reason.
    pub passed_over: BTreeMap<Skip, usize>,
}

/// A path that leads to no file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct WalkError {
    /// The path as given, or that of the directory below it that is concerned.
    pub path: PathBuf,
    /// The fault.
    pub reason: WalkFault,
}

/// The reason why a path leads to no file.
#[derive(Debug, thiserror::Error)]
pub enum WalkFault {
    /// There is nothing.
    #[error("there is no such file or directory")]
    Missing,
    /// A glob that no file matches.
    #[error("no file matches")]
    NoMatch,
    /// A glob that is none.
    #[error(transparent)]
    Glob(#[from] globset::Error),
    /// A directory that cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// Something else about a directory: links in a circle, a bad .gitignore.
    #[error(transparent)]
    Walk(ignore::Error),
}

impl WalkError {
    /// Returns the error for a directory below `root` that cannot be read: the error may say which.
    fn unreadable(root: &Path, error: ignore::Error) -> Self {
        match error {
            ignore::Error::WithPath { path, err } => {
                let Self { reason, .. } = Self::unreadable(&path, *err);
                Self { path, reason }
            }
            ignore::Error::WithDepth { err, .. } => Self::unreadable(root, *err),
            error => {
                let path = root.to_owned();
                let kind = error.io_error().map(io::Error::kind);
                Self { path, reason: kind.map_or(WalkFault::Walk(error), WalkFault::Unreadable) }
            }
        }
    }
}

/// Returns true if a file may hold manifests, by its name.
fn has_extension_of_manifests(path: &Path) -> bool {
    // kubectl reads .json, .yaml and .yml; kyaml is the dialect of Kubernetes 1.34 (KEP-5295).
    const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "kyaml"];
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Finds the files that `paths` mean. `excludes` holds for what a directory or a
/// glob leads to, not for a file that is named itself.
pub fn files(paths: &[PathBuf], excludes: &Excludes) -> Walked {
    let mut walk =
        Walk { excludes, found: BTreeMap::new(), passed_over: BTreeMap::new(), errors: Vec::new() };
    for path in paths {
        if path.is_dir() {
            walk.folder(path, None);
        } else if path.exists() {
            let file = FoundFile { path: path.clone(), is_explicit: true, leads_out: false };
            walk.add(whole(path), Named::Itself, file);
        } else if is_glob(path) {
            walk.glob(path);
        } else {
            walk.errors.push(WalkError { path: path.clone(), reason: WalkFault::Missing });
        }
    }
    let mut passed_over = BTreeMap::new();
    for (reason, paths) in walk.passed_over {
        // A file that one argument names and another one excludes is read.
        let count = paths.iter().filter(|path| !walk.found.contains_key(*path)).count();
        passed_over.extend(Some((reason, count)).filter(|(_, count)| *count > 0));
    }
    let mut found: Vec<FoundFile> = walk.found.into_values().map(|(_, file)| file).collect();
    // As text, in which `b-x.yaml` is before `b/a.yaml`: paths would compare part by part.
    found.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Walked { found, errors: walk.errors, passed_over }
}

fn is_glob(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// Returns the path of a file without links, by which it is known.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The way in which a path names a file, the best name first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// The command line names it.
    Itself,
    /// A directory has it.
    InDirectory,
    /// A directory has a link to it.
    ByLink,
}

/// Files are known by their whole paths, so that each is read, and changed, once.
struct Walk<'w> {
    excludes: &'w Excludes,
    found: BTreeMap<PathBuf, (Named, FoundFile)>,
    passed_over: BTreeMap<Skip, BTreeSet<PathBuf>>,
    errors: Vec<WalkError>,
}

impl Walk<'_> {
    /// Adds a file, unless it has a name that is as good.
    fn add(&mut self, whole: PathBuf, named: Named, file: FoundFile) {
        match self.found.entry(whole) {
            Entry::Vacant(entry) => {
                entry.insert((named, file));
            }
            Entry::Occupied(mut entry) if named < entry.get().0 => {
                entry.insert((named, file));
            }
            Entry::Occupied(_) => {}
        }
    }

    fn glob(&mut self, path: &Path) {
        let pattern = path.to_string_lossy();
        let pattern = pattern.strip_prefix("./").unwrap_or(&pattern);
        // Like in a shell, `*` matches no slash, `**` does.
        let glob = match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(source) => {
                self.errors.push(WalkError { path: path.to_owned(), reason: source.into() });
                return;
            }
        };
        // The walk begins below the part without wildcards, not at the root.
        let fixed: PathBuf = Path::new(pattern)
            .components()
            .take_while(|part| !is_glob(Path::new(part.as_os_str())))
            .collect();
        let root = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
        if !root.exists() {
            self.errors.push(WalkError { path: path.to_owned(), reason: WalkFault::NoMatch });
            return;
        }
        if self.folder(root, Some(&glob)) == 0 && self.errors.is_empty() {
            self.errors.push(WalkError { path: path.to_owned(), reason: WalkFault::NoMatch });
        }
    }

    /// Adds the files of a directory, and returns their number.
    fn folder(&mut self, root: &Path, glob: Option<&GlobMatcher>) -> usize {
        let mut count = 0;
        // A link in the path itself does not lead out.
        let whole_root = whole(root);
        let is_in_repository = whole_root.ancestors().any(|folder| folder.join(".git").exists());
        let mut builder = WalkBuilder::new(root);
        // A directory need not be a repository, and hidden directories may hold manifests. Of all
        // the files that name what to pass over only .gitignore is read: it is in the repository,
        // where everyone sees it, and every machine has the same.
        builder
            // In a repository .gitignore files count from its root on, elsewhere from this
            // directory on.
            .require_git(is_in_repository)
            .hidden(false)
            .ignore(false)
            .git_global(false)
            .git_exclude(false)
            .parents(is_in_repository)
            // Hidden directories are read, and this one has files of every name.
            .filter_entry(|entry| entry.file_name() != ".git");
        for entry in builder.build() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.errors.push(WalkError::unreadable(root, error));
                    continue;
                }
            };
            let path: PathBuf = entry.path().components().filter(|part| *part != Component::CurDir).collect();
            let is_wanted = match glob {
                Some(glob) => glob.is_match(&path),
                None => is_terraform(&path) || has_extension_of_manifests(&path),
            };
            if !is_wanted {
                continue;
            }
            // A link that leads nowhere is found, and reading it tells why.
            let metadata = fs::metadata(&path).ok();
            if metadata.as_ref().is_some_and(fs::Metadata::is_dir) {
                continue;
            }
            let relative_root: PathBuf =
                root.components().filter(|part| *part != Component::CurDir).collect();
            let reason = if self.excludes.contains(&relative_root, &path) {
                Some(Skip::Excluded)
            } else {
                metadata.filter(|metadata| !metadata.is_file()).map(|_| Skip::Irregular)
            };
            count += 1;
            let is_link = entry.path_is_symlink();
            let below = entry.path().strip_prefix(root).ok().filter(|_| !is_link);
            let whole = below.map_or_else(|| whole(&path), |below| whole_root.join(below));
            if let Some(reason) = reason {
                self.passed_over.entry(reason).or_default().insert(whole);
                continue;
            }
            let leads_out = is_link && whole.is_absolute() && !whole.starts_with(&whole_root);
            let named = if is_link { Named::ByLink } else { Named::InDirectory };
            self.add(whole, named, FoundFile { path, is_explicit: false, leads_out });
        }
        count
    }
}

/// Returns true if a file belongs to the templates of a Helm chart.
pub fn is_in_chart(path: &Path) -> bool {
    let whole = std::path::absolute(path);
    whole.as_deref().unwrap_or(path).ancestors().any(|folder| {
        folder.file_name().is_some_and(|name| name == "templates")
            && folder.parent().is_some_and(|chart| chart.join("Chart.yaml").exists())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_walk_honours_gitignore_and_a_named_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/.git")).unwrap();
        for file in ["a/x.yaml", "a/ignored.yaml", "a/.git/y.yaml", "a/z.txt", "a/v.JSON"] {
            fs::write(root.join(file), "a: b\n").unwrap();
        }
        fs::write(root.join("a/.gitignore"), "ignored.yaml\n").unwrap();
        let names = |paths: &[PathBuf]| -> Vec<(String, bool)> {
            files(paths, &Excludes::default())
                .found
                .into_iter()
                .map(|found| {
                    (found.path.strip_prefix(root).unwrap().display().to_string(), found.is_explicit)
                })
                .collect()
        };
        assert_eq!(
            names(&[root.to_owned()]),
            [("a/v.JSON".to_owned(), false), ("a/x.yaml".to_owned(), false)]
        );
        assert_eq!(names(&[root.join("a/ignored.yaml")]), [("a/ignored.yaml".to_owned(), true)]);
        assert_eq!(names(&[root.join("*/x.y*ml")]), [("a/x.yaml".to_owned(), false)]);
        let errors = |path: &str| files(&[root.join(path)], &Excludes::default()).errors;
        assert!(matches!(errors("no.yaml")[..], [WalkError { reason: WalkFault::Missing, .. }]));
        assert!(matches!(errors("*.no")[..], [WalkError { reason: WalkFault::NoMatch, .. }]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_found_once_by_its_best_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("a")).unwrap();
        for file in ["a/x.yaml", "a/y.yaml"] {
            fs::write(root.join(file), "a: b\n").unwrap();
        }
        std::os::unix::fs::symlink("x.yaml", root.join("a/link.yaml")).unwrap();
        std::os::unix::fs::symlink("a", root.join("b")).unwrap();
        let names = |paths: &[&str], excludes: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| root.join(path)).collect();
            let Walked { found, errors, passed_over } = files(&paths, &Excludes::new(excludes).unwrap());
            let name = |found: FoundFile| found.path.strip_prefix(root).unwrap().display().to_string();
            assert!(errors.is_empty(), "{errors:?}");
            (found.into_iter().map(name).collect::<Vec<_>>(), passed_over.into_values().sum::<usize>())
        };
        let both = |first: &str| (vec![first.to_owned(), "a/y.yaml".to_owned()], 0);
        assert_eq!(names(&["a"], &[]), both("a/x.yaml"));
        assert_eq!(names(&["a", "a/../a", "b"], &[]), both("a/x.yaml"));
        assert_eq!(names(&["a/link.yaml", "a", "a/x.yaml"], &[]), both("a/link.yaml"));
        assert_eq!(names(&["a", "a/./x.yaml", "a/y.yaml", "a/*.yaml"], &[]), both("a/./x.yaml"));
        assert_eq!(names(&["b/x.yaml", "a"], &["x.yaml"]).1, 0);
    }

    #[test]
    fn files_are_sorted_as_the_text_of_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("b")).unwrap();
        for file in ["b/1.yaml", "b-x.yaml", "b.yaml", "a.yaml"] {
            fs::write(root.join(file), "a: b\n").unwrap();
        }
        let found = files(&[root.to_owned()], &Excludes::default()).found;
        let names: Vec<String> =
            found.iter().map(|file| file.path.strip_prefix(root).unwrap().display().to_string()).collect();
        assert_eq!(names, ["a.yaml", "b-x.yaml", "b.yaml", "b/1.yaml"]);
    }

    #[test]
    fn only_gitignore_says_what_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a");
        fs::create_dir_all(root.join(".git/info")).unwrap();
        fs::write(root.join("x.yaml"), "a: b\n").unwrap();
        for file in [".ignore", ".rgignore", ".git/info/exclude", "../.ignore", "../.gitignore"] {
            fs::write(root.join(file), "*.yaml\n").unwrap();
        }
        assert_eq!(files(std::slice::from_ref(&root), &Excludes::default()).found.len(), 1);
        fs::remove_dir_all(root.join(".git")).unwrap();
        assert_eq!(files(&[root], &Excludes::default()).found.len(), 1);
    }
}
