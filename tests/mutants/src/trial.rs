//! Runs the tests: first each alone, to see the mutants that it reaches, then those that reach a mutant with the
//! mutant live.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Kilobytes of memory that a test may use: a mutant may loop and allocate.
const MEMORY: &str = "4000000";

/// Tests of a file's other mutants that are tried first.
const LAST: usize = 3;

/// The verdict of the tests on a mutant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Outcome {
    /// A test fails, by `PROGRAM TEST`.
    Caught(String),
    /// Tests run far longer than without the mutant.
    TimedOut(String),
    /// No test fails; the number of tests that reach it.
    Missed(usize),
    /// Found out by a build of its own.
    DoesNotCompile,
}

/// One test, its time and the mutants that it reaches.
#[derive(Debug)]
pub struct Test {
    pub program: String,
    pub name: String,
    pub time: Duration,
    reached: BTreeSet<u32>,
}

pub struct Tests {
    programs: BTreeMap<String, PathBuf>,
    root: PathBuf,
    /// Those that take the least time first.
    pub tests: Vec<Test>,
    /// The number of tests that fail without a mutant; they say nothing.
    pub failed: usize,
    /// Tests that caught mutants last, by file.
    last: Mutex<HashMap<String, Vec<String>>>,
}

/// Runs `tests` of a program; no environment variable of the caller changes what they do.
fn command(program: &Path, root: &Path, live: &str, tests: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "bash", MEMORY])
        .arg(program)
        .args(["--exact", "--test-threads=1"])
        .args(tests)
        .current_dir(root)
        .env("NFS_MOUNT_GUARD_MUTANT", live)
        // The same inputs each time, and no search for the shortest that fails.
        .env("PROPTEST_RNG_SEED", "1")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env_remove("UPDATE_EXPECTED")
        .env_remove("NFS_MOUNT_GUARD_TEST_ALL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Ends a program that is of no more use.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Tests {
    /// Runs every test alone. Those whose name contains a word of `without` are left out.
    pub fn record(
        programs: &BTreeMap<String, PathBuf>,
        root: &Path,
        scratch: &Path,
        without: &[&str],
        jobs: usize,
    ) -> Result<Self> {
        let mut names = Vec::new();
        for (program, path) in programs {
            let output =
                Command::new(path).args(["--list", "--format", "terse"]).current_dir(root).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let found = text.lines().filter_map(|line| line.strip_suffix(": test"));
            let found =
                found.filter(|name| !without.iter().any(|word| format!("{program} {name}").contains(word)));
            names.extend(found.map(|name| (program.clone(), name.to_owned())));
        }
        let (next, failed, recorded) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<()> {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((program, name)) = names.get(index) else { return Ok(()) };
                let seen = scratch.join(format!("seen-{index}"));
                let _ = fs::remove_file(&seen);
                let begun = Instant::now();
                let path = programs.get(program).context("a program")?;
                let output = command(path, root, "seen", &[name])
                    .env("NFS_MOUNT_GUARD_MUTANTS_SEEN", &seen)
                    .output()?;
                let time = begun.elapsed();
                if !output.status.success() {
                    eprintln!("left out, because it fails without a mutant: {program} {name}");
                    failed.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let text = fs::read_to_string(&seen).unwrap_or_default();
                let _ = fs::remove_file(&seen);
                let reached = text.lines().filter_map(|line| line.parse().ok()).collect();
                let test = Test { program: program.clone(), name: name.clone(), time, reached };
                recorded.lock().expect("no panic").push(test);
            }
        };
        on_threads(jobs, work)?;
        let mut tests = recorded.into_inner()?;
        tests.sort_by_key(|test| test.time);
        Ok(Self {
            programs: programs.clone(),
            root: root.to_owned(),
            tests,
            last: Mutex::default(),
            failed: failed.into_inner(),
        })
    }

    /// Runs the tests that reach the mutant `id` of a file: the one that `former` names, those that caught
    /// other mutants of the file last, then those that take little time.
    pub fn judge(&self, id: u32, file: &str, former: Option<&str>) -> Result<Outcome> {
        let mut first: Vec<String> = former.map(ToOwned::to_owned).into_iter().collect();
        first.extend(self.last.lock().expect("no panic").get(file).cloned().unwrap_or_default());
        let place = |test: &&Test| {
            let name = format!("{} {}", test.program, test.name);
            first.iter().position(|first| *first == name).unwrap_or(usize::MAX)
        };
        let mut tests: Vec<&Test> = self.tests.iter().filter(|test| test.reached.contains(&id)).collect();
        // The others stay in their order.
        tests.sort_by_key(place);
        let outcome = self.run(&id.to_string(), tests)?;
        if let Outcome::Caught(test) = &outcome {
            let mut last = self.last.lock().expect("no panic");
            let last = last.entry(file.to_owned()).or_default();
            last.retain(|other| other != test);
            last.insert(0, test.clone());
            last.truncate(LAST);
        }
        Ok(outcome)
    }

    /// Runs every test, with a mutant that is in the program itself.
    pub fn judge_all(&self) -> Result<Outcome> {
        self.run("0", self.tests.iter().collect())
    }

    fn run(&self, live: &str, tests: Vec<&Test>) -> Result<Outcome> {
        // Batches that take ever longer, of one program each: most mutants are caught by the first.
        let (mut at, mut most) = (0, Duration::from_millis(200));
        while at < tests.len() {
            let mut batch = BTreeMap::<&str, Vec<&Test>>::new();
            let mut total = Duration::ZERO;
            while let Some(test) = tests.get(at).filter(|test| batch.is_empty() || total + test.time <= most)
            {
                batch.entry(&test.program).or_default().push(test);
                total += test.time;
                at += 1;
            }
            most *= 3;
            for (program, tests) in batch {
                if let Some(outcome) = self.run_one(live, program, &tests)? {
                    return Ok(outcome);
                }
            }
        }
        Ok(Outcome::Missed(tests.len()))
    }

    /// Runs tests of one program until one fails.
    fn run_one(&self, live: &str, program: &str, tests: &[&Test]) -> Result<Option<Outcome>> {
        let names: Vec<&str> = tests.iter().map(|test| &*test.name).collect();
        let usual: Duration = tests.iter().map(|test| test.time).sum();
        let deadline = Instant::now() + Duration::from_secs(15) + usual * 6;
        let path = self.programs.get(program).context("a program")?;
        let mut child = command(path, &self.root, live, &names).spawn()?;
        let output = BufReader::new(child.stdout.take().context("a pipe")?);
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in output.lines() {
                if send.send(line.unwrap_or_default()).is_err() {
                    return;
                }
            }
        });
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(name) =
                        line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
                    {
                        end(&mut child);
                        return Ok(Some(Outcome::Caught(format!("{program} {name}"))));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    end(&mut child);
                    return Ok(Some(Outcome::TimedOut(format!("{program} {}", names[0]))));
                }
                // A program that ends by a signal or an error has noticed as well.
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.wait()?;
                    return Ok(
                        (!status.success()).then(|| Outcome::Caught(format!("{program} {}", names[0])))
                    );
                }
            }
        }
    }
}

/// Runs `work` on so many threads, and returns the first error.
pub fn on_threads(count: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}
