//! The lines that a person at a terminal gets first.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use crate::finding::{Action, Severity};
use crate::policy::{Mode, Policy};
use crate::rules::{self, BACKGROUND_MOUNT};

/// The incident's AdmissionReview, as a file in the repository and as the body
/// that is printed where that file is not at hand.
const EXAMPLE_FILE: &str = "examples/lost-volume.review.json";

/// Prints the addresses, the policy's effect, and a command to try it.
pub(super) fn print(
    address: SocketAddr,
    status: SocketAddr,
    policy: &Policy,
    self_signed: bool,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "nfs-mount-guard {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(
        out,
        "  https://{address}/validate and /mutate   (health and metrics: http://{status}/readyz /metrics)"
    )?;
    writeln!(out, "  profile {}, mode {}: {}", policy.profile(), policy.mode().as_str(), effect(policy))?;
    let insecure = if self_signed { "-k " } else { "" };
    let body = if Path::new(EXAMPLE_FILE).exists() {
        format!("@{EXAMPLE_FILE}")
    } else {
        format!("'{}'", include_str!("../../../examples/lost-volume.review.min.json").trim())
    };
    writeln!(out, "  try it from another terminal:")?;
    writeln!(
        out,
        "    curl -s {insecure}https://{address}/validate -H 'Content-Type: application/json' --data-binary {body}"
    )?;
    writeln!(out, "  Ctrl-C stops it")?;
    writeln!(out)
}

/// Returns the effect of a policy on background mounts and on missing options.
fn effect(policy: &Policy) -> String {
    if policy.mode() == Mode::Observe {
        return "objects are admitted unchanged, with warnings that name what enforce would do".to_owned();
    }
    let background = match policy.action(BACKGROUND_MOUNT, Severity::Proper) {
        Action::Deny => "bg is repaired or denied",
        Action::Warn => "bg is admitted with a warning",
        Action::Audit => "bg is admitted and logged",
        Action::Off => "bg is not checked",
    };
    // The webhook adds an option where its absence is denied.
    let added =
        [("foreground-not-explicit", "fg"), ("timeo-not-set", "timeo"), ("retrans-not-set", "retrans")]
            .into_iter()
            .filter(|(name, _)| {
                rules::find(name).is_some_and(|rule| policy.action(rule, Severity::Proper) == Action::Deny)
            })
            .map(|(_, option)| option);
    let added: Vec<&str> = added.collect();
    let missing = match added.as_slice() {
        [] => "no missing option is added".to_owned(),
        [one] => format!("a missing {one} is added"),
        [others @ .., last] => format!("missing {} and {last} are added", others.join(", ")),
    };
    format!("{background}; {missing}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Builder;
    use crate::rules::Profile;

    #[test]
    fn the_line_says_what_the_policy_does() {
        let standard = Policy::default();
        let relaxed = Policy::of_profile(Profile::parse("relaxed").expect("a profile"));
        let changed = |change: &dyn Fn(&mut Builder)| {
            let mut builder = Policy::default().to_builder();
            change(&mut builder);
            builder.build()
        };
        let observe = changed(&|builder| {
            builder.mode(Mode::Observe);
        });
        let set = |name: &str, action| {
            changed(&|builder| {
                builder.action(rules::find(name).expect("a rule"), action);
            })
        };
        for (policy, words) in [
            (standard, "bg is repaired or denied; missing fg, timeo and retrans are added"),
            (relaxed, "bg is repaired or denied; no missing option is added"),
            (set("NMG003", Action::Warn), "bg is repaired or denied; missing fg and retrans are added"),
            (set("NMG001", Action::Off), "bg is not checked; missing fg, timeo and retrans are added"),
            (observe, "objects are admitted unchanged, with warnings that name what enforce would do"),
        ] {
            assert_eq!(effect(&policy), words);
        }
    }
}
