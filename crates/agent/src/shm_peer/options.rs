//! What `shm-peer` is told.

use crate::shm_device::Mapping;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use isodyne_shm::lie::Lie;
use isodyne_shm::task::{KEYS, Task};

/// How it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitingName {
    Spin,
    Pause,
    Yield,
    /// So many nanoseconds between two looks.
    Poll(u64),
    Futex,
    Eventfd,
    Doorbell,
}

/// Where the memory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file, mapped shared.
    File(Vec<u8>),
    /// The device's memory.
    Plain(Mapping),
    /// The device's memory, and its interrupts to and from the peer of this number.
    Doorbell(Mapping, u16),
    /// The third descriptor that comes through the socket.
    Socket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) region: Place,
    /// Where descriptors come from: two event counters (to ring for the other side; to sleep on), then the memory.
    pub(super) socket: Option<Vec<u8>>,
    pub(super) waiting: WaitingName,
    pub(super) processor: Option<u32>,
    pub(super) deadline_ms: u64,
    pub(super) patience_ms: u64,
    pub(super) lie: Option<Lie>,
    pub(super) task: Task,
}

impl Options {
    pub(super) fn parse(words: &[&[u8]]) -> Result<Self, String> {
        let mut options = Self {
            region: Place::Socket,
            socket: None,
            waiting: WaitingName::Spin,
            processor: None,
            deadline_ms: 60_000,
            patience_ms: 5_000,
            lie: None,
            task: Task::default(),
        };
        for word in words {
            let text = core::str::from_utf8(word).map_err(|_| "an argument is no text")?;
            let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form KEY=VALUE"))?;
            options.set(key, value).ok_or_else(|| refused(text, key))?;
        }
        if options.region == Place::Socket && options.socket.is_none() {
            return Err("it takes region=file:PATH or socket=PATH".into());
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "region" => {
                self.region = match value.strip_prefix("file:").filter(|path| !path.is_empty()) {
                    Some(path) => Place::File(path.as_bytes().to_vec()),
                    None if value.starts_with("plain:") => {
                        Place::Plain(Mapping::parse(value.strip_prefix("plain:")?.as_bytes())?)
                    }
                    None if value.starts_with("doorbell:") => {
                        let (mapping, host) = value.strip_prefix("doorbell:")?.split_once(':')?;
                        Place::Doorbell(Mapping::parse(mapping.as_bytes())?, host.parse().ok()?)
                    }
                    None if value == "socket" => Place::Socket,
                    None => return None,
                }
            }
            "socket" => self.socket = Some(value.as_bytes().to_vec()).filter(|path| !path.is_empty()),
            "waiting" => self.waiting = waiting(value)?,
            "cpu" => self.processor = Some(value.parse().ok().filter(|processor| *processor < 1024)?),
            "deadline_ms" => self.deadline_ms = value.parse().ok()?,
            "patience_ms" => self.patience_ms = value.parse().ok()?,
            "lie" => self.lie = Some(Lie::parse(value)?),
            _ => return self.task.set(key, value).then_some(()),
        }
        Some(())
    }
}

fn waiting(text: &str) -> Option<WaitingName> {
    Some(match text {
        "spin" => WaitingName::Spin,
        "pause" => WaitingName::Pause,
        "yield" => WaitingName::Yield,
        "futex" => WaitingName::Futex,
        "eventfd" => WaitingName::Eventfd,
        "doorbell" => WaitingName::Doorbell,
        _ => WaitingName::Poll(text.strip_prefix("poll:")?.parse().ok().filter(|period| *period <= 1_000_000_000)?),
    })
}

fn refused(text: &str, key: &str) -> String {
    match KEYS.iter().find(|(known, _)| *known == key) {
        Some((_, takes)) => format!("`{text}`: `{key}` takes {takes}"),
        None => format!("`{text}` is not understood"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        Options::parse(&words.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_options_and_a_task() {
        let options = parse("region=file:/x waiting=poll:10000 cpu=1 trips=7 deadline_ms=9 lie=flip-bit").unwrap();
        assert_eq!(options.region, Place::File(b"/x".to_vec()));
        assert_eq!((options.waiting, options.processor, options.deadline_ms), (WaitingName::Poll(10_000), Some(1), 9));
        assert_eq!((options.task.trips, options.lie), (7, Some(Lie::FlipBit)));
        assert_eq!(parse("region=plain:uncached").unwrap().region, Place::Plain(Mapping::Uncached));
        let doorbell = parse("region=doorbell:write-combining:3").unwrap().region;
        assert_eq!(doorbell, Place::Doorbell(Mapping::WriteCombining, 3));
        assert_eq!(parse("socket=/y waiting=eventfd").unwrap().region, Place::Socket);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, told) in [
            ("waiting=spin", "it takes region"),
            ("region=file:", "not understood"),
            ("region=plain:cached", "not understood"),
            ("region=doorbell:uncached", "not understood"),
            ("region=file:/x waiting=nap", "`waiting=nap` is not understood"),
            ("region=file:/x waiting=poll:9999999999", "not understood"),
            ("region=file:/x slots=0", "`slots` takes a number from 1 to 1024"),
            ("region=file:/x cpu=1024", "not understood"),
            ("region", "not of the form"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(told), "{words}: {error}");
        }
    }
}
