//! Measures the time that an editor waits for the language server: `cargo bench --bench editor`.
//! The built program, over its standard input and output; a figure is from the message sent to the
//! answer read.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program that prints a table")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Most milliseconds that an editor may wait for a document of 16 KiB.
const MOST: f64 = 20.0;

/// Each figure is of so many tries.
const TRIES: usize = 200;

const URI: &str = "file:///project/class.yaml";

/// A running server.
struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u32,
}

impl Server {
    fn start() -> Self {
        let program = std::env::var_os("NFS_MOUNT_GUARD_BIN")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_nfs-mount-guard").into());
        let mut process = Command::new(program)
            .args(["lsp", "--no-policy"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut server = Self { process, input, output, requests: 0 };
        server.ask("initialize", &json!({"processId": null, "rootUri": null, "capabilities": {}}));
        server.notify("initialized", &json!({}));
        server
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let sent = write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len());
        sent.and_then(|()| self.input.flush()).expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request and reads the answer.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.requests, "method": method, "params": params}));
        self.read()
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("text");
            match line.trim_end().split_once(": ") {
                Some((_, bytes)) => length = bytes.parse().expect("a number"),
                None if line.is_empty() => panic!("the server ended"),
                None => break,
            }
        }
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).expect("a whole message");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Opens a document, and gives the number of its diagnostics.
    fn open(&mut self, text: &str) -> usize {
        let document = json!({"uri": URI, "languageId": "yaml", "version": 1, "text": text});
        self.notify("textDocument/didOpen", &json!({"textDocument": document}));
        self.read().pointer("/params/diagnostics").and_then(Value::as_array).expect("diagnostics").len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Documents of about so many bytes: classes with `options`.
fn document(bytes: usize, options: &str) -> String {
    let mut text = String::new();
    for index in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str("---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: class-");
        text.push_str(&index.to_string());
        text.push_str(
            "\nprovisioner: nfs.csi.k8s.io\nparameters:\n  server: filer.example.com\n  share: /export\n",
        );
        text.push_str("reclaimPolicy: Retain\nmountOptions:\n");
        text.push_str(options);
    }
    text
}

/// The median and the 99th percentile in milliseconds.
fn waits(mut once: impl FnMut(usize)) -> (f64, f64) {
    let mut times: Vec<Duration> = (0..TRIES)
        .map(|index| {
            let begin = Instant::now();
            once(index);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get(TRIES * part / 100).expect("a time").as_secs_f64() * 1000.0;
    (at(50), at(99))
}

fn row(what: &str, findings: usize, (median, slow): (f64, f64)) {
    let reached = if slow <= MOST { "yes" } else { "**no**" };
    println!("| {what} | {findings} | {median:.1} | {slow:.1} | {MOST} | {reached} |");
}

fn main() {
    println!("| 16 KiB of classes | diagnostics | median, ms | p99, ms | at most, ms | reached |");
    println!("|---|--:|--:|--:|--:|---|");
    let good = document(16 * 1024, "  - nfsvers=4.1\n  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n");
    let bad = document(16 * 1024, "  - bg\n  - soft,intr\n  - rsise=8192\n  - timeo=60s\n");
    for (name, text) in [("nothing found", &good), ("each option wrong", &bad)] {
        let mut server = Server::start();
        let findings = server.open(text);
        let end = json!({"line": 1_000_000, "character": 0});
        let key = waits(|index| {
            // A character typed into a comment, and taken away again.
            let version = index + 2;
            let range = json!({"start": end, "end": end});
            let change = json!([{"range": range, "text": "#"}]);
            let of = json!({"uri": URI, "version": version});
            server.notify("textDocument/didChange", &json!({"textDocument": of, "contentChanges": change}));
            let published = server.read();
            assert_eq!(published.pointer("/params/version"), Some(&json!(version)));
        });
        row(&format!("{name}: a key, to the diagnostics"), findings, key);
        let at = json!({"textDocument": {"uri": URI}, "position": {"line": 12, "character": 5}});
        let hover = waits(|_| {
            let answer = server.ask("textDocument/hover", &at);
            assert!(answer.pointer("/result/range").is_some(), "{answer}");
        });
        row(&format!("{name}: hover"), findings, hover);
        let line = json!({"start": {"line": 12, "character": 5}, "end": {"line": 12, "character": 5}});
        let of = json!({"textDocument": {"uri": URI}, "range": line, "context": {"diagnostics": []}});
        let actions = waits(|_| {
            let answer = server.ask("textDocument/codeAction", &of);
            assert!(answer.get("result").is_some(), "{answer}");
        });
        row(&format!("{name}: fixes of a line"), findings, actions);
    }
}
