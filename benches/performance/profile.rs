//! Shows the parts of the cost: the instructions of one review in user space, by callgrind, summed
//! by part of the program. The common part of two runs of different length, start and handshakes,
//! cancels out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::load::{self, Load};
use crate::machine;
use crate::server::{self, Server, Which};

/// Parts of the program, each by what the names of its functions begin with or
/// hold; the first that fits counts.
const PARTS: &[(&str, &[&str])] = &[
    (
        "reading JSON",
        &["serde_json::de", "serde_json::read", "manifest", "wire", "nfs_mount_guard_json", "Deserialize"],
    ),
    ("log", &["telemetry::log", "tracing", "crossbeam"]),
    ("metrics", &["metrics", "prometheus_client"]),
    (
        "engine",
        &[
            "nfs_mount_guard_engine",
            "nfs_mount_guard::engine",
            "nfs_mount_guard::rules",
            "nfs_mount_guard::subject",
            "nfs_mount_guard::nfs",
            "nfs_mount_guard::policy",
        ],
    ),
    ("answer", &["nfs_mount_guard::admission", "serde_json::ser", "serde_core::ser"]),
    (
        "TLS",
        &["rustls", "ring::", "ring_core", "aes_gcm", "aes_hw", "gcm_", "_aesni", "p256", "chacha", "sha256"],
    ),
    (
        "HTTP",
        &[
            "hyper",
            "h2::",
            "http::",
            "http_body",
            "httparse",
            "axum",
            "tower",
            "matchit",
            "httpdate",
            "nfs_mount_guard::server",
        ],
    ),
    ("runtime", &["tokio", "mio::", "parking_lot", "futures"]),
    ("memory", &["malloc", "free", "calloc", "realloc", "_int_", "alloc::raw_vec", "mi_", "_mi_"]),
    ("copying and comparing bytes", &["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen", "memchr"]),
];

/// The name for everything in none of [`PARTS`].
const ELSE: &str = "everything else";

/// Instructions by function of a whole process.
type Functions = BTreeMap<String, u64>;

/// Prints a table for each kind of request.
pub fn run(verbose: bool) {
    for (name, path, body) in server::requests() {
        let request = load::post(path, &body);
        let [floor, guard] = [Which::Floor, Which::Guard].map(|which| each(which, &request));
        print(name, &floor, &guard);
        if verbose {
            for functions in [&floor, &guard] {
                print_functions(functions);
            }
        }
    }
}

/// Instructions of one request.
fn each(which: Which, request: &[u8]) -> Functions {
    let (few, many) = (50, 250);
    let before = instructions(which, request, few);
    let mut each = instructions(which, request, many);
    for (function, count) in &mut each {
        *count = count.saturating_sub(before.get(function).copied().unwrap_or_default()) / (many - few);
    }
    each
}

fn print(name: &str, floor: &Functions, guard: &Functions) {
    let sum = |functions: &Functions, of: &str| -> u64 {
        functions.iter().filter(|(function, _)| part(function) == of).map(|(_, count)| count).sum()
    };
    let mut parts: Vec<(&str, u64, u64)> = PARTS
        .iter()
        .map(|(name, _)| *name)
        .chain([ELSE])
        .map(|name| (name, sum(floor, name), sum(guard, name)))
        .collect();
    parts.sort_by_key(|(_, floor, guard)| std::cmp::Reverse(guard.saturating_sub(*floor)));
    parts.push(("all", floor.values().sum(), guard.values().sum()));
    println!("\n{name}:\n\n| part | floor | nfs-mount-guard | more |\n|---|--:|--:|--:|");
    for (part, floor, guard) in parts {
        println!("| {part} | {floor} | {guard} | {} |", i128::from(guard) - i128::from(floor));
    }
}

fn print_functions(functions: &Functions) {
    println!();
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (function, count) in functions.into_iter().take(90) {
        println!("{count:>8} {:24} {}", part(function), function.chars().take(150).collect::<String>());
    }
}

fn part(function: &str) -> &'static str {
    PARTS
        .iter()
        .find(|(_, marks)| marks.iter().any(|mark| function.contains(mark)))
        .map_or(ELSE, |(part, _)| part)
}

/// Runs the server under callgrind and asks `requests` times.
fn instructions(which: Which, request: &[u8], requests: u64) -> Functions {
    let folder = tempfile::tempdir().expect("a folder");
    server::make_certificates(folder.path());
    let client = load::client(&folder.path().join("certs"));
    let out = folder.path().join("callgrind.out");
    let file = format!("--callgrind-out-file={}", out.display());
    let callgrind = ["valgrind", "--tool=callgrind", "--dump-line=no", &file].map(OsString::from);
    let cores = machine::list(&machine::cores());
    let mut server = Server::start_under(&callgrind, which, folder.path(), &cores);
    let mut load: Load = server.load(&client, 1);
    for _ in 0..requests {
        load.ask(request).expect("an answer");
    }
    server.stop();
    functions(&out)
}

/// Instructions of each function itself, from callgrind's file.
fn functions(file: &Path) -> Functions {
    let text = fs::read_to_string(file).expect("callgrind writes its file");
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Functions::new();
    let mut current = String::new();
    let mut is_call = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("fn=") {
            current = named(rest, &mut names);
        } else if let Some(rest) = line.strip_prefix("cfn=") {
            named(rest, &mut names);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-' || c == '*') {
            if !is_call
                && let Some(count) = line.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok())
            {
                *found.entry(current.clone()).or_default() += count;
            }
            is_call = false;
        }
    }
    found
}

/// The name after `(7)` or `(7) name`.
fn named(text: &str, names: &mut BTreeMap<String, String>) -> String {
    match text.split_once(' ') {
        Some((id, name)) => {
            names.insert(id.to_owned(), name.to_owned());
            name.to_owned()
        }
        None => names.get(text).cloned().unwrap_or_default(),
    }
}
