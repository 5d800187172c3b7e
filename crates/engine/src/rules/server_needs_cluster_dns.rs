//! NMG023: a server's name that only the cluster's DNS knows.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Finding, Sentence, Severity};
use crate::site::Place;

pub(super) static RULE: Rule = Rule {
    code: Code(23),
    name: "server-needs-cluster-dns",
    title: "Server name that only the cluster DNS resolves",
    summary: "an in-tree NFS volume whose server is a name of the cluster's DNS",
    why: "The kubelet mounts an in-tree NFS volume on the node, with the node's resolver. Nodes do not use the \
cluster's DNS, so names like `nfs.storage.svc.cluster.local` do not resolve there. The mount fails at every try \
with \"Failed to resolve server\", and the Pod stays in ContainerCreating. There are exceptions: GKE resolves with the \
cluster's DNS, and a node can be set up to ask it.",
    remedy: "Use the Service's `clusterIP`, or an address outside the cluster. Or use a CSI driver whose Pods have \
`dnsPolicy: ClusterFirstWithHostNet`, such as csi-driver-nfs.",
    actions: Actions::all(Action::Warn),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  nfs: {server: nfs.storage.svc.cluster.local, path: /export}
",
        good: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  nfs: {server: 10.96.0.20, path: /export}
",
    },
    references: &[
        "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/",
        "SetUpAt: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/nfs/nfs.go",
        "https://github.com/kubernetes/kubernetes/issues/44528",
        "https://github.com/kubernetes/examples/issues/390",
    ],
    since: 2,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let Some(server) = check.subject.in_tree_server().filter(|server| is_cluster_dns_name(server)) else {
        return;
    };
    let what = format!("{server:?} needs cluster DNS, and nodes do not use it");
    let message = Sentence::with_remedy(what, "set a clusterIP");
    check.findings.push(Finding {
        code: check.rule.code,
        severity: Severity::Proper,
        carrier: 0,
        place: Some(Place::Server),
        site: None,
        keyword: "server".into(),
        message,
        fix: None,
    });
}

/// Returns true if only the cluster's DNS can know the name: the DNS specification gives Services
/// `SERVICE.NAMESPACE.svc.DOMAIN`. `nfs.storage` and a domain of the cluster's own may be names of
/// any other DNS.
fn is_cluster_dns_name(server: &str) -> bool {
    const DOMAINS: [&str; 3] = [".svc.cluster.local", ".pod.cluster.local", ".svc.clusterset.local"];
    let name = server.to_ascii_lowercase();
    // A final dot makes a name absolute, and resolves nothing more.
    let name = name.strip_suffix('.').unwrap_or(&name);
    // `NAME.NAMESPACE.svc` alone is resolved by the search path of Pods, which nodes do not have
    // either.
    let service = DOMAINS.into_iter().chain([".svc"]).find_map(|domain| name.strip_suffix(domain));
    // A Service has a name and a namespace: `svc` alone, or `a.svc`, may be a host of the company.
    service.is_some_and(|service| service.contains('.') && service.split('.').all(|label| !label.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::is_cluster_dns_name;

    #[test]
    fn only_names_that_no_other_dns_can_have_are_the_clusters() {
        for name in [
            "nfs.storage.svc",
            "nfs.storage.svc.",
            "NFS.Storage.SVC.Cluster.Local",
            "nfs.storage.svc.cluster.local.",
            "nfs-0.nfs.storage.svc.cluster.local",
            "10-0-0-1.storage.pod.cluster.local",
            "nfs.storage.svc.clusterset.local",
        ] {
            assert!(is_cluster_dns_name(name), "{name}");
        }
        for name in [
            "",
            "nfs",
            "nfs.storage",
            "nfs.svc",
            ".svc",
            "svc.cluster.local",
            "nfs.svc.cluster.local",
            "nfs..svc",
            "nfs.storage.svc.example.com",
            "cluster.local",
            "nas.local",
            "nfs.storage.svcx",
            "10.96.0.20",
            "fd00::1",
        ] {
            assert!(!is_cluster_dns_name(name), "{name}");
        }
    }
}
