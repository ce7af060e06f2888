//! The processes of the subject: each holds its part of the memory, and answers the first one through pipes.

use super::memory::{Memory, Touched};
use super::signs::Sleepers;
use super::trying;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{Moment, READABLE, interest, wait};
use crate::sys::process::{self, Fork};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use isodyne_subject::mix;
use isodyne_subject::spec::Spec;

/// How long a process may take for an answer.
const PATIENCE_MS: u64 = 120_000;
const QUESTION: usize = 16;
const ANSWER: usize = 8 * 16;

/// One process's own part.
pub(super) struct Member {
    pub(super) memory: Memory,
    sleepers: &'static Sleepers,
    number: u64,
    /// When it began, in its memory alone: a process that was started anew has another one.
    began_ns: u64,
}

/// What a process is asked.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Alive,
    Digest(u64),
    Touch(u64),
}

/// What it answers, and what the family answers together.
#[derive(Clone, Copy, Default)]
pub(super) struct Report {
    pub(super) processes: u64,
    pub(super) threads: u64,
    /// Who they are: process numbers and beginnings.
    pub(super) identity: u64,
    pub(super) digest: u64,
    pub(super) touched: Touched,
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.processes += other.processes;
        self.threads += other.threads;
        self.identity = self.identity.wrapping_add(other.identity);
        self.digest = self.digest.wrapping_add(other.digest);
        self.touched.add(&other.touched);
    }

    fn encode(&self) -> [u8; ANSWER] {
        let head = [self.processes, self.threads, self.identity, self.digest];
        let faults = [self.touched.minor_faults, self.touched.major_faults];
        let words = head.into_iter().chain(faults).chain(self.touched.steps_ns);
        let mut bytes = [0; ANSWER];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8; ANSWER]) -> Self {
        let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next().unwrap_or(0);
        let mut report =
            Self { processes: next(), threads: next(), identity: next(), digest: next(), touched: Touched::default() };
        (report.touched.minor_faults, report.touched.major_faults) = (next(), next());
        report.touched.steps_ns.iter_mut().for_each(|step| *step = next());
        report
    }
}

impl Member {
    fn begin(spec: &Spec, number: u64) -> Result<Self, String> {
        let memory = Memory::hold(spec, number).map_err(trying("map memory"))?;
        // The main thread is one of them.
        let sleepers = Sleepers::start(spec.threads.saturating_sub(1)).map_err(trying("start threads"))?;
        Ok(Self { memory, sleepers, number, began_ns: Moment::now().ns() })
    }

    /// Is another one: a lie that must be found.
    pub(super) fn begin_anew(&mut self) {
        self.began_ns = Moment::now().ns();
    }

    /// Loses a thread: a lie that must be found.
    pub(super) fn lose_a_thread(&self) {
        self.sleepers.lose_one();
    }

    fn answer(&self, task: Task) -> Report {
        let mut report = Report { processes: 1, ..Report::default() };
        match task {
            Task::Alive => {
                report.threads = self.sleepers.call() + 1;
                let pid = u64::from(process::pid().unsigned_abs());
                report.identity = mix::three(self.number, pid, self.began_ns);
            }
            Task::Digest(key) => report.digest = self.memory.digest(key),
            Task::Touch(percent) => report.touched = self.memory.touch(percent),
        }
        report
    }

    /// Answers for ever; ends when the first process does.
    fn serve(&self, questions: &Fd, answers: &Fd) -> ! {
        loop {
            let mut question = [0; QUESTION];
            match file::read_full(questions, &mut question) {
                Ok(QUESTION) => {}
                _ => process::exit(0),
            }
            let [task, argument] = [0, 8].map(|at| {
                question.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
            });
            let task = match task {
                0 => Task::Alive,
                1 => Task::Digest(argument),
                _ => Task::Touch(argument),
            };
            if file::write_all(answers.number(), &self.answer(task).encode()).is_err() {
                process::exit(0);
            }
        }
    }
}

/// The first process's view of the others.
pub(super) struct Family {
    pub(super) own: Member,
    others: Vec<(Fd, Fd)>,
}

impl Family {
    /// Starts the other processes, and then this one's own part. This process has one thread so far.
    pub(super) fn begin(spec: &Spec) -> Result<Self, String> {
        let mut others = Vec::with_capacity(spec.processes as usize);
        let first = process::pid();
        for number in 1..spec.processes {
            let (questions, to) = file::pipe().map_err(trying("open a pipe"))?;
            let (from, answers) = file::pipe().map_err(trying("open a pipe"))?;
            // SAFETY: the process has one thread, so the child may do all that it could.
            match unsafe { process::fork() }.map_err(trying("fork"))? {
                Fork::Child => {
                    process::die_with_parent();
                    if process::parent_pid() != first {
                        process::exit(0);
                    }
                    file::close_all_but([questions.number(), answers.number()]);
                    match Member::begin(spec, number) {
                        Ok(member) => member.serve(&questions, &answers),
                        // Standard error is gone with the rest: the closed pipe says it.
                        Err(_) => process::exit(1),
                    }
                }
                Fork::Parent { .. } => others.push((to, from)),
            }
        }
        let family = Self { own: Member::begin(spec, 0)?, others };
        family.ask(Task::Alive)?;
        Ok(family)
    }

    /// Asks every process, one after the other, and adds the answers up.
    pub(super) fn ask(&self, task: Task) -> Result<Report, String> {
        let (word, argument) = match task {
            Task::Alive => (0_u64, 0),
            Task::Digest(key) => (1, key),
            Task::Touch(percent) => (2, percent),
        };
        let mut question = [0; QUESTION];
        for (to, word) in question.as_chunks_mut::<8>().0.iter_mut().zip([word, argument]) {
            *to = word.to_le_bytes();
        }
        // A call takes as long as a thread sleeps: all are called at once. What uses the processor goes one by one.
        let at_once = matches!(task, Task::Alive);
        let put = |to: &Fd| file::write_all(to.number(), &question).map_err(trying("ask another process"));
        if at_once {
            self.others.iter().try_for_each(|(to, _)| put(to))?;
        }
        let mut sum = self.own.answer(task);
        for ((to, from), number) in self.others.iter().zip(1_u64..) {
            if !at_once {
                put(to)?;
            }
            let mut answer = [0; ANSWER];
            let came = wait(&mut [interest(from, READABLE)], Moment::after_ms(PATIENCE_MS)).unwrap_or(false);
            if !came || file::read_full(from, &mut answer) != Ok(ANSWER) {
                return Err(format!("process {number} of the subject does not answer"));
            }
            sum.add(&Report::decode(&answer));
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_back_and_add_up() {
        let mut touched = Touched { minor_faults: 5, major_faults: 6, ..Touched::default() };
        touched.steps_ns = core::array::from_fn(|step| step as u64 + 10);
        let report = Report { processes: 1, threads: 2, identity: 3, digest: 4, touched };
        let back = Report::decode(&report.encode());
        assert_eq!(back.encode(), report.encode());
        let mut sum = back;
        sum.add(&report);
        assert_eq!((sum.processes, sum.threads, sum.touched.steps_ns[9], sum.touched.major_faults), (2, 4, 38, 12));
    }
}
