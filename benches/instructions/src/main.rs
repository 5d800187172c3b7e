//! Instructions of a decision, from the bytes of a review to those of the
//! answer, counted by callgrind: the same on every run, whatever else the machine
//! does.
//!
//!   benches/instructions/run [--write | --check]
//!
//! Two runs of different length are subtracted, so that nothing but decisions is
//! counted. `--write` keeps the counts in table.tsv, `--check`
//! fails where one is more than a tenth above those. Another compiler makes other
//! instructions: with one, `--check` only says so. It also fails where ten times the input takes much more
//! than ten times the instructions, with any compiler.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a program that prints a table"
)]

#[path = "../../performance/bodies.rs"]
#[allow(dead_code, reason = "the server is measured with all of it")]
mod bodies;
mod growth;

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use time::macros::date;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/table.tsv");

/// The limit of a count's rise, in hundredths.
const RISE: u64 = 10;

/// A kind of decision.
struct Case {
    name: &'static str,
    endpoint: Endpoint,
    body: fn() -> Vec<u8>,
    policy: fn() -> Policy,
    /// A text that the response must contain.
    expected: &'static str,
}

const CASES: [Case; 16] = [
    Case {
        name: "small class, allowed",
        endpoint: Endpoint::Validate,
        body: bodies::small,
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "small class, patched",
        endpoint: Endpoint::Mutate,
        body: bodies::background,
        policy: Policy::default,
        expected: "\"patchType\":\"JSONPatch\"",
    },
    Case {
        name: "small class, refused",
        endpoint: Endpoint::Validate,
        body: bodies::background,
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "large volume, allowed",
        endpoint: Endpoint::Validate,
        body: bodies::large,
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "class with 100 options, refused",
        endpoint: Endpoint::Validate,
        body: || with_options(100),
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "class with 800 options, refused",
        endpoint: Endpoint::Validate,
        body: || with_options(800),
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "small class, refused, 100 exemptions",
        endpoint: Endpoint::Validate,
        body: bodies::background,
        policy: with_exemptions,
        expected: "\"allowed\":false",
    },
    Case {
        name: "class with 500 misspelt options, refused",
        endpoint: Endpoint::Validate,
        body: || bodies::with_options(&["timeoo1"; 500]),
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "class with 95 options that conflict, refused",
        endpoint: Endpoint::Validate,
        body: || bodies::with_options(&["hard", "soft", "vers=3", "hadr", " ro"].repeat(19)),
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "class with 4,400 quotes, refused",
        endpoint: Endpoint::Validate,
        body: || bodies::with_options(&[&"\"".repeat(4400)]),
        policy: Policy::default,
        expected: "\"allowed\":false",
    },
    Case {
        name: "class by kubectl apply, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::recorded("class-applied"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "class by server-side apply, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::recorded("class-server-side"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "class changed by ten managers, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::recorded("class-updated"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "volume changed by ten managers, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::recorded("volume-updated"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "large volume by kubectl apply, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::recorded("volume-large"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
    Case {
        name: "the same without escapes, allowed",
        endpoint: Endpoint::Validate,
        body: || bodies::without_escapes("volume-large"),
        policy: Policy::default,
        expected: "\"allowed\":true",
    },
];

fn with_options(count: usize) -> Vec<u8> {
    let mut options = vec!["hard"; count - 1];
    options.push("bg");
    bodies::with_options(&options)
}

fn with_exemptions() -> Policy {
    let mut text =
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nprofile: standard\nexemptions:\n".to_owned();
    for index in 0..100 {
        let _ =
            writeln!(text, "- {{rules: [background-mount], name: other-{index}-*, reason: a measurement}}");
    }
    policy_file::parse(&text, "exemptions").expect("a policy")
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["decide", name, times] => decide(name, times.parse().expect("a number")),
        ["grow", index, size] => {
            growth::run(index.parse().expect("a number"), size.parse().expect("a number"));
        }
        [] => print(&count()),
        ["--write"] => {
            let counts = count();
            let lines: String =
                counts.iter().fold(String::new(), |text, (name, count)| text + &format!("{name}\t{count}\n"));
            fs::write(TABLE, head() + &lines).expect("written");
            print(&counts);
        }
        ["--check"] => {
            let is_good = check(&count());
            return if grows_as_its_input() && is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        _ => {
            eprintln!("usage: benches/instructions/run [--write | --check]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The table's first line.
fn head() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("a compiler");
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    format!("decision\tinstructions, by {}\n", version.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// The part that callgrind watches.
fn decide(name: &str, times: usize) {
    let case = CASES.iter().find(|case| case.name == name).expect("a case");
    let (body, policy) = ((case.body)(), (case.policy)());
    let question =
        Question { endpoint: case.endpoint, body: &body, policy: &policy, today: date!(2026 - 03 - 01) };
    for _ in 0..times {
        let answer = std::hint::black_box(review(&question, &mut |_| {}));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.contains(case.expected), "{text}");
    }
}

fn count() -> Vec<(&'static str, u64)> {
    CASES
        .iter()
        .map(|case| {
            let (few, many) = (10, 60);
            let counts = [few, many].map(|times| callgrind(&["decide", case.name, &times.to_string()]));
            (case.name, (counts[1] - counts[0]) / (many - few))
        })
        .collect()
}

/// Instructions of a whole process.
fn callgrind(args: &[&str]) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        .output()
        .expect("valgrind is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.rsplit_once("Collected :"));
    collected.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

fn print(counts: &[(&str, u64)]) {
    println!("| decision | instructions |\n|---|--:|");
    for (name, count) in counts {
        println!("| {name} | {count} |");
    }
}

/// Returns true if the instructions grow as their input does, and prints where they do not.
fn grows_as_its_input() -> bool {
    let names = growth::names();
    let next = AtomicUsize::new(0);
    let (slow, most) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, size)) = names.get(index) else { return };
            // The start of the program is in all three.
            let count = |size: usize| callgrind(&["grow", &index.to_string(), &size.to_string()]);
            let (none, small, large) = (count(1), count(*size), count(10 * size));
            let growth = (large - none) * 10 / (small - none);
            most.fetch_max(growth, Ordering::Relaxed);
            if growth > growth::MOST {
                slow.lock()
                    .expect("no panic")
                    .push(format!("{name}: {size} and ten times as much: {growth} tenths"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (slow, most) = (slow.into_inner().expect("no panic"), most.into_inner());
    println!(
        "growth: {} inputs, at most {}.{} times the instructions for ten times the input",
        names.len(),
        most / 10,
        most % 10
    );
    slow.iter().for_each(|line| println!("growth: TOO MUCH: {line}"));
    slow.is_empty() && next.into_inner() > names.len()
}

/// Compares with the table.
fn check(counts: &[(&str, u64)]) -> bool {
    let table = fs::read_to_string(TABLE).expect("table.tsv");
    if !table.starts_with(&head()) {
        println!("instructions: not compared, for the table is of another compiler: {}", head().trim());
        return true;
    }
    let mut is_good = table.lines().count() == counts.len() + 1;
    for (name, count) in counts {
        let kept =
            table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.parse::<u64>().ok());
        let verdict = match kept {
            Some(kept) if count * 100 <= kept * (100 + RISE) => "ok",
            Some(_) => "MORE THAN A TENTH ABOVE",
            None => "NOT IN THE TABLE",
        };
        is_good &= verdict == "ok";
        println!("{name}: {count} instructions, {} in the table: {verdict}", kept.unwrap_or_default());
    }
    if !is_good {
        eprintln!(
            "instructions: meant so? Then store them with --write instead of --check, and say why"
        );
    }
    is_good
}
