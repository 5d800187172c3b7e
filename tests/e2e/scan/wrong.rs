//! A cluster that cannot be reached, and a kubeconfig that cannot be used.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::faults::{Server, empty, list};
use super::{kubeconfig, scan};
use crate::cluster::free_port;
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::wrong::{name}"), test);
    vec![
        trial("a_kubeconfig_that_cannot_be_used_is_told_with_its_remedy", bad_kubeconfigs),
        trial("credentials_that_cannot_be_used_are_told_with_their_remedy", bad_credentials),
        trial("a_scan_that_fails_replaces_the_reports_of_an_older_one", replaced),
        trial("the_files_of_kubeconfig_that_do_not_exist_are_passed_over", passes_over_missing_files),
        trial("a_proxy_that_is_not_there_is_named", no_proxy),
        trial("a_token_that_no_header_can_have_calls_no_api_server", token_that_expires),
        trial("a_token_file_may_end_with_a_line_break", token_file),
        trial("an_api_server_that_is_not_there_is_exit_3", nobody_listens),
        trial("a_server_that_accepts_and_is_silent_is_told_while_it_waits", silent),
        trial("without_a_cluster_it_says_how_to_name_one", no_cluster),
        trial("a_server_without_tls_is_told_from_one_with_it", other_scheme),
    ]
}

/// As kubectl does; and half a character of UTF-16 at the end is reported, too.
fn passes_over_missing_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    let missing = folder.path().join("missing").display().to_string();
    let run = |list: &str| {
        std::process::Command::new(crate::component::program()).arg("scan").env("KUBECONFIG", list).output()
    };
    fs::write(&file, config().to_string())?;
    let output = run(&format!("{missing}:{}", file.display()))?;
    assert!(said(&output).contains("127.0.0.1:1") || output.status.code() == Some(3), "{}", said(&output));
    let output = run(&missing)?;
    assert!(
        said(&output).contains("there is no such file") && output.status.code() == Some(2),
        "{}",
        said(&output)
    );
    fs::write(&file, [0xff, 0xfe, 0x00])?;
    let output = run(&file.display().to_string())?;
    assert!(said(&output).contains("UTF-16 that ends within a character"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn config() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "one", "user": {"token": "t"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "one"}},
            {"name": "two", "context": {"cluster": "missing", "user": "one"}},
        ],
    })
}

/// Faults of a kubeconfig, as JSON patch-like edits, its exit code and words; the
/// same for every command that reads one.
pub(crate) fn unusable(folder: &Path) -> Result<Vec<(Value, i32, String)>, Failed> {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map(|()| path.display().to_string())
    };
    let pair = || rcgen::generate_simple_self_signed(["me".to_owned()]).map_err(|error| error.to_string());
    let (one, other) = (pair()?, pair()?);
    let certificate = file("one.crt", &one.cert.pem())?;
    let (key, foreign) = (
        file("one.key", &one.signing_key.serialize_pem())?,
        file("two.key", &other.signing_key.serialize_pem())?,
    );
    let garbage = file("garbage", "no PEM at all")?;
    let missing = folder.join("missing").display().to_string();
    let user = |user: Value, words: &str| {
        let mut config = config();
        config["users"][0]["user"] = user;
        (config, 3, format!("user \"one\": {words}"))
    };
    let cluster = |key: &str, value: &str, words: &str| {
        let mut config = config();
        config["clusters"][0]["cluster"][key] = json!(value);
        (config, 2, words.to_owned())
    };
    let provider = |name: &str, words: &str| {
        let (config, _, words) = user(json!({"auth-provider": {"name": name, "config": {}}}), words);
        (config, 2, words)
    };
    let exec = |command: &str, script: &str, words: &str| {
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": command,
            "args": ["-c", script], "interactiveMode": "IfAvailable",
            "installHint": "Install it:\n  brew install plugin\n"});
        user(json!({ "exec": exec }), words)
    };
    let mut ghost = config();
    ghost["contexts"][0]["context"]["user"] = json!("ghost");
    Ok(vec![
        (
            ghost,
            2,
            "the context \"one\" names the user \"ghost\", which is not in it; add it under users".to_owned(),
        ),
        user(
            json!({"client-certificate": missing, "client-key": key}),
            &format!(
                "client-certificate: {missing} cannot be read: no such file or directory; correct it, log in again"
            ),
        ),
        user(
            json!({"client-certificate": garbage, "client-key": key}),
            "client-certificate has no certificate (PEM with BEGIN CERTIFICATE) in it; correct it",
        ),
        user(json!({"client-certificate": certificate, "client-key": garbage}), "client-key has no key (PEM"),
        user(
            json!({"client-certificate": certificate, "client-key": foreign}),
            "client-key is not the key of client-certificate; correct it",
        ),
        user(
            json!({"client-certificate": certificate}),
            "it has a client certificate and no client-key; correct",
        ),
        user(
            json!({"client-certificate-data": "%", "client-key-data": "%"}),
            "client-certificate-data is not base64",
        ),
        user(json!({ "tokenFile": missing }), &format!("tokenFile: {missing} cannot be read: ")),
        user(json!({"token": "a\nb"}), "the token has a character that no HTTP header can have"),
        exec(
            "no-such-plugin",
            "",
            "the exec plugin \"no-such-plugin\" is not installed: there is no such file, nor a program on PATH; Install it: brew install plugin",
        ),
        exec(
            "sh",
            "echo top-secret; echo not logged in >&2; echo run login >&2; exit 7",
            "the exec plugin \"sh\" failed (exit status: 7): not logged in; run login; run it to see why, or log in again",
        ),
        exec(
            "sh",
            "echo top-secret",
            "the exec plugin \"sh\" printed no ExecCredential with a status; run it",
        ),
        exec(
            "sh",
            r#"printf '%s' '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"top-secret\n"}}'"#,
            "the exec plugin \"sh\" printed a token with a character that no HTTP header can have, such as a line break; correct the plugin",
        ),
        provider("gcp", "Kubernetes 1.26 and newer clients have no auth-provider \"gcp\"; run \"gcloud"),
        provider(
            "azure",
            "Kubernetes 1.26 and newer clients have no auth-provider \"azure\"; run \"kubelogin convert-kubeconfig\"",
        ),
        provider("oidc", "the auth-provider \"oidc\" has no id-token; log in again"),
        provider(
            "other",
            "Kubernetes 1.26 and newer clients have no auth-provider \"other\"; log in with a token",
        ),
        cluster("certificate-authority", &missing, "cluster: certificate-authority: "),
        cluster("certificate-authority", &garbage, "cluster: certificate-authority has no certificate (PEM"),
        cluster(
            "certificate-authority-data",
            "%",
            "cluster: certificate-authority-data is not base64; correct it",
        ),
        cluster(
            "tls-server-name",
            "a b",
            "cluster: tls-server-name is neither a host name nor an IP address",
        ),
        cluster(
            "server",
            "10.0.0.1:6443",
            "the server 10.0.0.1:6443 of the cluster has no scheme; write https://10.0.0.1:6443",
        ),
        cluster(
            "proxy-url",
            "socks5://me:top-secret@proxy:1080",
            "proxy-url of the cluster is not the URL of an HTTP proxy; write http://HOST:PORT",
        ),
    ])
}

fn bad_credentials() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    for (config, code, words) in unusable(folder.path())? {
        fs::write(&file, config.to_string())?;
        let output = scan(&[], Some(&file));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let head = format!("nfs-mount-guard: --kubeconfig: {}: {words}", file.display());
        assert!(said.starts_with(&head) && said.lines().count() == 1, "{head}: {said}");
        assert!(!said.contains("top-secret") && output.stdout.is_empty(), "{said}");
    }
    Ok(())
}

/// Whatever fails, the report says so, also where an older one says that all is well.
fn replaced() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name);
    let server = Server::start(|path, _| match path {
        "/api/v1/persistentvolumes?limit=500" => list("PersistentVolumeList", &[], ""),
        other => empty(other),
    });
    let good = kubeconfig(&format!("http://{}", server.address), "t")?;
    let mut exec = config();
    exec["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh", "args": ["-c", "echo not logged in >&2; exit 1"]}});
    fs::write(at("exec"), exec.to_string())?;
    fs::write(at("policy.yaml"), "kind: Wrong\n")?;
    fs::write(at("ghost"), config().to_string().replace("\"user\":\"one\"", "\"user\":\"ghost\""))?;
    let policy = at("policy.yaml").display().to_string();
    let files = ["json", "html", "sarif", "junit", "gitlab", "text", "concise", "github"];
    let outputs: Vec<String> =
        files.iter().map(|format| format!("{format}={}", at(format).display())).collect();
    let outputs = outputs.join(",");
    for (kubeconfig, more, code, words) in [
        (at("exec"), &["--no-policy"][..], 3, "not logged in"),
        (at("ghost"), &["--no-policy"], 2, "names the user"),
        (at("missing"), &["--no-policy"], 2, "there is no such file"),
        (good.path().to_owned(), &["--policy", &policy], 2, "policy.yaml"),
        (good.path().to_owned(), &["--no-policy", "--webhook-policy", "a/b"], 2, "a/b"),
    ] {
        let args = [&["--no-policy", "--format", &outputs, "--qps", "1000"][..]].concat();
        let output = scan(&args, Some(good.path()));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let old: Value = serde_json::from_str(&fs::read_to_string(at("json"))?)?;
        assert_eq!((&old["complete"], &old["errors"]), (&json!(true), &json!([])));
        let output = scan(&[more, &["--format", &outputs]].concat(), Some(&kubeconfig));
        let said = said(&output);
        assert!(output.status.code() == Some(code) && said.contains(words), "{words:?}: {said}");
        let new: Value = serde_json::from_str(&fs::read_to_string(at("json"))?)?;
        schema::fits("check.schema.json", &new)?;
        let message = new["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(new["complete"] == false && said.trim_end().ends_with(message), "{message}: {said}");
        for format in files {
            let text = fs::read_to_string(at(format))?;
            // Each format has escapes of its own.
            let word = words.rsplit(' ').next().unwrap_or_default().replace('/', "");
            assert!(text.replace('/', "").contains(&word), "{format}: {text}");
        }
        // Programs that read standard output have it as well, people have it once.
        let output = scan(&[more, &["--format", "json"]].concat(), Some(&kubeconfig));
        let piped: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!((&piped["complete"], &piped["errors"]), (&json!(false), &new["errors"]));
        let output = scan(more, Some(&kubeconfig));
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let left: Vec<_> = fs::read_dir(folder.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
    Ok(())
}

fn no_proxy() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    let place = format!("127.0.0.1:{}", free_port());
    let mut config = config();
    config["clusters"][0]["cluster"]["proxy-url"] = json!(format!("http://me:top-secret@{place}"));
    fs::write(&file, config.to_string())?;
    let output = scan(&["--no-policy"], Some(&file));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let words = format!(
        "cannot list storageclasses at https://127.0.0.1:1 through the proxy http://{place} (proxy-url of the cluster): "
    );
    assert!(text.contains(&words) && text.contains("; is the proxy running"), "{text}");
    assert!(!text.contains("top-secret"), "{text}");
    Ok(())
}

/// A token that expires is read again for a request, and then the fault is found.
fn token_that_expires() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    let status = json!({"token": "top-\nsecret", "expirationTimestamp": "2099-01-01T00:00:00Z"});
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": status});
    fs::write(folder.path().join("token"), credential.to_string())?;
    let mut config = config();
    config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "cat", "args": [folder.path().join("token")], "interactiveMode": "Never"}});
    fs::write(&file, config.to_string())?;
    let output = scan(&["--no-policy"], Some(&file));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    let words = "the token has a character that no HTTP header can have, such as a line break; correct it, log in again";
    assert!(text.contains(words) && text.contains("; the API server was not called"), "{text}");
    assert!(!text.contains("secret") && !text.contains("panicked"), "{text}");
    Ok(())
}

fn token_file() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let token = folder.path().join("token");
    fs::write(&token, "some-token\n")?;
    let server = Server::start(|path, _| match path {
        "/api/v1/persistentvolumes?limit=500" => list("PersistentVolumeList", &[], ""),
        other => empty(other),
    });
    let mut config = config();
    config["clusters"][0]["cluster"]["server"] = json!(format!("http://{}", server.address));
    config["users"][0]["user"] = json!({ "tokenFile": token });
    let file = folder.path().join("config");
    fs::write(&file, config.to_string())?;
    let output = scan(&["--no-policy", "--qps", "1000"], Some(&file));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Ok(())
}

fn bad_kubeconfigs() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let without = |key: &str| {
        let mut config = config();
        config.as_object_mut().expect("an object").remove(key);
        config.to_string()
    };
    for (text, args, words) in [
        (config().to_string(), vec!["--context", "three"], "has no context \"three\"; it has one, two"),
        (config().to_string(), vec!["--context", "two"], "the cluster \"missing\", which is not in it"),
        (
            without("current-context"),
            vec![],
            "has no current context; give --context NAME, or set current-context in it (it has one, two)",
        ),
        (without("contexts"), vec![], "has no context \"one\"; it has none"),
        ("a: [".to_owned(), vec![], "is not YAML (line 1, column 5): a value is missing"),
        ("contexts: 7".to_owned(), vec![], "is not a kubeconfig (line 1, column "),
    ] {
        let file = folder.path().join("config");
        fs::write(&file, text)?;
        let output = scan(&args, Some(&file));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let head = format!("nfs-mount-guard: --kubeconfig: {}: ", file.display());
        assert!(said.starts_with(&head) && said.contains(words), "{words:?}: {said}");
    }
    let missing = folder.path().join("missing");
    let output = scan(&[], Some(&missing));
    let remedy = "give the path of a kubeconfig with --kubeconfig FILE, or set KUBECONFIG";
    let wanted =
        format!("nfs-mount-guard: --kubeconfig: {}: there is no such file; {remedy}\n", missing.display());
    assert_eq!((said(&output), output.status.code()), (wanted, Some(2)));
    let output = scan(&[], Some(folder.path()));
    let place = folder.path().display();
    let wanted = format!("nfs-mount-guard: --kubeconfig: {place}: is a directory; {remedy}\n");
    assert_eq!((said(&output), output.status.code()), (wanted, Some(2)));
    Ok(())
}

fn nobody_listens() -> Result<(), Failed> {
    let server = format!("https://127.0.0.1:{}", free_port());
    let file = kubeconfig(&server, "t")?;
    let output = scan(&["--format", "json", "--no-policy"], Some(file.path()));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    let start = format!("cannot list storageclasses at {server}: ");
    assert!(message.starts_with(&start) && message.contains("is the API server running"), "{message}");
    assert_eq!((&report["complete"], report["errors"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    Ok(())
}

/// Connections are accepted and never answered: the wait is reported after ten seconds.
fn silent() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let open: Vec<_> = listener.incoming().map_while(Result::ok).collect();
        drop(open);
    });
    let file = kubeconfig(&format!("http://{address}"), "t")?;
    let mut child = std::process::Command::new(crate::component::program())
        .args(["scan", "--no-policy", "--kubeconfig"])
        .arg(file.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let begun = Instant::now();
    let mut first = String::new();
    BufReader::new(child.stderr.take().ok_or("a pipe")?).read_line(&mut first)?;
    let waited = begun.elapsed();
    let _ = child.kill();
    let _ = child.wait();
    let words = format!(
        "nfs-mount-guard: http://{address} has not answered for 10 s (storageclasses); still waiting"
    );
    assert_eq!(first.trim_end(), words);
    assert!((Duration::from_secs(9)..Duration::from_secs(30)).contains(&waited), "{waited:?}");
    Ok(())
}

fn no_cluster() -> Result<(), Failed> {
    let output = scan(&[], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no cluster: give --kubeconfig FILE, or set KUBECONFIG"), "{output:?}");
    Ok(())
}

/// The scheme in the kubeconfig is that of another port.
fn other_scheme() -> Result<(), Failed> {
    let said = |server: &str| -> Result<String, Failed> {
        let file = kubeconfig(server, "t")?;
        let output = scan(&["--format", "json", "--no-policy"], Some(file.path()));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout)?;
        Ok(report["errors"][0]["message"].as_str().unwrap_or_default().to_owned())
    };
    // As a server of Go answers, and one that answers nothing to what it does not understand.
    let answering = |answer: &'static [u8]| -> Result<SocketAddr, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        });
        Ok(address)
    };
    let address = answering(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n400 Bad Request")?;
    let message = said(&format!("https://{address}"))?;
    assert!(message.contains("; no TLS is spoken there: write the port of the API server"), "{message}");
    let message = said(&format!("https://{}", answering(b"")?))?;
    assert!(message.contains("; the server ends the TLS handshake: write the port"), "{message}");
    let address =
        answering(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")?;
    let message = said(&format!("http://{address}"))?;
    let words = "it answered 400 Client sent an HTTP request to an HTTPS server.; TLS is spoken there: write https://";
    assert!(message.contains(words), "{message}");
    Ok(())
}
