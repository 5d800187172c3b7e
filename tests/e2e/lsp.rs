//! The language server as an editor runs it: the built program, over its standard input
//! and output.

mod client;
mod findings;
mod life;
mod policies;
mod texts;

use libtest_mimic::Trial;

/// Tests of `lsp`.
pub fn trials() -> Vec<Trial> {
    let mut trials = findings::trials();
    trials.extend(texts::trials());
    trials.extend(policies::trials());
    trials.extend(life::trials());
    trials
}
