//! Which files a command line means: files, folders and globs.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is, and how it is called in reports.
    pub path: PathBuf,
    /// Whether it was named itself: it must then be readable, whatever it is.
    pub named: bool,
}

/// Why a path leads to no file.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is nothing.
    #[error("{}: there is no such file or folder", .0.display())]
    Missing(PathBuf),
    /// A glob that no file matches.
    #[error("{}: no file matches", .0.display())]
    NoMatch(PathBuf),
    /// A glob that is none.
    #[error("{}: {source}", path.display())]
    Glob {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A folder that cannot be read.
    #[error("{0}")]
    Walk(ignore::Error),
}

/// Files with one of these endings may hold manifests.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "kyaml"];

/// Finds the files that `paths` mean, each once, sorted by name. What cannot be
/// found or read is given beside them.
pub fn files(paths: &[PathBuf]) -> (Vec<Found>, Vec<WalkError>) {
    let mut found = BTreeMap::new();
    let mut errors = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, None, &mut found, &mut errors);
        } else if path.exists() {
            found.insert(path.clone(), true);
        } else if is_glob(path) {
            glob(path, &mut found, &mut errors);
        } else {
            errors.push(WalkError::Missing(path.clone()));
        }
    }
    let found = found.into_iter().map(|(path, named)| Found { path, named }).collect();
    (found, errors)
}

fn is_glob(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{'])
}

fn glob(path: &Path, found: &mut BTreeMap<PathBuf, bool>, errors: &mut Vec<WalkError>) {
    let pattern = path.to_string_lossy();
    let pattern = pattern.strip_prefix("./").unwrap_or(&pattern);
    let glob = match GlobBuilder::new(pattern).literal_separator(true).build() {
        Ok(glob) => glob.compile_matcher(),
        Err(source) => {
            errors.push(WalkError::Glob { path: path.to_owned(), source });
            return;
        }
    };
    let before = found.len();
    let fixed: PathBuf =
        Path::new(pattern).components().take_while(|part| !is_glob(Path::new(part.as_os_str()))).collect();
    let root = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
    walk(root, Some(&glob), found, errors);
    if found.len() == before && errors.is_empty() {
        errors.push(WalkError::NoMatch(path.to_owned()));
    }
}

fn walk(
    root: &Path,
    glob: Option<&GlobMatcher>,
    found: &mut BTreeMap<PathBuf, bool>,
    errors: &mut Vec<WalkError>,
) {
    let mut builder = WalkBuilder::new(root);
    // A folder need not be a repository, and hidden folders may hold manifests.
    builder.require_git(false).hidden(false).filter_entry(|entry| entry.file_name() != ".git");
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                errors.push(WalkError::Walk(error));
                continue;
            }
        };
        let path: PathBuf = entry.path().components().filter(|part| *part != Component::CurDir).collect();
        let is_wanted = match glob {
            Some(glob) => glob.is_match(&path),
            None => path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())),
        };
        if is_wanted && !path.is_dir() {
            found.entry(path).or_insert(false);
        }
    }
}

/// Whether a file belongs to the templates of a Helm chart.
pub fn is_in_chart(path: &Path) -> bool {
    path.ancestors().any(|folder| {
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
            files(paths)
                .0
                .into_iter()
                .map(|found| (found.path.strip_prefix(root).unwrap().display().to_string(), found.named))
                .collect()
        };
        assert_eq!(
            names(&[root.to_owned()]),
            [("a/v.JSON".to_owned(), false), ("a/x.yaml".to_owned(), false)]
        );
        assert_eq!(names(&[root.join("a/ignored.yaml")]), [("a/ignored.yaml".to_owned(), true)]);
        assert_eq!(names(&[root.join("*/x.y*ml")]), [("a/x.yaml".to_owned(), false)]);
        assert!(matches!(files(&[root.join("no.yaml")]).1[..], [WalkError::Missing(_)]));
        assert!(matches!(files(&[root.join("*.no")]).1[..], [WalkError::NoMatch(_)]));
    }
}
