//! Matches paths against `--exclude`.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Globs of files and directories that a walk passes over.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    /// Each with whether it holds for whole paths, not for a single name.
    globs: Vec<(GlobMatcher, bool)>,
}

/// A glob that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?}: {reason}")]
pub struct ExcludeError {
    /// The glob as given.
    pub glob: String,
    /// The fault.
    pub reason: String,
}

impl Excludes {
    /// Reads globs. One without a slash holds for a file or a directory of that
    /// name at any depth; one with a slash for a path, from the directory that is
    /// walked or from the working directory. A directory takes all in it with it.
    ///
    /// # Errors
    ///
    /// The first that is no glob.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, ExcludeError> {
        let mut read = Vec::new();
        for glob in globs.iter().map(|glob| glob.as_ref().trim()).filter(|glob| !glob.is_empty()) {
            let path = glob.strip_prefix("./").unwrap_or(glob);
            let is_path = path.trim_end_matches('/').contains('/');
            let built = GlobBuilder::new(path.trim_matches('/')).literal_separator(true).build();
            let built = built
                .map_err(|error| ExcludeError { glob: glob.to_owned(), reason: error.kind().to_string() })?;
            read.push((built.compile_matcher(), is_path));
        }
        Ok(Self { globs: read })
    }

    /// Returns true if a file in a walk of `root` is passed over.
    pub fn contains(&self, root: &Path, path: &Path) -> bool {
        if self.globs.is_empty() {
            return false;
        }
        let inner = path.strip_prefix(root).unwrap_or(path);
        let outer = path.strip_prefix("/").unwrap_or(path);
        // The directory that is walked was named by the user, whatever it is called.
        let above = path.components().count().saturating_sub(inner.components().count());
        self.matches(inner, 0) || self.matches(outer, above)
    }

    /// Returns true if a glob holds for the path or a directory on the way to it, after the first
    /// `above` ones.
    fn matches(&self, path: &Path, above: usize) -> bool {
        let mut so_far = PathBuf::new();
        let mut steps = 0;
        for step in
            path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir))
        {
            so_far.push(step);
            steps += 1;
            let name = Path::new(step.as_os_str());
            let holds =
                |(glob, is_path): &(GlobMatcher, bool)| glob.is_match(if *is_path { &so_far } else { name });
            if steps > above && self.globs.iter().any(holds) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_at_any_depth_and_a_path_from_the_beginning() {
        for (glob, path, holds) in [
            ("x.yaml", "deploy/a/x.yaml", true),
            ("*.yaml", "deploy/a/x.yaml", true),
            ("a", "deploy/a/x.yaml", true),
            ("a/", "deploy/a/x.yaml", true),
            ("a/x.yaml", "deploy/a/x.yaml", true),
            ("deploy/a/*.yaml", "deploy/a/x.yaml", true),
            ("./deploy/a", "deploy/a/x.yaml", true),
            ("**/x.yaml", "deploy/a/x.yaml", true),
            ("x.yaml", "deploy/a/y.yaml", false),
            ("b/x.yaml", "deploy/a/x.yaml", false),
            ("x.yaml/", "deploy/a/y.yaml", false),
            ("deploy", "deploy/a/x.yaml", false),
            ("*/x.yaml", "deploy/a/b/x.yaml", false),
        ] {
            let excludes = Excludes::new(&[glob]).unwrap();
            assert_eq!(excludes.contains(Path::new("deploy"), Path::new(path)), holds, "{glob} {path}");
        }
        assert!(Excludes::new(&["a/[b"]).is_err());
        assert!(!Excludes::new(&["", " "]).unwrap().contains(Path::new("a"), Path::new("a/b")));
    }
}
