//! What the other side did wrong: reported, never followed.

use crate::wait::WaitError;
use core::fmt;

/// What a side was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The other side to be there.
    Meeting,
    /// The question of this round trip.
    Question(u64),
    /// The answer of this round trip.
    Answer(u64),
    /// This frame to be published.
    Frame(u64),
    /// This frame to be acknowledged.
    Acknowledgement(u64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meeting => f.write_str("the other side to come"),
            Self::Question(number) => write!(f, "question {number}"),
            Self::Answer(number) => write!(f, "answer {number}"),
            Self::Frame(number) => write!(f, "frame {number}"),
            Self::Acknowledgement(number) => write!(f, "the acknowledgement of frame {number}"),
        }
    }
}

/// Why a session came to its end too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It waited in vain.
    TimedOut(Step),
    /// The system refused to ring or to sleep, with its error number.
    Bell(u32),
    /// The memory is gone.
    Gone,
    /// The region is too small for what the sides were told.
    Region {
        /// Bytes that it takes.
        needed: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// A buffer of this side has not the size of a frame.
    Buffer,
    /// The two sides were told to do different things.
    OtherTask,
    /// A number that neither stays nor goes on by what is possible: it runs backwards, ahead, or is nonsense.
    Number {
        /// At what step.
        step: Step,
        /// What was there.
        seen: u64,
    },
    /// An answer that was not made from its question.
    Token(u64),
    /// The length in front of a frame is not the length of a frame.
    Length {
        /// The frame.
        frame: u64,
        /// The length.
        seen: u64,
    },
    /// An acknowledgement came before the work: the proof came later.
    Early(u64),
    /// An acknowledged frame was never worked on.
    Skipped(u64),
    /// The other side's copy of a frame is not what was sent.
    Bytes(u64),
    /// The other side says that a frame is not what it was said to be.
    Refused(u64),
    /// A state that the protocol has not.
    State(u32),
}

impl Fault {
    /// Whether what came is not what it should be, so that no time of the session counts.
    pub fn is_integrity(&self) -> bool {
        matches!(
            self,
            Self::Token(_)
                | Self::Early(_)
                | Self::Skipped(_)
                | Self::Bytes(_)
                | Self::Refused(_)
                | Self::Length { .. }
        )
    }

    pub(crate) fn of_wait(step: Step, error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut(step),
            WaitError::Bell(number) => Self::Bell(number),
            WaitError::Gone => Self::Gone,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(step) => write!(f, "waited in vain for {step}"),
            Self::Bell(number) => write!(f, "the system refused to ring or to sleep: error number {number}"),
            Self::Gone => f.write_str(
                "the shared memory is gone: its file was cut short, or the host had no room for a page of it",
            ),
            Self::Region { needed, found } => {
                write!(f, "the shared memory has {found} B, and the task takes {needed} B: make it larger")
            }
            Self::Buffer => f.write_str("a buffer has not the size of a frame"),
            Self::OtherTask => f.write_str("the other side was told to do something else: give both the same task"),
            Self::Number { step, seen } => {
                write!(
                    f,
                    "the other side's number is {seen:#x} while waiting for {step}: it runs backwards, ahead, or is nonsense"
                )
            }
            Self::Token(number) => write!(f, "answer {number} was not made from its question"),
            Self::Length { frame, seen } => {
                write!(f, "frame {frame} is said to have {seen} B, which is not its length")
            }
            Self::Early(frame) => write!(f, "frame {frame} was acknowledged before the work"),
            Self::Skipped(frame) => write!(f, "frame {frame} was acknowledged and never worked on"),
            Self::Bytes(frame) => write!(f, "the other side's copy of frame {frame} is not what was sent"),
            Self::Refused(frame) => write!(f, "the other side says that message {frame} is not what it was said to be"),
            Self::State(state) => write!(f, "the other side is in state {state}, which the protocol has not"),
        }
    }
}

impl core::error::Error for Fault {}
