//! What both sides of a session are told to do: the same words for both, so that neither must believe the other.

use crate::check::{Check, mix};
use crate::frames::Ring;
use crate::ping_pong::{MOST, MOST_TRAINS};
use crate::{layout, two_phase};
use core::fmt;

/// The protocol of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Numbered words on lines of their own, frames in a ring.
    #[default]
    Sequence,
    /// One header with an acknowledgement in two phases.
    TwoPhase,
}

/// The most bytes of a frame.
pub const MOST_BYTES: usize = 1 << 30;
/// The most slots of a ring.
pub const MOST_SLOTS: usize = 1024;

/// A session's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The protocol.
    pub protocol: Protocol,
    /// Round trips (`sequence`) or messages (`two-phase`).
    pub trips: u32,
    /// Trains of round trips after them (`sequence`).
    pub trains: u32,
    /// Bytes of a message of `two-phase`.
    pub message_bytes: usize,
    /// Frames one by one.
    pub single: u32,
    /// Frames as a stream.
    pub stream: u32,
    /// The ring.
    pub ring: Ring,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            trips: 100_000,
            trains: 0,
            message_bytes: 0,
            single: 0,
            stream: 0,
            ring: Ring { frame_bytes: 4096, slots: 4, check: Check::default(), cold: false },
        }
    }
}

/// The keys of a task with what each takes.
pub const KEYS: [(&str, &str); 10] = [
    ("protocol", "sequence or two-phase"),
    ("trips", "a number up to 1073741824"),
    ("trains", "a number up to 16777216"),
    ("message", "bytes up to 1073741824"),
    ("single", "a number up to 1073741824"),
    ("stream", "a number up to 1073741824"),
    ("frame", "bytes from 1 to 1073741824"),
    ("slots", "a number from 1 to 1024"),
    ("check", "fast or sha256"),
    ("cache", "hot or cold"),
];

impl Task {
    /// Sets what `key=value` says; `false` if there is no such key or the value does not fit.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        let count = || value.parse().ok().filter(|count| *count <= MOST);
        let bytes = || value.parse().ok().filter(|bytes| *bytes <= MOST_BYTES);
        let set = |ok: Option<()>| ok.is_some();
        match key {
            "protocol" => set(match value {
                "sequence" => Some(Protocol::Sequence),
                "two-phase" => Some(Protocol::TwoPhase),
                _ => None,
            }
            .map(|protocol| self.protocol = protocol)),
            "trips" => set(count().map(|count| self.trips = count)),
            "trains" => {
                set(value.parse().ok().filter(|trains| *trains <= MOST_TRAINS).map(|trains| self.trains = trains))
            }
            "message" => set(bytes().map(|bytes| self.message_bytes = bytes)),
            "single" => set(count().map(|count| self.single = count)),
            "stream" => set(count().map(|count| self.stream = count)),
            "frame" => set(bytes().filter(|bytes| *bytes > 0).map(|bytes| self.ring.frame_bytes = bytes)),
            "slots" => set(value
                .parse()
                .ok()
                .filter(|slots| (1..=MOST_SLOTS).contains(slots))
                .map(|slots| self.ring.slots = slots)),
            "check" => set(match value {
                "fast" => Some(Check::Fast),
                "sha256" => Some(Check::Sha256),
                _ => None,
            }
            .map(|check| self.ring.check = check)),
            "cache" => set(match value {
                "hot" => Some(false),
                "cold" => Some(true),
                _ => None,
            }
            .map(|cold| self.ring.cold = cold)),
            _ => false,
        }
    }

    /// Frames of both kinds.
    pub fn frames(&self) -> u64 {
        match self.protocol {
            Protocol::Sequence => u64::from(self.single) + u64::from(self.stream),
            Protocol::TwoPhase => 0,
        }
    }

    /// Bytes of the private buffer that the answering side takes.
    pub fn copy_bytes(&self) -> usize {
        match self.protocol {
            Protocol::TwoPhase => self.message_bytes,
            Protocol::Sequence if self.frames() > 0 => self.ring.frame_bytes,
            Protocol::Sequence => 0,
        }
    }

    /// Bytes of shared memory that it takes; `None` if no memory has so many.
    pub fn region_bytes(&self) -> Option<usize> {
        match self.protocol {
            Protocol::TwoPhase => two_phase::region_bytes(self.message_bytes)?.checked_next_multiple_of(layout::PAGE),
            Protocol::Sequence if self.frames() > 0 => layout::region_bytes(self.ring.frame_bytes, self.ring.slots),
            Protocol::Sequence => Some(layout::CONTROL),
        }
    }

    /// A number that two sides with the same task have in common.
    pub fn digest(&self) -> u64 {
        let Self { protocol, trips, trains, message_bytes, single, stream, ring } = *self;
        let words = [
            protocol as u64,
            trips.into(),
            trains.into(),
            message_bytes as u64,
            single.into(),
            stream.into(),
            ring.frame_bytes as u64,
            ring.slots as u64,
            ring.check as u64,
            ring.cold.into(),
        ];
        words.into_iter().fold(1, |digest, word| mix(digest ^ mix(word)))
    }
}

/// The words that [`Task::set`] takes.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, trips, trains, message_bytes, single, stream, ring } = self;
        let protocol = match protocol {
            Protocol::Sequence => "sequence",
            Protocol::TwoPhase => "two-phase",
        };
        write!(
            f,
            "protocol={protocol} trips={trips} trains={trains} message={message_bytes} single={single} stream={stream} "
        )?;
        let cache = if ring.cold { "cold" } else { "hot" };
        let Ring { frame_bytes, slots, check, .. } = ring;
        write!(f, "frame={frame_bytes} slots={slots} check={} cache={cache}", check.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_task_is_the_same_after_a_journey_as_text() {
        let task = Task {
            protocol: Protocol::TwoPhase,
            trips: 5,
            trains: 2,
            message_bytes: 7,
            single: 3,
            stream: 9,
            ring: Ring { frame_bytes: 1 << 30, slots: 2, check: Check::Sha256, cold: true },
        };
        let mut read = Task::default();
        for word in task.to_string().split(' ') {
            let (key, value) = word.split_once('=').unwrap();
            assert!(read.set(key, value), "{word}");
            assert!(KEYS.iter().any(|(known, _)| *known == key), "{word}");
        }
        assert_eq!(read, task);
        assert_eq!(read.digest(), task.digest());
        assert_ne!(read.digest(), Task::default().digest());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut task = Task::default();
        for (key, value) in [
            ("trips", "1073741825"),
            ("trips", "-1"),
            ("frame", "0"),
            ("frame", "1073741825"),
            ("slots", "0"),
            ("slots", "1025"),
            ("check", "crc"),
            ("cache", ""),
            ("protocol", "three-phase"),
            ("other", "1"),
        ] {
            assert!(!task.set(key, value), "{key}={value}");
        }
        assert_eq!(task, Task::default());
    }
}
