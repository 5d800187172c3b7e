//! Finds the templates of rendered documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::bail;

use crate::report::{Origin, Report};

/// The directory under which templates are looked for.
#[derive(Debug, Clone, clap::Args)]
pub struct SourceRoot {
    /// Directory of the chart that "helm template" rendered, or its parent
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_SOURCE_ROOT", default_value = ".")]
    source_root: PathBuf,
}

impl SourceRoot {
    /// Adds the file of every template that is there. Files are looked for, never
    /// read but for the chart's name.
    ///
    /// # Errors
    ///
    /// When the directory is none.
    pub fn resolve(&self, report: &mut Report) -> anyhow::Result<()> {
        if !self.source_root.is_dir() {
            bail!("--source-root: {} is not a directory", self.source_root.display());
        }
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        for Origin { template, file } in report.origins_mut() {
            let found = known.entry(template.clone()).or_insert_with(|| self.find(Path::new(&*template)));
            file.clone_from(found);
        }
        Ok(())
    }

    fn find(&self, template: &Path) -> Option<String> {
        // A path that leads out of the root names no template of a chart in it.
        if !template.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let root: PathBuf = self.source_root.components().filter(|part| *part != Component::CurDir).collect();
        let below_chart = template.components().skip(1).collect::<PathBuf>();
        let chart = template.components().next()?.as_os_str().to_str()?;
        let in_chart = Some(root.join(below_chart)).filter(|_| is_chart(&self.source_root, chart));
        let found = [Some(root.join(template)), in_chart].into_iter().flatten().find(|file| file.is_file());
        found.map(|file| file.display().to_string())
    }
}

/// Returns true if the directory is that of the chart with this name.
fn is_chart(directory: &Path, name: &str) -> bool {
    let chart = fs::read_to_string(directory.join("Chart.yaml")).unwrap_or_default();
    chart
        .lines()
        .filter_map(|line| line.strip_prefix("name:"))
        .any(|found| found.trim().trim_matches(['"', '\'']) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_found_below_the_chart_and_beside_it_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let chart = folder.path().join("app");
        fs::create_dir_all(chart.join("templates")).unwrap();
        fs::write(chart.join("templates/a.yaml"), "").unwrap();
        fs::write(folder.path().join("b.yaml"), "").unwrap();
        let find = |root: &Path, template: &str| {
            SourceRoot { source_root: root.to_owned() }.find(Path::new(template)).map(PathBuf::from)
        };
        let file = Some(chart.join("templates/a.yaml"));
        assert_eq!(find(folder.path(), "app/templates/a.yaml"), file);
        assert_eq!(find(&chart, "app/templates/a.yaml"), None);
        fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: \"app\"\n").unwrap();
        assert_eq!(find(&chart, "app/templates/a.yaml"), file);
        assert_eq!(find(&chart, "other/templates/a.yaml"), None);
        for outside in ["app/../../b.yaml", "../b.yaml", "/etc/hostname.yaml"] {
            assert_eq!(find(&chart, outside), None, "{outside}");
        }
    }
}
