//! How a kept state comes back: the one restore of a sample, and each of its clones.

use super::CheckpointOptions;
use super::proof::{self, Before, after_restore};
use super::storage::Storage;
use super::subject::Subject;
use crate::backend::{Launcher, Place, Sandbox};
use crate::lab::Lab;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// How long a sandbox that did not come back as it was may take to end.
const FAILED_STOP_PATIENCE: Duration = Duration::from_millis(500);

/// A kept state, and what shows that it is the one that comes back.
#[derive(Clone, Copy)]
pub(super) struct Comeback<'a> {
    pub(super) launcher: &'a dyn Launcher,
    pub(super) lab: &'a Lab,
    pub(super) options: &'a CheckpointOptions,
    pub(super) storage: &'a Storage,
    pub(super) subject: &'a Subject,
    /// What was known of the subject before.
    pub(super) before: Before,
    /// Whether the agent says hello again.
    pub(super) hello_again: bool,
}

/// A sandbox that has come back, and has given its first right answer.
pub(super) struct Back {
    pub(super) sandbox: Box<dyn Sandbox>,
    /// When it was asked for.
    pub(super) asked: HostInstant,
    /// When the answer was here.
    pub(super) first_reply: HostInstant,
}

impl Comeback<'_> {
    /// Brings the state back, and waits for the first answer that shows that it is the one. The clock starts with the request
    /// and not with the sandbox's t0: what a backend does before that (files are unpacked, digests checked, a layer is laid
    /// over a root) is part of coming back, and backends do it on either side of t0.
    pub(super) fn to(&self, place: &Place) -> Result<Back, Failure> {
        let lab = self.lab;
        let restorer = self
            .launcher
            .restorer()
            .ok_or_else(|| Failure::new(FailureClass::Launch, "the backend has not the power to bring a state back"))?;
        let asked = lab.clock.now();
        let mut sandbox = restorer.restore(&self.storage.directory, self.options.memory, place, lab)?;
        match self.first_answer(sandbox.as_mut()) {
            Ok(first_reply) => {
                sandbox.came_back();
                Ok(Back { sandbox, asked, first_reply })
            }
            Err(failure) => {
                let failure = sandbox.diagnose(failure);
                sandbox.stop(lab.clock.after(FAILED_STOP_PATIENCE));
                Err(failure)
            }
        }
    }

    fn first_answer(&self, sandbox: &mut dyn Sandbox) -> Result<HostInstant, Failure> {
        let deadline = self.lab.clock.after(self.options.timeout);
        if self.hello_again {
            sandbox.agent().hello(deadline)?;
        }
        let answered = proof::hello(self.subject, sandbox.agent(), &self.before, deadline).map_err(after_restore)?;
        Ok(answered.at)
    }
}
