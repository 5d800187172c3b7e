//! Changes the code in every way that cargo-mutants lists, and runs the tests against each change.
//!
//! All changes are compiled into one program, each with a switch, so that a mutant costs the tests that reach it
//! and no build. See `run`.

mod listed;
mod outcomes;
mod report;
mod switched;
mod tree;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use listed::Mutant;
use outcomes::{Known, Outcomes};
use report::Accepted;
use serde::{Deserialize, Serialize};
use tree::{Built, Tree};
use trial::{Outcome, Tests, on_threads};

/// The files that are changed.
const FILES: [&str; 10] = [
    "crates/engine/src/**/*.rs",
    "crates/json/src/**/*.rs",
    "src/admission.rs",
    "src/admission/**/*.rs",
    "src/policy_file.rs",
    "src/policy_file/**/*.rs",
    "src/source.rs",
    "src/source/**/*.rs",
    "src/node.rs",
    "src/node/**/*.rs",
];

/// The programs of tests next to the unit tests of the three crates.
const TESTS: [&str; 3] = ["engine", "attacks", "fuzz_corpus"];

/// Tests that measure time: another program on the machine may make them fail.
const WITHOUT: [&str; 1] = ["engine growth::"];

/// The flags of the command line.
struct Asked {
    cargo_mutants: String,
    /// Beginnings of names of files; all files if there are none.
    files: Vec<String>,
    /// The part of the mutants: number and count.
    shard: (usize, usize),
    jobs: usize,
    writes: bool,
    lists: bool,
    reports: bool,
    alone: bool,
}

fn asked() -> Result<Asked> {
    let mut arguments = std::env::args().skip(1);
    let cargo_mutants = arguments.next().context("the path of cargo-mutants is missing")?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut asked = Asked {
        cargo_mutants,
        files: Vec::new(),
        shard: (1, 1),
        jobs,
        writes: false,
        lists: false,
        reports: false,
        alone: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match &*argument {
            "--shard" => {
                let value = value()?;
                let (number, count) =
                    value.split_once('/').context("--shard takes NUMBER/COUNT, such as 1/4")?;
                asked.shard = (number.parse()?, count.parse()?);
                if asked.shard.0 == 0 || asked.shard.0 > asked.shard.1 {
                    bail!("--shard {value}: the number is from 1 to the count");
                }
            }
            "--jobs" => asked.jobs = value()?.parse()?,
            "--write" => asked.writes = true,
            "--list" => asked.lists = true,
            "--report" => asked.reports = true,
            "--alone" => asked.alone = true,
            name if name.starts_with('-') => bail!("unknown flag {name}"),
            name => asked.files.push(name.to_owned()),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tests/mutants/run: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what is requested; false if a mutant was missed that is not accepted.
fn run() -> Result<bool> {
    let asked = asked()?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let begun = Instant::now();
    let mutants = listed::list(&asked.cargo_mutants, &root, &FILES)?;
    let at = root.join("target/mutants");
    fs::create_dir_all(&at)?;
    let tree = Tree::copy(&root, &at)?;
    let hashes = Hashes::of(&tree, &mutants)?;
    let known = Outcomes::read(&at.join("outcomes.jsonl"))?;
    if asked.reports {
        let built = known_from(&mutants, &hashes, &at.join("built.json"));
        return report(&root, &mutants, &built, &hashes, asked.writes);
    }
    let built = build(&tree, &mutants, &hashes, &at.join("built.json"))?;
    eprintln!(
        "mutants: {} mutants, {} do not compile, {} take a build of their own; built after {} s",
        mutants.len(),
        built.unviable.len(),
        built.alone.len(),
        begun.elapsed().as_secs()
    );
    if asked.lists {
        for mutant in mutants.iter().filter(|mutant| built.alone.contains(&mutant.id)) {
            println!("{}", mutant.name);
        }
        return Ok(true);
    }
    let tests = Tests::record(&built.programs, &tree.copy, &at, &WITHOUT, asked.jobs)?;
    let usual: Duration = tests.tests.iter().map(|test| test.time).sum();
    eprintln!(
        "mutants: {} tests in {} s; recorded after {} s",
        tests.tests.len(),
        usual.as_secs(),
        begun.elapsed().as_secs()
    );
    let is_asked = |mutant: &&Mutant| {
        let (number, count) = asked.shard;
        mutant.id as usize % count == number - 1
            && (asked.files.is_empty() || asked.files.iter().any(|start| mutant.file.starts_with(start)))
            && !built.unviable.contains(&mutant.id)
            && hashes.still(&known, mutant).is_none()
    };
    let (alone, open): (Vec<&Mutant>, Vec<&Mutant>) =
        mutants.iter().filter(is_asked).partition(|mutant| built.alone.contains(&mutant.id));
    eprintln!("mutants: {} and {} with a build of their own to run", open.len(), alone.len());
    let done = AtomicUsize::new(0);
    let keep = |mutant: &Mutant, outcome: Outcome| -> Result<()> {
        if let Outcome::Missed(count) = outcome {
            eprintln!("missed, reached by {count} tests: {}", mutant.name);
        }
        known.write(&hashes.known(mutant, outcome))?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done % 100 == 0 {
            eprintln!("mutants: {done} after {} s", begun.elapsed().as_secs());
        }
        Ok(())
    };
    let next = AtomicUsize::new(0);
    on_threads(asked.jobs, || {
        while let Some(mutant) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            keep(mutant, tests.judge(mutant.id, &mutant.file, known.catcher(&mutant.key))?)?;
        }
        Ok(())
    })?;
    if asked.alone {
        judge_alone(&tree, &tests, &alone, keep)?;
    }
    eprintln!("mutants: {} s", begun.elapsed().as_secs());
    Ok(report(&root, &mutants, &built, &hashes, asked.writes)? && tests.failed == 0)
}

/// Prints what is known of all mutants, and writes it if asked to; false if one was missed that is not accepted.
fn report(root: &Path, mutants: &[Mutant], built: &Built, hashes: &Hashes, writes: bool) -> Result<bool> {
    let known = Outcomes::read(&root.join("target/mutants/outcomes.jsonl"))?;
    let accepted = Accepted::read(&root.join("tests/mutants/accepted.txt"))?;
    let rows = mutants.iter().map(|mutant| {
        let outcome = if built.unviable.contains(&mutant.id) {
            report::Row::Unviable
        } else {
            hashes.still(&known, mutant).map_or(report::Row::Open, report::Row::Known)
        };
        (mutant, outcome)
    });
    let report = report::Report::of(rows, &accepted);
    print!("{}", report.text());
    if writes {
        report.write(root)?;
    }
    Ok(report.is_good())
}

/// The compiler's answers of a former run: names of mutants with the hash of their file.
#[derive(Default, Serialize, Deserialize)]
struct Compiled {
    unviable: BTreeMap<String, String>,
    alone: BTreeMap<String, String>,
    constant: BTreeSet<String>,
}

/// Builds the switched program, and keeps which mutants the compiler did not take: to find them out takes
/// several builds.
fn build(tree: &Tree, mutants: &[Mutant], hashes: &Hashes, file: &Path) -> Result<Built> {
    let built = tree.build(mutants, &TESTS, known_from(mutants, hashes, file))?;
    let named = |ids: &BTreeSet<u32>| {
        let own = mutants.iter().filter(|mutant| ids.contains(&mutant.id));
        own.map(|mutant| (mutant.key.clone(), hashes.file(mutant).to_owned())).collect()
    };
    let found = Compiled {
        unviable: named(&built.unviable),
        alone: named(&built.alone),
        constant: built.constant.clone(),
    };
    fs::write(file, serde_json::to_string(&found)?)?;
    Ok(built)
}

/// Returns what the compiler said in a former run of files that are still the same.
fn known_from(mutants: &[Mutant], hashes: &Hashes, file: &Path) -> Built {
    let text = fs::read_to_string(file).unwrap_or_default();
    let former: Compiled = serde_json::from_str(&text).unwrap_or_default();
    let still = |names: &BTreeMap<String, String>| {
        let same = |mutant: &&Mutant| names.get(&mutant.key).is_some_and(|hash| hash == hashes.file(mutant));
        mutants.iter().filter(same).map(|mutant| mutant.id).collect()
    };
    Built {
        unviable: still(&former.unviable),
        alone: still(&former.alone),
        constant: former.constant,
        programs: BTreeMap::new(),
    }
}

/// The hashes under which outcomes are kept.
struct Hashes {
    all: String,
    files: BTreeMap<String, String>,
}

impl Hashes {
    fn of(tree: &Tree, mutants: &[Mutant]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for mutant in mutants {
            if !files.contains_key(&mutant.file) {
                files.insert(mutant.file.clone(), tree.hash(&mutant.file)?);
            }
        }
        Ok(Self { all: tree.hash_of_all()?, files })
    }

    fn file(&self, mutant: &Mutant) -> &str {
        self.files.get(&mutant.file).map_or("", String::as_str)
    }

    fn still<'a>(&self, known: &'a Outcomes, mutant: &Mutant) -> Option<&'a Outcome> {
        known.still(&mutant.key, self.file(mutant), &self.all)
    }

    fn known(&self, mutant: &Mutant, outcome: Outcome) -> Known {
        Known { key: mutant.key.clone(), file: self.file(mutant).to_owned(), all: self.all.clone(), outcome }
    }
}

/// Builds the program with one mutant in its place, for each that has no switch, and runs the tests.
fn judge_alone(
    tree: &Tree,
    tests: &Tests,
    open: &[&Mutant],
    keep: impl Fn(&Mutant, Outcome) -> Result<()>,
) -> Result<()> {
    tree.write_plain()?;
    for mutant in open {
        let text = tree.read(&mutant.file)?;
        let (start, end) = (byte_of(&text, mutant.span.start), byte_of(&text, mutant.span.end));
        let path = tree.copy.join(&mutant.file);
        tree::write(&path, format!("{}{}{}", &text[..start], mutant.replacement, &text[end..]).as_bytes())?;
        let outcome = match tree.programs(&TESTS) {
            Ok(_) => tests.judge_all()?,
            Err(_) => Outcome::DoesNotCompile,
        };
        tree::write(&path, text.as_bytes())?;
        keep(mutant, outcome)?;
    }
    Ok(())
}

/// Returns the byte of a place in a text.
fn byte_of(text: &str, point: listed::Point) -> usize {
    let before: usize = text.split_inclusive('\n').take(point.line - 1).map(str::len).sum();
    let line = text[before..].char_indices().nth(point.column - 1);
    line.map_or(text.len(), |(index, _)| before + index)
}
