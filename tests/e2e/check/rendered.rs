//! Checks the output of `helm template`: the template is named, found under `--source-root`, and
//! never given a line.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{command, pipe, stdout};

/// Tests of rendered documents.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::rendered::{name}"), test);
    vec![
        trial("every_format_names_the_template", every_format),
        trial("a_template_that_is_found_has_no_line", found_templates),
        trial("only_the_comment_of_helm_names_one", only_helms_comment),
    ]
}

const RENDERED: &str = "\
---
# Source: app/templates/class.yaml
kind: StorageClass
metadata: {name: a}
provisioner: nfs.csi.k8s.io
mountOptions: [hard, bg]
---
# Source: app/charts/sub/templates/text.yaml
kind: StorageClass
metadata: {name: b}
provisioner: nfs.csi.k8s.io
mountOptions: bg
---
kind: StorageClass
metadata: {name: c}
provisioner: nfs.csi.k8s.io
mountOptions: [bg]
";

fn check(format: &str, more: &[&str]) -> String {
    let mut args = vec!["check", "-", "--no-policy", "--select", "NMG001", "--format", format];
    args.extend(more);
    stdout(&pipe(&args, RENDERED.as_bytes()))
}

fn as_json(format: &str, more: &[&str]) -> Value {
    serde_json::from_str(&check(format, more)).expect("JSON")
}

fn every_format() -> Result<(), Failed> {
    let report = as_json("json", &[]);
    let [class, plain] = [&report["subjects"][0], &report["subjects"][1]];
    assert_eq!(
        json!([class["origin"], class["file"], class["line"]]),
        json!(["app/templates/class.yaml", "<stdin>", 3])
    );
    assert_eq!(class["findings"][0]["origin"], json!("app/templates/class.yaml"));
    assert_eq!(class["findings"][0]["line"], json!(6));
    assert_eq!(class["findings"][0].get("originFile"), None);
    assert_eq!(report["errors"][0]["origin"], json!("app/charts/sub/templates/text.yaml"));
    assert!(plain.get("origin").is_none() && plain["findings"][0].get("origin").is_none(), "{plain}");

    let text = check("text", &[]);
    for words in [
        "<stdin>:6:22: deny NMG001",
        "  --> rendered from app/templates/class.yaml, line 6 of <stdin>\n",
        "  --> rendered from app/charts/sub/templates/text.yaml\n",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    // An object of no template is named itself.
    assert!(text.contains("  --> StorageClass/c\n"), "{text}");
    assert_eq!(text.matches("-->").count(), 3, "{text}");
    let github = check("github", &[]);
    assert!(github.contains("::error file=<stdin>,line=6,col=22,"), "{github}");
    assert!(github.contains("(rendered from app/templates/class.yaml, line 6 of <stdin>)"), "{github}");
    let sarif = as_json("sarif", &[]);
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], json!(6));
    assert!(result["message"]["text"].as_str().is_some_and(|text| text.contains("app/templates/class.yaml")));
    assert!(sarif["runs"][0]["results"][1].get("relatedLocations").is_none(), "{sarif}");
    // Rendering again would undo a fix of the document.
    assert!(
        result.get("fixes").is_none() && sarif["runs"][0]["results"][1].get("fixes").is_some(),
        "{sarif}"
    );
    for format in ["gitlab", "junit"] {
        let report = check(format, &[]);
        assert!(report.contains("rendered from app/templates/class.yaml"), "{format}: {report}");
    }
    let explained = stdout(&pipe(&["explain", "-f", "-", "--no-policy"], RENDERED.as_bytes()));
    assert_eq!(explained.matches("  rendered   from app/templates/class.yaml\n").count(), 1, "{explained}");
    Ok(())
}

fn found_templates() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let chart = folder.path().join("app");
    fs::create_dir_all(chart.join("templates"))?;
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: app\n")?;
    fs::write(chart.join("templates/class.yaml"), "{{ }}\n")?;
    let file = chart.join("templates/class.yaml").display().to_string();
    // The chart's own directory, and the one it lies in.
    for root in [chart.as_path(), folder.path()] {
        let root = root.display().to_string();
        let more = ["--source-root", root.as_str()];
        let report = as_json("json", &more);
        assert_eq!(report["subjects"][0]["findings"][0]["originFile"], json!(file));
        assert_eq!(report["errors"][0].get("originFile"), None, "there is no such file");
        let github = check("github", &more);
        let title = "title=NMG001 background-mount::";
        assert!(github.contains(&format!("::error file={file},{title}")), "{github}");
        assert!(github.contains(&format!("(rendered from {file}, line 6 of <stdin>)")), "{github}");
        let sarif = as_json("sarif", &more);
        let result = &sarif["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"];
        assert!(
            place["artifactLocation"]["uri"]
                .as_str()
                .is_some_and(|uri| uri.ends_with("app/templates/class.yaml"))
        );
        assert!(place.get("region").is_none(), "{place}");
        let related = &result["relatedLocations"][0]["physicalLocation"];
        assert_eq!(related["region"]["startLine"], json!(6));
    }
    let mut run = command(&["check", "-", "--no-policy", "--format", "json"]);
    let output = run.current_dir(folder.path()).stdin(std::process::Stdio::null()).output()?;
    assert_eq!(output.status.code(), Some(0), "the working directory is the default");
    let missing = folder.path().join("nowhere").display().to_string();
    let output = pipe(&["check", "-", "--source-root", &missing], b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--source-root") && said.contains("is not a directory"), "{said}");
    Ok(())
}

fn only_helms_comment() -> Result<(), Failed> {
    let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n";
    for head in [
        "# Source: app/templates/a.yaml\n",
        "---\n\n# Source: app/templates/a.yaml\n",
        "---\n# Source: https://example.com/page\n",
        "---\n# see # Source: app/templates/a.yaml\n",
        "--- # Source: app/templates/a.yaml\n",
    ] {
        let output = pipe(&["check", "-", "--no-policy"], format!("{head}{class}").as_bytes());
        assert!(!stdout(&output).contains("rendered"), "{head}");
    }
    // A path of a template may not lead out of the root, and what is in it is not obeyed.
    let text = format!("---\n# Source: ../../etc/a\u{1b}[31m.yaml\n{class}");
    let shown = stdout(&pipe(&["check", "-", "--no-policy", "--source-root", "/"], text.as_bytes()));
    assert!(shown.contains("rendered from ../../etc/a\\u{1b}[31m.yaml"), "{shown}");
    Ok(())
}
