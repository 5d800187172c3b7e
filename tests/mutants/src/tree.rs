//! A copy of the repository with its mutants switched, and its build.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::listed::{Genre, Mutant};
use crate::switched::{LIVE_ROW, switch};

/// Roots of the crates that have mutants.
const CRATES: [&str; 3] = ["crates/engine/src/", "crates/json/src/", "src/"];

/// The file of the table of drivers.
const DRIVERS: &str = "crates/engine/src/subject/driver.rs";

/// The places that take a row of the table: they take the one with the mutant.
const ROWS: [(&str, &str, &str); 4] = [
    (DRIVERS, ".chain(block::DRIVERS)\n        .copied()", ".chain(block::DRIVERS).copied().map(live_row)"),
    (DRIVERS, "&upstream::IN_TREE_NFS", "live_row(&upstream::IN_TREE_NFS)"),
    (DRIVERS, "&upstream::NFS_CSI", "live_row(&upstream::NFS_CSI)"),
    (
        "crates/engine/src/subject/facts.rs",
        "|variant| variant.row",
        "|variant| super::driver::live_row(variant.row)",
    ),
];

/// The module of the table that a mutant of a row is in.
fn row_module(mutant: &Mutant) -> Option<&str> {
    let is_field = mutant.genre == Genre::StructField && mutant.function.is_none();
    let module =
        mutant.file.strip_prefix(DRIVERS.trim_end_matches(".rs"))?.strip_prefix('/')?.strip_suffix(".rs")?;
    is_field.then_some(module)
}

/// The repository and the directory of its copy.
pub struct Tree {
    pub root: PathBuf,
    pub copy: PathBuf,
    /// The directory of the compiled programs.
    pub target: PathBuf,
    /// The files of the repository.
    files: Vec<String>,
}

/// What became of the mutants when they were compiled.
#[derive(Debug, Default)]
pub struct Built {
    pub unviable: BTreeSet<u32>,
    /// Those that take a build of their own.
    pub alone: BTreeSet<u32>,
    /// Functions that the compiler evaluates.
    pub constant: BTreeSet<String>,
    /// The programs of the tests, by name.
    pub programs: BTreeMap<String, PathBuf>,
}

impl Tree {
    /// Copies the files that git knows, and those that it would.
    pub fn copy(root: &Path, at: &Path) -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        let names = String::from_utf8(output.stdout)?;
        let files: Vec<String> = names
            .split('\0')
            .filter(|name| !name.is_empty() && root.join(name).is_file())
            .map(ToOwned::to_owned)
            .collect();
        let tree = Self {
            root: root.to_owned(),
            copy: at.join("tree"),
            target: std::env::var_os("NFS_MOUNT_GUARD_MUTANTS_TARGET")
                .map_or_else(|| at.join("build"), PathBuf::from),
            files,
        };
        // Sources are written with their mutants: written twice, they would be compiled again.
        let is_source =
            |name: &str| name.ends_with(".rs") && CRATES.iter().any(|root| name.starts_with(root));
        for name in tree.files.iter().filter(|name| !is_source(name)) {
            write(&tree.copy.join(name), &fs::read(root.join(name))?)?;
            fs::set_permissions(tree.copy.join(name), fs::metadata(root.join(name))?.permissions())?;
        }
        Ok(tree)
    }

    pub fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.root.join(name)).with_context(|| name.to_owned())
    }

    /// A hash of a file; it is another one when the file changes.
    pub fn hash(&self, name: &str) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        self.read(name)?.hash(&mut hasher);
        Ok(format!("{:016x}", hasher.finish()))
    }

    /// A hash of all that the tests run through: sources and tests.
    pub fn hash_of_all(&self) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        for name in &self.files {
            if ["src/", "crates/", "tests/", "fuzz/", "examples/", "Cargo."]
                .iter()
                .any(|start| name.starts_with(start))
                && !name.starts_with("tests/mutants/")
            {
                (name, fs::read(self.root.join(name))?).hash(&mut hasher);
            }
        }
        Ok(format!("{:016x}", hasher.finish()))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let output = Command::new("cargo")
            .args(arguments)
            .args(["--locked", "--message-format=json"])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env_remove("UPDATE_EXPECTED")
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| serde_json::from_str(line).context("cargo's messages")).collect()
    }

    /// Writes the mutants of `mutants` into the copy, without those in `without`.
    fn write_switched(
        &self,
        mutants: &[Mutant],
        built: &mut Built,
    ) -> Result<HashMap<String, Vec<(Range<usize>, u32)>>> {
        let mut regions = HashMap::new();
        for root in CRATES {
            let own = |name: &str| name.starts_with(root) && name.ends_with(".rs");
            for name in self.files.iter().filter(|name| own(name)) {
                let live: Vec<&Mutant> = mutants
                    .iter()
                    .filter(|mutant| mutant.file == **name)
                    .filter(|mutant| {
                        !built.unviable.contains(&mutant.id) && !built.alone.contains(&mutant.id)
                    })
                    .collect();
                let text = self.read(name)?;
                let has_mutants = mutants.iter().any(|mutant| mutant.file == **name);
                let mut new = if has_mutants || text.contains("const fn") && root != "src/" {
                    let switched = switch(&text, &live, &built.constant).with_context(|| name.clone())?;
                    built.unviable.extend(switched.unviable);
                    built.alone.extend(switched.alone);
                    regions.insert(name.clone(), switched.regions);
                    switched.text
                } else {
                    text
                };
                for (file, from, to) in ROWS {
                    if file == *name {
                        ensure!(new.contains(from), "{file} has no {from:?}");
                        new = new.replace(from, to);
                    }
                }
                if *name == DRIVERS {
                    // Each file of the table that has a row with a mutant.
                    let modules: BTreeSet<&str> =
                        mutants.iter().filter_map(|mutant| row_module(mutant)).collect();
                    let calls: String = modules
                        .iter()
                        .map(|module| format!("let row = {module}::{LIVE_ROW}(row);"))
                        .collect();
                    new.push_str(&format!("\npub(crate) fn {LIVE_ROW}(row: &'static Driver) -> &'static Driver {{ {calls} row }}\n"));
                }
                if *name == format!("{root}lib.rs") {
                    new.push_str("\npub mod mutant_switch;\n");
                }
                write(&self.copy.join(name), new.as_bytes())?;
            }
            let module = include_str!("switch.in.rs").replace("COUNT", &(mutants.len() + 1).to_string());
            write(&self.copy.join(root).join("mutant_switch.rs"), module.as_bytes())?;
        }
        Ok(regions)
    }

    /// Writes the sources without any mutant.
    pub fn write_plain(&self) -> Result<()> {
        for name in self.files.iter().filter(|name| CRATES.iter().any(|root| name.starts_with(root))) {
            write(&self.copy.join(name), &fs::read(self.root.join(name))?)?;
        }
        Ok(())
    }

    /// Compiles all mutants at once; those that do not compile are taken out until the rest does.
    /// What is in `built` is known from a former run.
    pub fn build(&self, mutants: &[Mutant], tests: &[&str], mut built: Built) -> Result<Built> {
        loop {
            let regions = self.write_switched(mutants, &mut built)?;
            let messages = self.cargo(&["build", "--quiet", "--workspace", "--lib", "--keep-going"])?;
            let errors: Vec<&Value> = messages
                .iter()
                .map(|message| &message["message"])
                .filter(|message| {
                    message["level"] == "error" && !message["spans"].as_array().is_none_or(Vec::is_empty)
                })
                .collect();
            if errors.is_empty() {
                break;
            }
            let before = (built.unviable.len(), built.alone.len(), built.constant.len());
            let mut unknown = Vec::new();
            for error in &errors {
                let code = error["code"]["code"].as_str().unwrap_or_default();
                if code == "E0015" {
                    built.constant.extend(name_of_call(error["message"].as_str().unwrap_or_default()));
                } else if let Some(id) = guilty(error, &regions) {
                    // What does not live long enough behind a switch may do so without it.
                    let place = if ["E0597", "E0716"].contains(&code) {
                        &mut built.alone
                    } else {
                        &mut built.unviable
                    };
                    place.insert(id);
                } else {
                    unknown.push(error["rendered"].as_str().unwrap_or_default());
                }
            }
            let after = (built.unviable.len(), built.alone.len(), built.constant.len());
            eprintln!("mutants: {} errors; without a switch: {after:?}", errors.len());
            if before == after {
                bail!("no mutant is to blame for these errors:\n{}", unknown.join("\n"));
            }
        }
        built.programs = self.programs(tests)?;
        Ok(built)
    }

    /// Builds the programs of the tests, and returns them by name.
    pub fn programs(&self, tests: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
        let mut arguments = vec!["test", "--no-run", "--quiet", "--workspace", "--lib"];
        for test in tests {
            arguments.extend(["--test", test]);
        }
        let mut programs = BTreeMap::new();
        for message in &self.cargo(&arguments)? {
            if let Some(text) =
                message["message"]["rendered"].as_str().filter(|_| message["message"]["level"] == "error")
            {
                bail!("{text}");
            }
            if let (Some(path), Some(true)) =
                (message["executable"].as_str(), message["profile"]["test"].as_bool())
            {
                let name = message["target"]["name"].as_str().unwrap_or_default();
                programs.insert(name.to_owned(), PathBuf::from(path));
            }
        }
        ensure!(programs.len() == tests.len() + CRATES.len(), "programs: {:?}", programs.keys());
        Ok(programs)
    }
}

/// Writes a file whose content is another one; others keep their time, for cargo.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a directory")?)?;
    fs::write(path, content).with_context(|| path.display().to_string())
}

/// The function's name in "cannot call non-const function `a::b::<C>::name` in constants".
fn name_of_call(message: &str) -> Option<String> {
    let path = message.split('`').nth(1)?;
    let mut depth = 0;
    let flat: String = path
        .chars()
        .filter(|character| {
            depth += i32::from(*character == '<');
            let is_outside = depth == 0;
            depth -= i32::from(*character == '>');
            is_outside
        })
        .collect();
    flat.rsplit("::").find(|step| !step.is_empty()).map(ToOwned::to_owned)
}

/// The mutant whose own text an error is about.
fn guilty(error: &Value, regions: &HashMap<String, Vec<(Range<usize>, u32)>>) -> Option<u32> {
    let spans = |message: &Value| message["spans"].as_array().cloned().unwrap_or_default();
    let mut all = spans(error);
    all.sort_by_key(|span| span["is_primary"] != true);
    all.extend(error["children"].as_array().into_iter().flatten().flat_map(spans));
    all.iter().find_map(|span| {
        let start = usize::try_from(span["byte_start"].as_u64()?).ok()?;
        let end = usize::try_from(span["byte_end"].as_u64()?).ok()?;
        let own = regions.get(span["file_name"].as_str()?)?;
        own.iter().find(|(range, _)| range.start <= start && end <= range.end).map(|(_, id)| *id)
    })
}
