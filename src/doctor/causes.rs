//! A cause of a webhook that cannot be called: a text of kube-apiserver 1.37.2, made for real
//! (docs/doctor.md), with its meaning and the command that cures it.

use super::checks::LOGS;

/// One cause.
#[derive(Debug)]
pub struct Cause {
    /// Any of these is in the message; `NAME` is any text.
    pub texts: &'static [&'static str],
    /// The meaning.
    pub meaning: &'static str,
    /// The command that cures it or shows the reason.
    pub remedy: &'static str,
}

/// Causes, the more particular ones first. `{namespace}`, `{name}`, `{selector}` and `{release}` are
/// those of the installation, `{certificates}` is the Deployment that makes or loads them.
pub const CAUSES: &[Cause] = &[
    Cause {
        texts: &["certificate signed by unknown authority"],
        meaning: "the caBundle and the serving certificate belong to different CAs",
        remedy: "kubectl --namespace {namespace} rollout restart deployment/{certificates}",
    },
    Cause {
        texts: &[
            "certificate is valid for ",
            "relies on legacy Common Name field",
            "certificate is not valid for any names",
        ],
        meaning: "the serving certificate is not for SERVICE.NAMESPACE.svc",
        remedy: "kubectl --namespace {namespace} annotate secret {name}-tls nfs-mount-guard.io/rotate=now --overwrite",
    },
    Cause {
        texts: &["certificate has expired or is not yet valid"],
        meaning: "the serving certificate or its CA has expired, or a clock is wrong",
        remedy: "kubectl --namespace {namespace} rollout restart deployment/{certificates}",
    },
    Cause {
        texts: &["no endpoints available for service", "no service port "],
        meaning: "no Pod of the Service is ready, or the Service has no such port",
        remedy: "kubectl --namespace {namespace} get pods,endpointslices",
    },
    Cause {
        texts: &["service \"NAME\" not found"],
        meaning: "the Service does not exist: the configuration outlived its installation",
        remedy: "{removal}",
    },
    Cause {
        texts: &["connection refused"],
        meaning: "nothing listens at the port of the webhook",
        remedy: "kubectl --namespace {namespace} rollout restart deployment/{name}",
    },
    Cause {
        texts: &["Address is not allowed"],
        meaning: "the control plane cannot reach Pod addresses (a custom CNI on EKS): the webhook needs the node's network",
        remedy: "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set hostNetwork=true,server.port=9443",
    },
    Cause {
        texts: &["No agent available"],
        meaning: "the control plane reaches the nodes through konnectivity, and no agent is connected",
        remedy: "kubectl --namespace kube-system rollout restart daemonset/konnectivity-agent",
    },
    Cause {
        texts: &["context deadline exceeded", "i/o timeout", "Client.Timeout exceeded"],
        meaning: "no answer in time. Possible: a NetworkPolicy, a firewall or security group between control plane and nodes, or konnectivity drops the packets; or the Pod accepts calls and does not answer",
        remedy: "kubectl --namespace {namespace} get networkpolicies,pods --output wide",
    },
    Cause {
        texts: &["proxyconnect", "Service Unavailable"],
        meaning: "the API server calls through HTTPS_PROXY: its NO_PROXY lacks .svc",
        remedy: "add .svc to NO_PROXY of kube-apiserver, and restart it",
    },
    Cause {
        texts: &["no such host"],
        meaning: "the API server cannot resolve the host of the URL",
        remedy: "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations --output yaml | grep url:",
    },
    Cause {
        texts: &["the server could not find the requested resource"],
        meaning: "the webhook responds with 404: the path in the configuration is wrong, or another server responds at the Service",
        remedy: "kubectl --namespace {namespace} describe service {name}",
    },
    Cause {
        texts: &["couldn't get version/kind; json parse error", "received invalid webhook response"],
        meaning: "another server or a proxy responds instead of the webhook",
        remedy: "kubectl --namespace {namespace} describe service {name}",
    },
    Cause {
        texts: &["connection reset by peer", "EOF", "broken pipe"],
        meaning: "a Pod or a proxy closes the connection before it answers",
        remedy: LOGS,
    },
    Cause {
        texts: &["the server is currently unable to handle the request", "an error on the server ("],
        meaning: "the webhook rejects the call: load shedding (503), or a fault of its own",
        remedy: LOGS,
    },
];

/// Returns the cause of a failed call; `None` for a text that no row has.
pub fn find(message: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.texts.iter().any(|text| is_in(text, message)))
}

/// Returns true if a message has the pieces of a text around `NAME`, in their order.
fn is_in(text: &str, message: &str) -> bool {
    let mut rest = message;
    text.split("NAME").all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of kube-apiserver 1.37.2.
    #[test]
    fn each_text_has_its_cause() {
        for (message, meaning) in [
            ("failed to call webhook: service \"nope\" not found", "does not exist"),
            ("failed to call webhook: no service port 443 found for service \"guard\"", "no such port"),
            (
                "failed to call webhook: Post \"https://guard.t.svc:443/x\": tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of \"x\")",
                "different CAs",
            ),
            ("x509: certificate is valid for guard.other.svc, not guard.t.svc", "not for SERVICE"),
            ("x509: certificate relies on legacy Common Name field, use SANs instead", "not for SERVICE"),
            (
                "x509: certificate has expired or is not yet valid: current time 2026-11-29T02:00:00Z is after 2026-11-28T02:00:00Z",
                "has expired",
            ),
            (
                "failed to call webhook: Post \"https://guard.t.svc:443/x?timeout=3s\": context deadline exceeded",
                "drops the packets",
            ),
            (
                "failed to call webhook: Post \"x\": dial tcp 127.1.2.3:443: connect: connection refused",
                "nothing listens",
            ),
            ("dial tcp: lookup guard.example.com on 127.0.0.53:53: no such host", "cannot resolve"),
            ("failed to call webhook: the server could not find the requested resource", "404"),
            (
                "failed to call webhook: couldn't get version/kind; json parse error: invalid character '<'",
                "instead of",
            ),
            ("received invalid webhook response: expected response.uid=\"a\", got \"b\"", "instead of"),
        ] {
            let cause = find(message).expect(message);
            assert!(cause.meaning.contains(meaning), "{message}: {}", cause.meaning);
        }
        assert!(find("something that was never seen").is_none());
    }
}
