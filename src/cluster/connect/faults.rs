//! Faults of a kubeconfig or of the credentials of a user, and their remedies: no
//! names of a library's types, and nothing that may be a secret.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use kube::client::{AuthError, RustlsTlsError};
use kube::config::{AuthInfo, Kubeconfig, KubeconfigError, LoadDataError};

use crate::source::text::{Lines, Position, decode};
use crate::source::{self, io_fault};

/// The cluster of the kubeconfig names a CA, and there is no certificate in it.
pub(super) const NO_AUTHORITY: &str =
    "cluster: certificate-authority has no certificate (PEM with BEGIN CERTIFICATE) in it; correct it";

/// The remedy for credentials that a person had once.
const LOG_IN: &str = "correct it, log in again, or use another context";

/// A token with a line break, for example.
const NO_HEADER: &str = "the token has a character that no HTTP header can have, such as a line break";

/// The remedy for the CA of a cluster.
const GIVE_CA: &str = "correct it, or set certificate-authority-data";

/// The same where that cannot be read.
const NAME_CA: &str = "correct it, or name the file of the CA in certificate-authority";

/// The part that cannot be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// The cluster's entry of the kubeconfig.
    Cluster(String),
    /// The credentials of the user.
    User(String),
}

/// The remedy for a file that is not there or is none.
const NAME_FILE: &str = "give the path of a kubeconfig with --kubeconfig FILE, or set KUBECONFIG";

/// The remedy for a text that is no kubeconfig.
const COMPARE: &str = "compare it with the output of kubectl config view";

/// Most bytes of what a plugin wrote that are repeated.
const LONGEST: usize = 600;

/// Returns a fault of a kubeconfig.
pub(super) fn unreadable(error: &KubeconfigError) -> String {
    match error {
        // Its path is named by the caller.
        KubeconfigError::ReadConfig(error, _) => match error.kind() {
            io::ErrorKind::NotFound => format!("there is no such file; {NAME_FILE}"),
            io::ErrorKind::IsADirectory => format!("is a directory; {NAME_FILE}"),
            _ => format!("cannot be read: {}; make it readable, or {NAME_FILE}", io_fault::reason(error)),
        },
        // The message of the library names its types, and shows the text around, which may be a secret.
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            let place = place.unwrap_or_default();
            format!("is not a kubeconfig{place}: a field is missing or of another type; {COMPARE}")
        }
        KubeconfigError::MissingClusterUrl => {
            "the cluster of the context has no server; add server: https://HOST:PORT".to_owned()
        }
        KubeconfigError::ParseClusterUrl(_) => {
            "server of the cluster is not a URL; write https://HOST:PORT".to_owned()
        }
        KubeconfigError::LoadCertificateAuthority(error) => {
            let remedy = match error {
                LoadDataError::DecodeBase64(_) => NAME_CA,
                LoadDataError::ReadFile(..) | LoadDataError::NoBase64DataOrFile => GIVE_CA,
            };
            format!("cluster: {}; {remedy}", data("certificate-authority", error))
        }
        KubeconfigError::ParseCertificates(_) => NO_AUTHORITY.to_owned(),
        KubeconfigError::LoadClientCertificate(LoadDataError::NoBase64DataOrFile) => {
            format!("it has a client key and no client-certificate; {LOG_IN}")
        }
        KubeconfigError::LoadClientKey(LoadDataError::NoBase64DataOrFile) => {
            format!("it has a client certificate and no client-key; {LOG_IN}")
        }
        KubeconfigError::LoadClientCertificate(error) => {
            format!("{}; {LOG_IN}", data("client-certificate", error))
        }
        KubeconfigError::LoadClientKey(error) => format!("{}; {LOG_IN}", data("client-key", error)),
        // The proxy is read again, and with words of its own.
        other => other.to_string(),
    }
}

fn no_file(error: &io::Error, path: &Path) -> String {
    format!("{} cannot be read: {}", path.display(), io_fault::reason(error))
}

fn data(what: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::ReadFile(error, path) => format!("{what}: {}", no_file(error, path)),
        LoadDataError::DecodeBase64(_) => format!("{what}-data is not base64"),
        LoadDataError::NoBase64DataOrFile => format!("{what} is empty"),
    }
}

/// Returns a way to log in that kubectl does not know any more, with what replaced it. The client
/// would still run some of them.
pub(super) fn removed(user: &AuthInfo) -> Option<String> {
    let provider = user.auth_provider.as_ref()?;
    let name = &provider.name;
    let instead = match name.as_str() {
        "oidc" if provider.config.contains_key("id-token") => return None,
        "oidc" => return Some("the auth-provider \"oidc\" has no id-token; log in again, or use the exec plugin kubelogin (kubectl oidc-login)".to_owned()),
        "gcp" => "run \"gcloud container clusters get-credentials CLUSTER\", which sets the exec plugin gke-gcloud-auth-plugin",
        "azure" => "run \"kubelogin convert-kubeconfig\", which sets the exec plugin kubelogin",
        _ => "log in with a token, a client certificate or an exec plugin",
    };
    Some(format!(
        "Kubernetes 1.26 and newer clients have no auth-provider {name:?}; {instead}, or use another context"
    ))
}

/// Returns why there is no client for the cluster and the credentials of a user.
pub(super) fn unusable(error: &kube::Error, user: &AuthInfo) -> Fault {
    Fault::User(match error {
        kube::Error::Auth(error) => unauthenticated(error, Some(user)),
        kube::Error::InferKubeconfig(error) => unreadable(error),
        kube::Error::RustlsTls(error) => return unfit(error),
        kube::Error::HttpError(_) => {
            "as, as-uid, as-groups or as-user-extra has a character that no HTTP header can have; correct it"
                .to_owned()
        }
        // The other variants are about what is not used here.
        other => return Fault::Cluster(other.to_string()),
    })
}

fn unfit(error: &RustlsTlsError) -> Fault {
    let user = match error {
        RustlsTlsError::MissingCertificate => {
            "client-certificate has no certificate (PEM with BEGIN CERTIFICATE) in it".to_owned()
        }
        RustlsTlsError::MissingPrivateKey | RustlsTlsError::UnknownPrivateKeyFormat => {
            "client-key has no key (PEM with BEGIN PRIVATE KEY, RSA or EC) in it".to_owned()
        }
        RustlsTlsError::InvalidIdentityPem(_) => "client-certificate or client-key is not PEM".to_owned(),
        RustlsTlsError::InvalidPrivateKey(rustls::Error::InconsistentKeys(_)) => {
            "client-key is not the key of client-certificate".to_owned()
        }
        RustlsTlsError::InvalidPrivateKey(error) => {
            format!("client-certificate and client-key cannot be used: {error}")
        }
        RustlsTlsError::AddRootCertificate(_) => return Fault::Cluster(NO_AUTHORITY.to_owned()),
        RustlsTlsError::InvalidServerName(_) => {
            return Fault::Cluster(
                "cluster: tls-server-name is neither a host name nor an IP address; correct it".to_owned(),
            );
        }
        RustlsTlsError::NoValidNativeRootCA(_) => {
            return Fault::Cluster(
                "cluster: it names no CA, and this machine trusts none; set certificate-authority-data"
                    .to_owned(),
            );
        }
    };
    Fault::User(format!("{user}; {LOG_IN}"))
}

/// Returns the fault of a user's token, with which the client would panic.
pub(super) fn token(user: &AuthInfo) -> Option<Fault> {
    user.token.as_ref()?;
    // The token has no other way out without one more crate.
    let user = serde_json::to_value(user).ok()?;
    let token = user.get("token")?.as_str()?;
    // The bytes that a header takes (RFC 9110 §5.5).
    let is_fit = token.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
    (!is_fit).then(|| Fault::User(format!("{NO_HEADER}; {LOG_IN}")))
}

/// Returns why a user cannot be authenticated. The text that a plugin printed on standard output may be a
/// secret, and so may its arguments: neither is repeated.
pub(in crate::cluster) fn unauthenticated(error: &AuthError, user: Option<&AuthInfo>) -> String {
    let exec = user.and_then(|user| user.exec.as_ref());
    let plugin = match exec.and_then(|exec| exec.command.as_ref()) {
        Some(command) => format!("the exec plugin {command:?}"),
        None => "the exec plugin".to_owned(),
    };
    match error {
        AuthError::AuthExecStart(error) => {
            let hint = exec.and_then(|exec| exec.install_hint.as_deref());
            let hint = hint.map(|hint| one_line(hint, " ")).filter(|hint| !hint.is_empty());
            let hint = hint.unwrap_or_else(|| "install it, or use another context".to_owned());
            if error.kind() == io::ErrorKind::NotFound {
                format!("{plugin} is not installed: there is no such file, nor a program on PATH; {hint}")
            } else {
                format!("{plugin} cannot be started: {error}; {hint}")
            }
        }
        AuthError::AuthExecRun { out, .. } => {
            let said = one_line(&String::from_utf8_lossy(&out.stderr), "; ");
            let said = if said.is_empty() { said } else { format!(": {said}") };
            format!("{plugin} failed ({}){said}; run it to see why, or log in again", out.status)
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("{plugin} printed no ExecCredential with a status; run it to see why")
        }
        AuthError::MissingCommand => "exec has no command; name the plugin".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => {
            format!("{plugin} printed an expirationTimestamp that is no time (RFC 3339); update it")
        }
        AuthError::ReadTokenFile(error, path) => {
            format!("tokenFile: {}; {LOG_IN}", no_file(error, path))
        }
        AuthError::InvalidBearerToken(_) | AuthError::InvalidBasicAuth(_) => {
            format!("{NO_HEADER}; {LOG_IN}")
        }
        other => format!("cannot be authenticated: {other}; {LOG_IN}"),
    }
}

/// Returns the error of authentication inside an error of the client, which would repeat all that
/// a plugin printed.
pub(in crate::cluster) fn authentication(error: &kube::Error) -> Option<&AuthError> {
    let mut cause: &(dyn StdError + 'static) = error;
    loop {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        cause = cause.source()?;
    }
}

/// Returns the lines of a text in one, the last ones if they are many.
fn one_line(text: &str, between: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = lines.join(between);
    let rest = joined.len().saturating_sub(LONGEST);
    match (rest..=joined.len()).find(|start| joined.is_char_boundary(*start)) {
        Some(start) if start > 0 => format!("...{}", joined.get(start..).unwrap_or_default()),
        _ => joined,
    }
}

/// Reads a kubeconfig.
///
/// # Errors
///
/// Why it cannot be read, and the remedy. The client would panic with half a unit of
/// UTF-16 at the end.
pub(super) fn read(file: &Path) -> Result<Kubeconfig, String> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if is_utf16 && !bytes.len().is_multiple_of(2) {
        return Err("is UTF-16 that ends within a character; write it again as UTF-8".to_owned());
    }
    Kubeconfig::read_from(file).map_err(|error| {
        let fault = matches!(error, KubeconfigError::Parse(_)).then(|| syntax(bytes)).flatten();
        fault.unwrap_or_else(|| unreadable(&error))
    })
}

/// Returns the place and the fault of a text that is neither YAML nor JSON.
fn syntax(bytes: Vec<u8>) -> Option<String> {
    let (text, _) = decode(bytes).ok()?;
    let lines = Lines::new(&text);
    let problem = source::trees(&text, &lines).find_map(Result::err)?;
    let Position { line, column } = lines.position(problem.offset.unwrap_or_default());
    let text = problem.to_string();
    // The place stands after the fault, so that the sentence has one colon.
    let (fault, why) = text
        .split_once(": ")
        .filter(|(fault, _)| fault.starts_with("is not "))
        .unwrap_or(("is not a kubeconfig", &text));
    Some(format!("{fault} (line {line}, column {column}): {why}"))
}

/// Returns the files of KUBECONFIG, or the one of the home directory.
pub(super) fn default_files() -> Vec<PathBuf> {
    std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()).map_or_else(
        || std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
        |list| std::env::split_paths(&list).filter(|file| !file.as_os_str().is_empty()).collect(),
    )
}

/// Reads the files of KUBECONFIG, of which kubectl passes over those that do not exist, or
/// the one of the home directory.
///
/// # Errors
///
/// The same as those of [`read`].
pub(super) fn read_default() -> Result<Kubeconfig, String> {
    let files = default_files();
    let mut there = files.iter().filter(|file| file.exists()).peekable();
    if there.peek().is_none() {
        return Err(format!("there is no such file; {NAME_FILE}"));
    }
    let name = |reason: String, file: &Path| {
        if files.len() > 1 { format!("{}: {reason}", file.display()) } else { reason }
    };
    there.try_fold(Kubeconfig::default(), |all, file| {
        let next = read(file).map_err(|reason| name(reason, file))?;
        all.merge(next).map_err(|error| unreadable(&error))
    })
}
