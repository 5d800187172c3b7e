//! The guard at a real kube-apiserver.

mod cases;
mod life;
mod reviews;

use std::sync::MutexGuard;

use libtest_mimic::{Failed, Trial};

use crate::cluster::{self, Cluster};
use crate::component;

/// All tests at the API server, those with the same webhooks beside each other.
pub fn trials() -> Vec<Trial> {
    let mut trials = cases::trials();
    trials.extend(life::trials());
    trials.extend(reviews::trials());
    trials
}

/// A test that takes its turn at the shared cluster.
fn trial(
    name: impl Into<String>,
    test: impl FnOnce(&mut Cluster) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    component::trial(
        format!("apiserver::{}", name.into()),
        cluster::shared,
        |mut cluster: MutexGuard<'static, Cluster>| test(&mut cluster),
    )
}
