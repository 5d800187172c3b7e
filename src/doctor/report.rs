//! The report of doctor; docs/doctor.schema.json describes its JSON.

use serde::Serialize;

use super::checks::filled;
use super::facts::ClusterFacts;
use super::{Checked, Status};
use crate::report::Tool;
use crate::report::json::plain;

/// The version of the JSON report; fields are only ever added within one.
pub const SCHEMA_VERSION: u32 = 1;

/// All that one run has to say.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// Always [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The name and version of the tool.
    pub tool: Tool,
    /// The address of the API server.
    pub server: String,
    /// True if it is about what comes before an installation.
    pub pre: bool,
    /// True if no check found a problem, and the API server could be called.
    pub success: bool,
    /// True if the API server could be called.
    pub complete: bool,
    /// The reason why it could not be called.
    pub error: Option<String>,
    /// The installation that was checked.
    pub installation: Option<InstallationName>,
    /// Counts.
    pub summary: Summary,
    /// The checks in the order of a call.
    pub checks: Vec<CheckReport>,
}

/// The name of an installation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallationName {
    /// The Service's name, which is the configurations' with the chart.
    pub name: String,
    /// Helm's release, where the configurations say it.
    pub release: Option<String>,
    /// The Service's namespace; `None` for webhooks that are called by URL.
    pub namespace: Option<String>,
}

/// Counts of one run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Checks.
    pub checks: usize,
    /// Those that are good.
    pub ok: usize,
    /// Those with a risk, and those that could not be looked at.
    pub warnings: usize,
    /// Those that found a problem.
    pub problems: usize,
    /// Those that had nothing to look at.
    pub skipped: usize,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// `D101`
    pub id: &'static str,
    /// `configurations-exist`
    pub name: &'static str,
    /// The heading that it is shown under.
    pub category: &'static str,
    /// The condition that holds if the check passes.
    pub title: &'static str,
    /// The result.
    pub result: Status,
    /// The checks that have to pass first.
    pub needs: &'static [&'static str],
    /// The observation.
    pub seen: String,
    /// The effect on users; only with a warning or a problem.
    pub effect: Option<String>,
    /// The command that cures it; only with a warning or a problem.
    pub remedy: Option<String>,
    /// The page that describes it.
    pub page: String,
}

impl DoctorReport {
    /// Returns the report of a run.
    pub fn new(server: String, facts: &ClusterFacts, done: &[Checked]) -> Self {
        let checks: Vec<CheckReport> = done.iter().map(|checked| check_report(checked, facts)).collect();
        let count = |status: Status| checks.iter().filter(|check| check.result == status).count();
        let summary = Summary {
            checks: checks.len(),
            ok: count(Status::Ok),
            warnings: count(Status::Warning),
            problems: count(Status::Problem),
            skipped: count(Status::Skipped),
        };
        let is_unseen =
            |checked: &&Checked| checked.outcome.is_unseen && checked.check.id == super::checks::FIRST;
        let unseen = done.iter().find(is_unseen).map(|checked| checked.outcome.seen.clone());
        let installation = facts.installation().map(|found| InstallationName {
            name: found.name.clone(),
            release: found.release.clone(),
            namespace: found.service.as_ref().map(|service| service.namespace.clone()),
        });
        Self {
            // A user who may not read the configurations cannot know of a success.
            success: summary.problems == 0 && unseen.is_none(),
            complete: unseen.is_none(),
            error: unseen,
            pre: facts.is_before,
            installation: installation.filter(|_| !facts.is_before),
            summary,
            checks,
            ..Self::empty(server)
        }
    }

    /// Returns the report of a run that could not call the API server.
    pub fn unasked(server: String, pre: bool, error: String) -> Self {
        Self { pre, success: false, complete: false, error: Some(error), ..Self::empty(server) }
    }

    fn empty(server: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            server,
            pre: false,
            success: true,
            complete: true,
            error: None,
            installation: None,
            summary: Summary::default(),
            checks: Vec::new(),
        }
    }

    /// Returns the report as JSON, with a line break after it.
    pub fn json(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        plain(&text)
    }
}

fn check_report(checked: &Checked, facts: &ClusterFacts) -> CheckReport {
    let (check, outcome) = (checked.check, &checked.outcome);
    let is_fault = matches!(outcome.status, Status::Warning | Status::Problem);
    let effect = || outcome.effect.clone().unwrap_or_else(|| check.effect.to_owned());
    let remedy = || outcome.remedy.clone().unwrap_or_else(|| filled(check.remedy, facts));
    CheckReport {
        id: check.id,
        name: check.name,
        category: check.category,
        title: check.title,
        result: outcome.status,
        needs: check.needs,
        seen: outcome.seen.clone(),
        effect: is_fault.then(effect),
        remedy: is_fault.then(remedy),
        page: check.page(),
    }
}
