//! Reports as clients in Go read them, Policy Reporter among them: nothing is lost in the
//! types that the APIs publish, and each result is a card of its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::reports::{APIS, install, remove_apis, reports, run};
use super::{make, unmake};
use crate::cluster::{self, Cluster, Webhooks};
use crate::component;

pub(super) fn trials() -> Vec<Trial> {
    let needs = || Ok((component::binary("reports-read")?, cluster::with_limits()?));
    vec![component::trial(
        "scan::reports::clients_in_go_read_every_field",
        needs,
        |(program, mut cluster)| {
            cluster.use_webhooks(Webhooks::None);
            let made = make(&cluster);
            let result = read(&program, &cluster);
            unmake(&cluster, &made);
            remove_apis(&cluster);
            result
        },
    )]
}

fn read(program: &Path, cluster: &Cluster) -> Result<(), Failed> {
    for api in 0..APIS.len() {
        remove_apis(cluster);
        install(cluster, api);
        let output = run(cluster, &["--select", "NMG"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stored: Vec<Value> = reports(cluster, api).into_values().collect();
        let mut texts = String::new();
        for report in &stored {
            texts.push_str(&report.to_string());
        }
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("its input")?.write_all(texts.as_bytes())?;
        let output = child.wait_with_output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> =
            String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        assert!(stored.len() == answers.len() && stored.len() >= 4, "{}", stored.len());
        let mut ids = BTreeSet::new();
        for (report, answer) in stored.iter().zip(&answers) {
            is_kept(report, answer.get("report"), "")?;
            let cards = answer["cards"].as_array().ok_or("cards")?;
            assert_eq!(Some(cards.len()), report["results"].as_array().map(Vec::len));
            for card in cards {
                let text = |key: &str| card[key].as_str().unwrap_or_default().to_owned();
                assert!(!text("id").is_empty() && ids.insert(text("id")), "{card}");
                assert_eq!(
                    (text("source"), text("category")),
                    ("nfs-mount-guard".into(), "NFS mounts".into())
                );
                let levels = ["critical", "high", "medium", "low", "info"];
                assert!(levels.contains(&&*text("severity")), "{card}");
                let is_beat = report["metadata"]["name"] == "nfs-mount-guard"
                    && report["metadata"]["namespace"].is_null();
                assert_eq!(text("kind").is_empty(), is_beat, "{card}");
            }
        }
        assert!(ids.len() > 5, "{ids:?}");
    }
    Ok(())
}

/// True if everything of one value is in another one, which may have more, and leaves out
/// what Go takes for nothing.
fn is_kept(old: &Value, new: Option<&Value>, at: &str) -> Result<(), Failed> {
    let is_nothing = old.is_null() || *old == json!(false) || *old == json!(0) || *old == json!({});
    match (old, new) {
        (Value::Object(old), Some(Value::Object(new))) => {
            old.iter().try_for_each(|(key, value)| is_kept(value, new.get(key), &format!("{at}/{key}")))
        }
        (Value::Array(old), Some(Value::Array(new))) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .try_for_each(|(index, (old, new))| is_kept(old, Some(new), &format!("{at}/{index}"))),
        (_, None) if is_nothing => Ok(()),
        (old, new) if Some(old) == new => Ok(()),
        (old, new) => Err(format!("{at}: {old} became {new:?}").into()),
    }
}
