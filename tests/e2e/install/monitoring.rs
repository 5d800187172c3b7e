//! Alerts, dashboard and the page about metrics: read by promtool, and naming
//! nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::generated::compare_part;
use super::{ROOT, Turn, trial};
use crate::client::{Client, block_on, status};
use crate::component;
use crate::guard::Guard;
use crate::objects::class;
use crate::program::review;

const ALERTS: &str = "manifests/chart/files/alerts.yaml";
const DASHBOARD: &str = "manifests/chart/files/dashboard.json";

/// Tests of what watches the guard.
pub fn trials() -> Vec<Trial> {
    let promtool = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        component::trial(format!("install::{name}"), || component::binary("promtool"), test)
    };
    vec![
        promtool("promtool_finds_no_mistake_in_the_alerts", |promtool| {
            run(Command::new(promtool).args(["check", "rules", ALERTS]));
            Ok(())
        }),
        promtool("alerts_fire_for_what_they_are_about", alerts_fire),
        promtool("promtool_reads_every_query_of_the_dashboard", dashboard_is_read),
        Trial::test("install::every_alert_has_a_unit_test_and_a_page", alerts_have_pages),
        Trial::test("install::every_metric_is_described", metrics_are_described),
        Trial::test("install::alerts_and_dashboard_name_metrics_that_are_there", metrics_are_there),
        trial("the_api_servers_metrics_are_there", api_servers_metrics),
    ]
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn run(command: &mut Command) {
    let output = command.current_dir(ROOT).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn unit_tests() -> Vec<String> {
    ["minutes", "days"].iter().map(|name| read(&format!("tests/monitoring/{name}.test.yaml"))).collect()
}

fn alerts_fire(promtool: PathBuf) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("ALERTS"), read(ALERTS))?;
    for test in unit_tests() {
        let file = folder.path().join("test.yaml");
        fs::write(&file, test)?;
        run(Command::new(&promtool).args(["test", "rules"]).arg(file));
    }
    Ok(())
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read(ALERTS)).expect("YAML");
    rules["groups"][0]["rules"].as_array().expect("rules").clone()
}

fn alerts_have_pages() -> Result<(), Failed> {
    let tests = unit_tests().join("");
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let description = alert["annotations"]["description"].as_str().unwrap_or_default();
        let command = description.split_once("First command: ");
        assert!(
            command.is_some_and(|(impact, command)| {
                impact.starts_with("Impact: ")
                    && ["kubectl ", "nfs-mount-guard "].iter().any(|name| command.starts_with(name))
            }),
            "{name}: the description is impact and first command: {description}"
        );
        let fires = format!("alertname: {name}\n        eval_time: ");
        assert!(tests.contains(&fires), "{name} is never seen firing");
        let is_silent = format!("{{alertname: {name}, eval_time: ");
        assert!(tests.contains(&is_silent), "{name} is never seen silent");
        let url = alert["annotations"]["runbook_url"].as_str().expect("a page");
        let (page, heading) =
            url.split_once("/blob/main/").and_then(|(_, rest)| rest.split_once('#')).expect("a heading");
        let anchors: Vec<String> = read(page).lines().filter_map(anchor).collect();
        assert!(
            anchors.iter().any(|anchor| anchor == heading),
            "{name}: {page} has no #{heading}: {anchors:?}"
        );
    }
    Ok(())
}

/// A heading's anchor, as GitHub makes it.
pub fn anchor(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    Some(kept.replace(' ', "-"))
}

fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("queries"));
    queries.map(|query| query["expr"].as_str().expect("a query").replace("$__rate_interval", "5m")).collect()
}

fn dashboard_is_read(promtool: PathBuf) -> Result<(), Failed> {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(index, query)| json!({"record": format!("query:{index}"), "expr": query}))
        .collect();
    assert!(rules.len() > 15, "{rules:?}");
    let folder = TempDir::new()?;
    let file = folder.path().join("rules.yaml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string())?;
    run(Command::new(promtool).args(["check", "rules"]).arg(file));
    Ok(())
}

/// Returns the metrics of a webhook that has seen every event once.
fn scrape() -> Result<String, Failed> {
    let folder = TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    let exemption = "exemptions: [{rules: [soft-mount], reason: scratch, expires: 2099-03-31}]";
    fs::write(&policy, format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{exemption}\n"))?;
    let guard = Guard::start(&["--policy", &policy.display().to_string()]);
    let client = Client::new(guard.address, &guard.certs, "h2");
    block_on(client.post("/validate", review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]))))?;
    // No TLS handshake.
    std::net::TcpStream::connect(guard.address)?.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = String::from_utf8(block_on(status(guard.status, "/metrics"))?.body)?;
        if text.contains("clients_refused_total{") {
            return Ok(text);
        }
        assert!(Instant::now() < deadline, "{text}");
    }
}

/// A metric as the text format tells of it.
#[derive(Debug, Default)]
struct Metric {
    kind: String,
    help: String,
    /// Names that a query may use.
    series: BTreeSet<String>,
    labels: BTreeSet<String>,
}

fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut found = BTreeMap::<String, Metric>::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help.trim_end_matches('.').clone_into(&mut found.entry(name.to_owned()).or_default().help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            kind.clone_into(&mut found.entry(name.to_owned()).or_default().kind);
        } else if !line.starts_with('#') {
            let (series, rest) = line.split_once(['{', ' ']).expect("a sample");
            let (_, metric) = found
                .iter_mut()
                .filter(|(name, _)| series.starts_with(name.as_str()))
                .max_by_key(|(name, _)| name.len())
                .expect("a metric before its samples");
            metric.series.insert(series.to_owned());
            if let Some((labels, _)) = rest.split_once('}') {
                for label in labels.split(',').filter_map(|label| label.split_once('=')) {
                    // The value of `rules` may hold commas, but no equals sign.
                    metric.labels.insert(label.0.to_owned());
                }
            }
        }
    }
    found
}

fn metrics_are_described() -> Result<(), Failed> {
    compare_part("docs/metrics.md", "metrics", &table(&scrape()?)?);
    compare_part("docs/exposed.md", "metrics", &table(&crate::scan::again::scrape()?)?);
    compare_part("docs/node-check.md", "metrics", &table(&crate::node_check::status::scrape()?)?);
    Ok(())
}

fn table(text: &str) -> Result<String, Failed> {
    let mut table = "| metric | type | labels | what it says |\n|---|---|---|---|\n".to_owned();
    for (name, metric) in metrics(text) {
        let shown = match metric.kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name,
        };
        let labels: Vec<&str> = metric.labels.iter().map(String::as_str).collect();
        writeln!(table, "| `{shown}` | {} | {} | {} |", metric.kind, labels.join(", "), metric.help)?;
    }
    Ok(table)
}

/// The metrics with this prefix that a query names.
fn named(query: &str, prefix: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    query
        .match_indices(prefix)
        .filter(|(start, _)| !query[..*start].ends_with(is_part))
        .map(|(start, _)| query[start..].chars().take_while(|c| is_part(*c)).collect())
        .collect()
}

fn all_queries() -> Vec<String> {
    let mut all = queries();
    all.extend(alerts().iter().map(|alert| alert["expr"].as_str().expect("a query").to_owned()));
    all
}

fn metrics_are_there() -> Result<(), Failed> {
    let again = [crate::scan::again::scrape()?, crate::node_check::status::scrape()?].concat();
    let text = format!("{}{again}", scrape()?);
    let text = text.replace("# EOF\n", "");
    let metrics = metrics(&text);
    let series: BTreeSet<&String> = metrics.values().flat_map(|metric| &metric.series).collect();
    let labels: BTreeSet<&String> = metrics.values().flat_map(|metric| &metric.labels).collect();
    let mut used = BTreeSet::new();
    for query in all_queries() {
        for name in named(&query, "nfs_mount_guard_") {
            assert!(series.contains(&name), "{name} is exported nowhere: {query}\n{text}");
            used.insert(name);
        }
        if query.contains("nfs_mount_guard_") && !query.contains("apiserver_") {
            for (_, by) in query.match_indices(" by (").map(|(at, word)| query.split_at(at + word.len())) {
                for label in by.split(')').next().unwrap_or_default().split(',') {
                    // The PodMonitor of the look at nodes adds it.
                    if label.trim() == "node" && query.contains("nfs_mount_guard_node_") {
                        continue;
                    }
                    // Prometheus adds these to what it scrapes.
                    if ["cluster", "namespace"].contains(&label.trim()) {
                        continue;
                    }
                    assert!(labels.contains(&label.trim().to_owned()), "no label {label}: {query}");
                }
            }
        }
    }
    // Each metric is shown on the dashboard or used by an alert.
    for (name, metric) in &metrics {
        assert!(metric.series.iter().any(|series| used.contains(series)), "nothing shows {name}");
    }
    Ok(())
}

fn api_servers_metrics(turn: &mut Turn) -> Result<(), Failed> {
    // No webhook runs: one configuration fails closed, one open. For one class each
    // has a condition that fails, too.
    let condition = "object.metadata.name != 'the-condition-fails' || object.parameters.team == 'x'";
    for (kind, name, policy) in [
        ("ValidatingWebhookConfiguration", "validate.nfs-mount-guard.io", "Fail"),
        ("MutatingWebhookConfiguration", "mutate.nfs-mount-guard.io", "Ignore"),
    ] {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "nfs-mount-guard"},
            "webhooks": [{
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": policy,
                "matchConditions": [{"name": "team", "expression": condition}],
                "clientConfig": {"url": format!("https://127.0.0.1:{}/", crate::cluster::free_port())},
                "rules": [{"apiGroups": ["storage.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["storageclasses"]}],
            }],
        });
        turn.cluster.must(&["apply", "-f", "-"], &configuration.to_string());
    }
    let object = class("nobody-answers", "nfs.csi.k8s.io", &["fg"]).to_string();
    let wanted: BTreeSet<String> =
        all_queries().iter().flat_map(|query| named(query, "apiserver_")).collect();
    assert_eq!(wanted.len(), 4, "{wanted:?}");
    let failing = class("the-condition-fails", "nfs.csi.k8s.io", &["fg"]).to_string();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        turn.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &object);
        let said = turn.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &failing);
        let text = turn.cluster.must(&["get", "--raw", "/metrics"], "");
        let has = |name: &str, labels: &[&str]| {
            text.lines().any(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        };
        if has(
            "apiserver_admission_webhook_rejection_count{",
            &["name=\"validate.nfs-mount-guard.io\"", "error_type=\"calling_webhook_error\""],
        ) && has("apiserver_admission_webhook_fail_open_count{", &["name=\"mutate.nfs-mount-guard.io\""])
        {
            condition_fails_as_documented(&format!("{said:?}"));
            for name in ["validate", "mutate"] {
                let name = format!("name=\"{name}.nfs-mount-guard.io\"");
                assert!(
                    has("apiserver_admission_match_condition_evaluation_errors_total{", &[&name]),
                    "{text}"
                );
            }
            for name in &wanted {
                assert!(
                    has(name, &["name=\"validate.nfs-mount-guard.io\""]) || has(name, &["name=\"mutate."]),
                    "{name}"
                );
            }
            return Ok(());
        }
        assert!(Instant::now() < deadline, "the API server counts neither");
    }
}

/// Under Fail the user sees what docs/operations.md says, and no webhook's name.
fn condition_fails_as_documented(said: &str) {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).expect("the page");
    for words in ["resulted in error: no such key: parameters", "Forbidden"] {
        assert!(said.contains(words) && page.contains(words), "{said}");
    }
    assert!(!said.contains("nfs-mount-guard.io"), "{said}");
}
