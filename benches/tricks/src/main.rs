//! Instructions of single tricks, with each and without it, counted by callgrind: `benches/tricks/run`.
//! Two runs of different length are subtracted.

use std::hint::black_box;
use std::process::Command;
use std::sync::OnceLock;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Label(&'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// The labels of a decision, as src/telemetry/metrics.rs has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: Label,
    kind: Label,
    operation: Label,
    decision: Label,
    dry_run: Label,
}

/// A trick: its name, one use with it, one use without it.
type Trick = (&'static str, fn(usize), fn(usize));

const TRICKS: [Trick; 3] = [
    ("a counter is looked up once", |times| count(true, times), |times| count(false, times)),
    ("the memory of a large body is kept", |times| body(true, times), |times| body(false, times)),
    ("the memory of a log line is kept", |times| line(true, times), |times| line(false, times)),
];

fn count(is_known: bool, times: usize) {
    let family: Family<Labels, Counter> = Family::default();
    let known = OnceLock::new();
    let label = |word: &'static str| Label(black_box(word));
    for _ in 0..times {
        let look_up = || {
            let labels = Labels {
                endpoint: label("validate"),
                kind: label("StorageClass"),
                operation: label("CREATE"),
                decision: label("allow"),
                dry_run: label("false"),
            };
            family.get_or_create(&labels).clone()
        };
        if is_known {
            black_box(&known).get_or_init(look_up).inc();
        } else {
            look_up().inc();
        }
    }
}

fn body(is_kept: bool, times: usize) {
    const FRAME: usize = 16 * 1024;
    let frames = vec![vec![b'a'; FRAME]; 12];
    let mut kept: Vec<u8> = Vec::new();
    for _ in 0..times {
        let mut memory = if is_kept { std::mem::take(&mut kept) } else { Vec::new() };
        memory.reserve_exact(frames.len() * FRAME);
        for frame in &frames {
            memory.extend_from_slice(black_box(frame));
        }
        black_box(&memory);
        if is_kept {
            memory.clear();
            kept = memory;
        }
    }
}

fn line(is_kept: bool, times: usize) {
    let text = "x".repeat(40);
    let mut kept = String::with_capacity(1024);
    for _ in 0..times {
        let mut line = if is_kept { std::mem::take(&mut kept) } else { String::with_capacity(1024) };
        for _ in 0..20 {
            line.push_str(black_box(&text));
        }
        black_box(&line);
        if is_kept {
            line.clear();
            kept = line;
        }
    }
}

/// Instructions of this program with these arguments.
fn callgrind(args: [&str; 3]) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        .output()
        .expect("valgrind is there");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.rsplit_once("Collected :"));
    collected.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [index, with, times] = args.as_slice() {
        let (_, kept, without) = TRICKS[index.parse::<usize>().expect("a trick")];
        let times = times.parse().expect("a number");
        return if with == "with" { kept(times) } else { without(times) };
    }
    println!("| trick | instructions with it | without it |\n|---|--:|--:|");
    for (index, (name, ..)) in TRICKS.iter().enumerate() {
        let each = |with: &str| {
            let count = |times: &str| callgrind([&index.to_string(), with, times]);
            (count("1100") - count("100")) / 1000
        };
        println!("| {name} | {} | {} |", each("with"), each("without"));
    }
}
