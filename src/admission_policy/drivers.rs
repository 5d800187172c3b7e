//! The driver table, as a policy changes it, in CEL.

use std::fmt::Write as _;

use super::cel::{any, first_is, hanging, is_one_of, list, not, string};
use super::evidence::{hangs_on_access, may_be_nfs, shows};
use crate::subject::DriverSetting;
use crate::subject::driver::{self, Case, Driver, Nfs, Role};
use crate::subject::facts::FS_TYPE_KEYS;
use crate::subject::manifest::IN_TREE_PLUGINS;

/// The names that an expression gives to its variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The object.
    pub(super) object: &'static str,
    /// Its driver's name.
    pub(super) driver: &'static str,
    /// Its facts; see [`facts_of`].
    pub(super) facts: &'static str,
}

/// Returns the name of the driver of `object`, as far as the object gives one.
pub(super) fn driver_of(object: &str) -> String {
    format!(
        "{object}.?provisioner.or({object}.?spec.?csi.?driver).or({object}.?spec.?flexVolume.?driver).or({object}.?driver).orValue('')"
    )
}

/// Returns the driver of a `FlexVolume` as the table is searched for it: no name of the table has white space,
/// and each pattern has a dot, so that it is not taken for a CSI driver or a provisioner.
fn entry_of_script(name: &str) -> String {
    format!("flexVolume {}", name.replace('.', " "))
}

/// Returns the name under which the table is searched for the driver of `object`: that of a `FlexVolume`
/// is one of the table's own, or one that only a policy may know. A source of the kubelet's that it
/// hands to a CSI driver has its plugin's.
pub(super) fn entry_of(object: &str) -> String {
    let scripts: Vec<&str> = driver::scripts().collect();
    let is_known = is_one_of("d", &scripts).unwrap_or_else(|| "false".to_owned());
    format!(
        "{object}.?provisioner.or({object}.?spec.?csi.?driver)\n  \
         .or({object}.?spec.?flexVolume.?driver.optMap(d, {is_known} ? d : 'flexVolume ' + d.replace('.', ' ')))\n  \
         {}.or({object}.?driver).orValue('')",
        handed_to_drivers(object)
    )
}

/// Returns the plugins' names of sources that the kubelet hands to a CSI driver which may mount NFS, as
/// further terms of an optional value.
fn handed_to_drivers(object: &str) -> String {
    let may_be_nfs = |plugin: &str| driver::find(plugin).is_some_and(|row| row.nfs != Nfs::No);
    let handed = IN_TREE_PLUGINS.iter().filter(|(_, plugin)| may_be_nfs(plugin));
    let term = |(source, plugin): &(&str, &str)| {
        format!(".or({object}.?spec.?{source}.optMap(s, {}))", string(plugin))
    };
    handed.map(term).map(|term| term + "\n  ").collect()
}

/// Returns the class parameters or volume attributes of `object`.
pub(super) fn attributes_of(object: &str) -> String {
    format!(
        "{object}.?parameters.or({object}.?spec.?csi.?volumeAttributes)\n  \
         .or({object}.?spec.?flexVolume.?options).orValue({{}})"
    )
}

/// Returns the clues in `object`, as a list of `key=value` in small letters. A key with a `=` in it
/// is none that a driver knows, and could be taken for another.
pub(super) fn facts_of(object: &str, attributes: &str) -> String {
    // The one letter outside ASCII whose small form is inside: the Kelvin sign.
    let fold = format!("replace({}, 'k').lowerAscii()", string("\u{212a}"));
    let file_system = FS_TYPE_KEYS[1].to_ascii_lowercase();
    format!(
        "{attributes}.filter(k, !k.contains('='))\n  .map(k, k.lowerAscii() + '=' + {attributes}[k].{fold}) +\n\
         {object}.?spec.?csi.or({object}.?spec.?flexVolume).?fsType\n  \
         .optMap(t, ['{file_system}=' + t.{fold}]).orValue([])"
    )
}

/// A driver that is known to leave letters and white space as they are.
pub(super) const KEEPS_CASE: &str = "keeps case";

/// One that is known to make them small.
pub(super) const FOLDS_CASE: &str = "folds case";

/// The text before the key of a version.
pub(super) const KEY: &str = "key ";

/// Returns CEL that is true if drivers take options under the key `k`, by its last segment.
pub(super) fn is_option_key(key: &str) -> String {
    format!(
        "{key}.replace({}, 'i').replace({}, 's').lowerAscii().replace('_', '').replace('-', '')\n  .matches(r'^(.*[./])?({})$')",
        string("\u{130}"),
        string("\u{17f}"),
        driver::generic_keys().join("|")
    )
}

/// The handling of a driver's objects by the webhook.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Nothing: they are never NFS.
    Never,
    /// It evaluates those that the clues of the table do not rule out.
    ByClues(&'static Driver),
    /// It evaluates them all.
    Always(&'static Driver),
}

impl Fate {
    const fn row(self) -> Option<&'static Driver> {
        match self {
            Self::Never => None,
            Self::ByClues(row) | Self::Always(row) => Some(row),
        }
    }
}

/// The driver table with what a policy says of drivers.
#[derive(Debug)]
pub(super) struct Table<'p> {
    /// Names and patterns of the table in the order in which they are tried.
    /// Of a name that is no pattern the policy's word is in its fate.
    rows: Vec<(&'static str, Fate)>,
    /// Names and patterns of the policy with what they say of drivers that the
    /// table has under a pattern, or not at all.
    settings: Vec<(&'p str, Option<bool>)>,
}

impl<'p> Table<'p> {
    pub(super) fn new(settings: &'p [DriverSetting]) -> Self {
        let said = |name: &str| settings.iter().find(|setting| driver::glob(&setting.name, name))?.nfs;
        let all = driver::drivers().flat_map(|row| row.names.iter().map(move |name| (*name, row)));
        // Names before patterns, as the lookup of the webhook has it: an exact name wins.
        let (patterns, names): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name.contains('*'));
        let is_in_table = |name: &str| names.iter().any(|(found, _)| *found == name);
        let settings = settings
            .iter()
            .map(|setting| (setting.name.as_str(), setting.nfs.filter(|_| !is_in_table(&setting.name))))
            .collect();
        let by_name = names.iter().map(|(name, row)| (*name, fate(row, said(name))));
        let by_pattern = patterns.iter().map(|(name, row)| (*name, fate(row, None)));
        Self { rows: by_name.chain(by_pattern).collect(), settings }
    }

    /// Returns the names and patterns of the rows that may be NFS, with their rows.
    pub(super) fn named_rows(&self) -> impl Iterator<Item = (&'static str, &'static Driver)> {
        self.rows.iter().filter_map(|(name, fate)| Some((*name, fate.row()?)))
    }

    /// Returns CEL that is true if the object may be NFS by its driver's name.
    pub(super) fn driver_may_be_nfs(&self, driver: &str) -> String {
        let mut terms = Vec::new();
        let is_called_nfs = self.is_called_nfs(driver, true);
        if let Some(no) = self.is_called_nfs(driver, false) {
            terms.push(format!("// the policy calls it not NFS\n{}", not(&no)));
        }
        if let Some(never) = first_is(driver, &self.rows, |fate| matches!(fate, Fate::Never)) {
            let terms_of_it: Vec<String> = is_called_nfs.iter().cloned().chain([not(&never)]).collect();
            let asked = any(&terms_of_it).unwrap_or_default();
            terms.push(format!("// block devices, disks of the node, other file systems\n{asked}"));
        }
        terms.join(" &&\n")
    }

    /// Returns CEL that is true if the CSI driver is one that mounts NFS, or may, by the table or
    /// the policy; an unknown one is not.
    pub(super) fn is_known_to_mount_nfs(&self, driver: &str) -> String {
        let csi: Vec<(&str, Fate)> =
            self.rows.iter().filter(|(name, _)| !name.contains('/')).copied().collect();
        let terms: Vec<String> = first_is(driver, &csi, |fate| !matches!(fate, Fate::Never))
            .into_iter()
            .chain(self.is_csi_called_nfs(driver, true))
            .collect();
        let is_known = any(&terms).unwrap_or_else(|| "false".to_owned());
        match self.is_csi_called_nfs(driver, false) {
            Some(no) => format!("{} &&\n{is_known}", not(&no)),
            None => is_known,
        }
    }

    /// Returns CEL that is true if the object may be NFS by its clues.
    pub(super) fn clues_may_be_nfs(&self, names: Names) -> String {
        self.divided(names, |_| true).join(" &&\n")
    }

    /// Returns CEL that is true if the verdict on the driver depends on clues. Its facts are too
    /// expensive to be read without need.
    pub(super) fn has_clues(&self, driver: &str) -> Option<String> {
        first_is(driver, &self.rows, |fate| matches!(fate, Fate::ByClues(row) if is_divided(row)))
    }

    /// Returns what [`Self::clues_may_be_nfs`] returns, for what an update of the same object can change
    /// about it. `None` where it can change nothing.
    pub(super) fn may_still_be_nfs(&self, names: Names) -> Option<String> {
        let terms = self.divided(names, |row| row.clues.iter().any(|clue| hangs_on_access(&clue.evidence)));
        (!terms.is_empty()).then(|| terms.join(" &&\n"))
    }

    /// Returns one term for each driver of which some objects are NFS and others are not. Drivers
    /// with the same clues share one.
    fn divided(&self, names: Names, is_meant: impl Fn(&Driver) -> bool) -> Vec<String> {
        let is_called_nfs = self.is_called_nfs(names.driver, true);
        let mut chains: Vec<(String, Vec<&'static Driver>)> = Vec::new();
        for row in driver::drivers().filter(|row| is_meant(row)) {
            let Some(chain) = may_be_nfs(row, names) else { continue };
            match chains.iter_mut().find(|(found, _)| *found == chain) {
                Some((_, rows)) => rows.push(row),
                None => chains.push((chain, vec![row])),
            }
        }
        let terms = chains.into_iter().filter_map(|(chain, rows)| {
            let is_it = first_is(names.driver, &self.rows, |fate| {
                matches!(fate, Fate::ByClues(row) if rows.iter().any(|found| std::ptr::eq(*found, *row)))
            })?;
            let has_pattern = rows.iter().any(|row| row.names.iter().any(|name| name.contains('*')));
            let mut terms: Vec<String> = is_called_nfs.iter().filter(|_| has_pattern).cloned().collect();
            terms.extend([not(&is_it), chain]);
            let titles: Vec<&str> = rows.iter().map(|row| row.title).collect();
            Some(format!(
                "// {}\n(\n  {}\n)",
                titles.join("\n// "),
                hanging(&terms.join(" ||\n"), 2)
            ))
        });
        terms.collect()
    }

    /// Returns the fields of a volume's spec whose presence says that it is not NFS.
    pub(super) fn sources_that_are_not_nfs(&self) -> Vec<&'static str> {
        let is_never = |plugin: &str| {
            self.rows.iter().any(|(name, fate)| *name == plugin && matches!(fate, Fate::Never))
        };
        let in_tree_nfs = driver::in_tree_nfs().names.iter().map(|plugin| ("nfs", *plugin));
        in_tree_nfs
            .chain(IN_TREE_PLUGINS)
            .filter(|(_, plugin)| is_never(plugin))
            .map(|(source, _)| source)
            .collect()
    }

    /// Returns the keys under which some driver takes a bare version, in small letters.
    pub(super) fn version_keys(&self) -> Vec<String> {
        let rows = self.rows.iter().filter_map(|(_, fate)| fate.row());
        let carriers = rows.flat_map(|row| row.carriers).filter(|carrier| carrier.role == Role::Version);
        let mut keys: Vec<String> = carriers.map(|carrier| carrier.key.to_ascii_lowercase()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Returns CEL for the driver's reading of options, as a list: [`KEEPS_CASE`] or
    /// [`FOLDS_CASE`], where one is known.
    pub(super) fn reading(&self, names: Names) -> String {
        let driver = names.driver;
        let mut text = self.readings_of_variants(names);
        let of_unknown = reading(&driver::UNKNOWN);
        let of = |fate: Fate| fate.row().map_or_else(|| of_unknown.clone(), reading);
        let (patterns, names): (Vec<_>, Vec<_>) = self.rows.iter().partition(|(name, _)| name.contains('*'));
        let mut runs: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
        for (name, fate) in names {
            let reading = of(fate);
            match runs.iter_mut().find(|(found, _)| *found == reading) {
                // The last branch of the chain says the same, and each term costs.
                _ if reading == of_unknown => {}
                Some((_, names)) => names.push(name),
                None => runs.push((reading, vec![name])),
            }
        }
        // Patterns keep their order; a name may be in a run before them.
        let by_name = runs.len();
        for (pattern, fate) in patterns {
            let reading = of(fate);
            match runs.get_mut(by_name..).and_then(<[_]>::last_mut) {
                Some((found, patterns)) if *found == reading => patterns.push(pattern),
                _ => runs.push((reading, vec![pattern])),
            }
        }
        if runs.last().is_some_and(|(reading, _)| *reading == of_unknown) {
            runs.pop();
        }
        for (reading, patterns) in runs {
            let is = is_one_of(driver, &patterns).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{is} ?\n  {} :", literals(&reading));
        }
        text + &literals(&of_unknown)
    }

    /// Returns what [`Self::reading`] returns, where a driver reads otherwise than by its row for objects
    /// that show something; a choice for each, the first that fits.
    fn readings_of_variants(&self, names: Names) -> String {
        let mut rows: Vec<(&'static Driver, Vec<&str>)> = Vec::new();
        for (name, row) in self.rows.iter().filter_map(|(name, fate)| Some((*name, fate.row()?))) {
            match rows.iter_mut().find(|(found, _)| std::ptr::eq(*found, row)) {
                Some((_, of_row)) => of_row.push(name),
                None => rows.push((row, vec![name])),
            }
        }
        let mut text = String::new();
        for (row, of_row) in rows {
            for variant in row.variants.iter().filter(|variant| reading(variant.row) != reading(row)) {
                let is = is_one_of(names.driver, &of_row).unwrap_or_default();
                let shown = shows(&variant.when, names);
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{is} && ({shown}) ?\n  {} :", literals(&reading(variant.row)));
            }
        }
        text
    }

    /// Returns true if some object of a driver whose name is, or matches, `pattern` is held to be
    /// not NFS.
    pub(super) fn skips_some_of(&self, pattern: &str) -> bool {
        let skips = |fate: &Fate| match fate {
            Fate::Never => true,
            Fate::ByClues(row) => is_divided(row),
            Fate::Always(_) => false,
        };
        let is_meant = |name: &str| driver::glob(pattern, name) || driver::glob(name, pattern);
        self.rows.iter().any(|(name, fate)| is_meant(name) && skips(fate))
    }

    /// Returns CEL that is true if the policy declares the driver as NFS (`nfs`), or as not NFS. Its
    /// names are those of drivers of `FlexVolume`s, too.
    fn is_called_nfs(&self, driver: &str, nfs: bool) -> Option<String> {
        let scripts: Vec<String> =
            self.settings.iter().map(|(pattern, _)| entry_of_script(pattern)).collect();
        let of_scripts = scripts.iter().map(String::as_str);
        let of_each = self.settings.iter().zip(of_scripts).flat_map(|((pattern, said), script)| {
            // Such a pattern matches the written form of a script as well, and a second term would be the
            // same.
            let is_of_both = pattern.starts_with('*') && !pattern.contains('.');
            [Some((*pattern, *said)), (!is_of_both).then_some((script, *said))].into_iter().flatten()
        });
        first_is(driver, &of_each.collect::<Vec<_>>(), |said| *said == Some(nfs))
    }

    /// Returns what [`Self::is_called_nfs`] returns, of a driver that is a CSI driver for certain.
    fn is_csi_called_nfs(&self, driver: &str, nfs: bool) -> Option<String> {
        first_is(driver, &self.settings, |said| *said == Some(nfs))
    }
}

fn fate(row: &'static Driver, said: Option<bool>) -> Fate {
    match (said, row.nfs) {
        (Some(false), _) | (None, Nfs::No) => Fate::Never,
        // As in the webhook: a row that is never NFS says nothing of how options are read.
        (Some(true), Nfs::No) => Fate::Always(&driver::DECLARED),
        (Some(true), _) => Fate::Always(row),
        (None, _) => Fate::ByClues(row),
    }
}

/// Returns true if some objects of the driver are held to be not NFS, by their clues.
fn is_divided(row: &Driver) -> bool {
    row.nfs == Nfs::No || row.clues.iter().any(|clue| clue.verdict == Nfs::No)
}

fn reading(row: &Driver) -> Vec<String> {
    let mut reading = Vec::new();
    match row.case {
        Case::Kept => reading.push(KEEPS_CASE.to_owned()),
        Case::Folded => reading.push(FOLDS_CASE.to_owned()),
        Case::Unknown => {}
    }
    for carrier in row.carriers.iter().filter(|carrier| carrier.role == Role::Version) {
        let key = format!("{KEY}{}", carrier.key.to_ascii_lowercase());
        if !reading.contains(&key) {
            reading.push(key);
        }
    }
    reading
}

fn literals(texts: &[String]) -> String {
    list(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_no_name_and_no_pattern_of_the_table() {
        let names = || driver::drivers().flat_map(|row| row.names).copied();
        for name in names() {
            for filler in ["", "x", ".s3.csi.x", "lustre.csi.nfs.csi.ceph.com"] {
                let entry = entry_of_script(&name.replace('*', filler));
                let taken = names().find(|pattern| driver::glob(pattern, &entry));
                assert_eq!(taken, None, "{entry}");
            }
        }
    }
}
