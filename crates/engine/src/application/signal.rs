//! Signals by their names, as images and plans say them.

/// The number of a signal: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`.
pub(super) fn number(name: &str) -> Option<u8> {
    if let Ok(number) = name.parse::<u8>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let name = name.strip_prefix("SIG").unwrap_or(name);
    if let Some(rest) = name.strip_prefix("RTMIN") {
        // As the C library counts: it keeps the first two for itself.
        let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse::<u8>().ok()? };
        return offset.checked_add(34).filter(|number| *number <= 64);
    }
    let number = match name {
        "HUP" => libc::SIGHUP,
        "INT" => libc::SIGINT,
        "QUIT" => libc::SIGQUIT,
        "KILL" => libc::SIGKILL,
        "USR1" => libc::SIGUSR1,
        "USR2" => libc::SIGUSR2,
        "TERM" => libc::SIGTERM,
        "WINCH" => libc::SIGWINCH,
        _ => return None,
    };
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known() {
        let known = [("SIGTERM", 15), ("QUIT", 3), ("9", 9), ("SIGRTMIN+3", 37), ("SIGWINCH", 28)];
        assert!(known.iter().all(|(name, wanted)| number(name) == Some(*wanted)));
        assert!(
            ["", "SIG", "0", "65", "SIGRTMIN+31", "SIGRTMIN-1", "sigterm"].iter().all(|name| number(name).is_none())
        );
        for name in isodyne_core::plan::app::STOP_SIGNALS {
            assert!(number(name).is_some(), "{name}");
        }
    }
}
