//! The start of a guest, where a sign of life overtakes the word of it.

use crate::backend::Stamp;
use isodyne_core::ledger::MilestoneName;

/// A guest that shows a sign of life has been started, even if the word of it is read later: two threads read the two
/// sockets. The first sign is then also how the start was seen.
pub fn started_by_first_sign(stamps: &mut [Stamp]) {
    let first = stamps.iter().filter(|stamp| stamp.name > MilestoneName::Started).min_by_key(|stamp| stamp.at).copied();
    let started = stamps.iter_mut().find(|stamp| stamp.name == MilestoneName::Started);
    if let (Some(first), Some(started)) = (first, started)
        && first.at < started.at
    {
        (started.at, started.signal) = (first.at, first.signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::ledger::SignalName;
    use isodyne_core::unit::HostInstant;

    #[test]
    fn a_sign_of_life_that_overtakes_the_word_of_the_start_is_the_start() {
        let stamp = |name, at, signal| Stamp { name, at: HostInstant(at), asked: Some(HostInstant(5)), signal };
        let mut stamps = [
            stamp(MilestoneName::ApiReady, 5, SignalName::Reply),
            stamp(MilestoneName::Started, 30, SignalName::Event),
            stamp(MilestoneName::Firmware, 20, SignalName::DebugPort),
        ];
        started_by_first_sign(&mut stamps);
        assert_eq!((stamps[1].at, stamps[1].signal), (HostInstant(20), SignalName::DebugPort));
        started_by_first_sign(&mut stamps);
        assert_eq!(stamps[1].at, HostInstant(20));
    }
}
