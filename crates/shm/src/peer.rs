//! One side of a session: the memory, the system, and how it waits.

use crate::fault::{Fault, Step};
use crate::layout::{ANSWER_SESSION, ANSWER_TASK, ASK_GO, ASK_MAGIC, ASK_SESSION, ASK_TASK, CONTROL, MAGIC};
use crate::lie::Lie;
use crate::region::Region;
use crate::wait::{Limits, System, Waiting};
use core::sync::atomic::{AtomicU64, Ordering};

/// The sides meet by looking this often: nothing is measured yet.
const MEETING: Waiting<'static> = Waiting::Poll { period_ns: 200_000 };

/// One side.
#[derive(Clone, Copy)]
pub struct Peer<'a, S> {
    /// The shared memory.
    pub region: Region<'a>,
    /// What it runs on.
    pub system: &'a S,
    /// How it waits for the other side.
    pub waiting: Waiting<'a>,
    /// How long.
    pub limits: Limits,
    /// How it lies, if it does.
    pub lie: Option<Lie>,
}

impl<'a, S: System> Peer<'a, S> {
    /// As who asks: clears the words, says what the task is, and waits for the other side. `session` is random and not 0.
    ///
    /// # Errors
    /// If nobody comes, or somebody with another task.
    pub fn open(&self, task: u64, session: u64) -> Result<(), Fault> {
        let small = self.too_small(CONTROL);
        self.region.clear(0, CONTROL).ok_or(small)?;
        self.word(ASK_TASK)?.store(task, Ordering::Relaxed);
        self.word(ASK_SESSION)?.store(session, Ordering::Relaxed);
        self.word(ASK_MAGIC)?.store(MAGIC, Ordering::Release);
        self.region.let_go();
        let answered = self.word(ANSWER_SESSION)?;
        let came = || (answered.load(Ordering::Acquire) == session).then_some(());
        self.meet(came)?;
        if self.word(ANSWER_TASK)?.load(Ordering::Acquire) != task {
            return Err(Fault::OtherTask);
        }
        self.word(ASK_GO)?.store(session, Ordering::Release);
        self.region.let_go();
        Ok(())
    }

    /// As who answers: waits for a session that begins now, whatever an earlier one has left in the memory.
    ///
    /// # Errors
    /// If nobody comes, or somebody with another task.
    pub fn join(&self, task: u64) -> Result<(), Fault> {
        let (magic, session, go) = (self.word(ASK_MAGIC)?, self.word(ASK_SESSION)?, self.word(ASK_GO)?);
        let (own, own_task, asked) = (self.word(ANSWER_SESSION)?, self.word(ANSWER_TASK)?, self.word(ASK_TASK)?);
        // A session that was let go before this side was there is another's, or over.
        let gone = go.load(Ordering::Acquire);
        let joined = || {
            let number = session.load(Ordering::Acquire);
            if magic.load(Ordering::Acquire) != MAGIC || number == 0 || number == gone {
                return None;
            }
            if own.load(Ordering::Relaxed) != number {
                own_task.store(task, Ordering::Relaxed);
                own.store(number, Ordering::Release);
                self.region.let_go();
            }
            if asked.load(Ordering::Acquire) != task {
                // Said above: the other side parts as well.
                return Some(Err(Fault::OtherTask));
            }
            (go.load(Ordering::Acquire) == number).then_some(Ok(()))
        };
        self.meet(joined)?
    }

    /// As who asks: no later side takes this session for one that begins.
    pub fn close(&self) {
        let words = [ASK_MAGIC, ASK_GO, ASK_SESSION];
        words.iter().filter_map(|offset| self.region.u64(*offset)).for_each(|word| word.store(0, Ordering::Release));
    }

    fn meet<T>(&self, look: impl FnMut() -> Option<T>) -> Result<T, Fault> {
        let limits = Limits { patience_ns: u64::MAX, ..self.limits };
        MEETING.until(self.system, limits, look).map_err(|error| Fault::of_wait(Step::Meeting, error))
    }

    pub(crate) fn word(&self, offset: usize) -> Result<&'a AtomicU64, Fault> {
        self.region.u64(offset).ok_or(self.too_small(offset.saturating_add(8)))
    }

    pub(crate) fn too_small(&self, needed: usize) -> Fault {
        Fault::Region { needed, found: self.region.len() }
    }

    /// Waits for a word to become other than it was.
    #[inline]
    pub(crate) fn other_than(&self, word: &AtomicU64, was: u64, step: Step) -> Result<u64, Fault> {
        let changed = || {
            let seen = word.load(Ordering::Acquire);
            (seen != was).then_some(seen)
        };
        self.waiting.until(self.system, self.limits, changed).map_err(|error| Fault::of_wait(step, error))
    }

    #[inline]
    pub(crate) fn notify(&self, step: Step) -> Result<(), Fault> {
        self.region.let_go();
        self.waiting.notify().map_err(|error| Fault::of_wait(step, error))
    }
}
