//! `review`: answers a recorded AdmissionReview as the webhook does.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use time::OffsetDateTime;

use super::exit::{Exit, InputError};
use super::input::STDIN;
use super::policy_flags::PolicyFlags;
use super::{color, exit, input};
use crate::admission::replay::{Replayed, replay};
use crate::admission::{Endpoint, LONGEST_BODY};
use crate::report::plain::{place, plain};
use crate::report::{self, json};
use crate::source::review;
use crate::source::text::{self, Lines};

/// Evaluate a recorded AdmissionReview as the webhook does.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Evaluate a recorded AdmissionReview as the webhook does, without a server or a cluster.

Without --endpoint both webhooks respond, in the order of the API server: /mutate first, then /validate with the \
object that the patch of /mutate made.",
    after_help = "\
Examples:
  nfs-mount-guard review recorded.json
  nfs-mount-guard review --endpoint mutate --format json rec.json | jq .patch
  nfs-mount-guard review --format json rec.json | jq .validate.response.status
  nfs-mount-guard review --endpoint validate --format raw - < recorded.json
  nfs-mount-guard review --profile strict recorded.yaml

Formats:
  json  the AdmissionReview that the webhook sends, with the decoded \"patch\"
        and the patched \"object\"; without --endpoint under \"mutate\" and
        \"validate\", with \"allowed\" for both
  raw   the body of the HTTP response, one line an endpoint

Exit codes:
  0  allowed
  1  denied
  2  wrong use, or an invalid policy
  3  the file is not an AdmissionReview, or cannot be read"
)]
pub struct Args {
    /// The recorded AdmissionReview, JSON or YAML; - or no FILE is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Webhook that responds; without it, both respond
    #[arg(long, value_enum, value_name = "WEBHOOK", env = "NFS_MOUNT_GUARD_ENDPOINT")]
    endpoint: Option<Webhook>,
    /// Format of the response
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_REVIEW_FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    judgement: PolicyFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Webhook {
    /// The repairs
    Mutate,
    /// The denials
    Validate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// The body of the HTTP response
    Raw,
}

impl Args {
    /// Prints the answers.
    ///
    /// # Errors
    ///
    /// On wrong use, when the policy or the review cannot be read, or when standard
    /// output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let file = self.file.as_deref().filter(|file| *file != Path::new("-"));
        // Without this the command would wait for input in silence.
        if self.file.is_none() && io::stdin().is_terminal() {
            anyhow::bail!("give the FILE of a recorded AdmissionReview, or - for standard input");
        }
        let (policy, policy_name) = self.judgement.named_policy()?;
        let name = file.map_or_else(|| STDIN.to_owned(), |file| file.display().to_string());
        let fault = |at: &str, message: &str| InputError(format!("{}{at}: {}", place(&name), plain(message)));
        let bytes = input::one(file, Some(LONGEST_BODY)).map_err(|error| fault("", &error.to_string()))?;
        let (text, _) = text::decode(bytes).map_err(|(error, _)| fault("", &error.to_string()))?;
        let lines = Lines::new(&text);
        let review = review::read(&text, &lines).map_err(|problem| {
            let at = problem.offset.map(|offset| {
                let position = lines.position(offset);
                format!(":{}:{}", position.line, position.column)
            });
            fault(&at.unwrap_or_default(), &problem.to_string())
        })?;
        let today = OffsetDateTime::now_utc().date();
        let replayed = replay(&policy, today, &review.body, review.value, self.endpoints())
            .map_err(|error| fault("", &error.to_string()))?;
        let written = match self.format {
            Format::Text => report::review::text(&replayed, &policy_name, color::wanted()).into_bytes(),
            Format::Json => report::review::json(&replayed).into_bytes(),
            // A terminal would act on control characters in the names.
            Format::Raw if io::stdout().is_terminal() => {
                json::plain(&String::from_utf8_lossy(&report::review::raw(&replayed))).into_bytes()
            }
            Format::Raw => report::review::raw(&replayed),
        };
        let mut out = io::stdout().lock();
        exit::written(out.write_all(&written).and_then(|()| out.flush()))?;
        let is_allowed = replayed.iter().all(Replayed::is_allowed);
        Ok(if is_allowed { Exit::Success } else { Exit::Findings })
    }

    const fn endpoints(&self) -> &'static [Endpoint] {
        match self.endpoint {
            Some(Webhook::Mutate) => &[Endpoint::Mutate],
            Some(Webhook::Validate) => &[Endpoint::Validate],
            None => &[Endpoint::Mutate, Endpoint::Validate],
        }
    }
}
