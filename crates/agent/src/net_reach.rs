//! `net-reach`: tries to connect to addresses, all at a time, and says of each what came of it. It is how a test shows
//! from inside a sandbox whom the sandbox can reach, and that it has tried.
//!
//! One line per address, in their order: the address, and `open`, `silent`, or the number of the kernel's error.

use crate::complain;
use crate::options::number;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{Moment, WRITABLE, interest, no_interest, wait};
use crate::sys::socket::{self, Address};
use crate::sys::{Errno, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A connection that is tried.
enum Trial {
    Pending(Fd),
    Over(Result<()>),
}

/// Tries for so many seconds at most. With a card's name in front of the addresses the packets leave by that card, even
/// where no route leads to them; `-` stands for none.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let parsed = arguments.split_first().and_then(|(seconds, rest)| {
        let (card, addresses) = rest.split_first()?;
        let addresses: Option<Vec<SocketAddr>> =
            addresses.iter().map(|text| core::str::from_utf8(text).ok()?.parse().ok()).collect();
        Some((number(seconds)?, (*card != b"-").then_some(*card), addresses?))
    });
    let Some((seconds, card, addresses)) = parsed else {
        complain("usage: isodyne-agent net-reach SECONDS CARD|- ADDRESS:PORT…");
        return 2;
    };
    let until = Moment::after_ms(u64::from(seconds) * 1000);
    let mut trials: Vec<Trial> = addresses.iter().map(|address| begin(*address, card)).collect();
    if let Err(errno) = settle(&mut trials, until) {
        complain(&format!("net-reach: {errno}"));
        return 1;
    }
    let mut said = String::new();
    for (address, trial) in addresses.iter().zip(&trials) {
        let word = match trial {
            Trial::Pending(_) => String::from("silent"),
            Trial::Over(Ok(())) => String::from("open"),
            Trial::Over(Err(Errno(code))) => format!("{code}"),
        };
        said.push_str(&format!("{address} {word}\n"));
    }
    u8::from(file::write_all(1, said.as_bytes()).is_err())
}

fn begin(address: SocketAddr, card: Option<&[u8]>) -> Trial {
    match socket::begin_connect_by(&Address::Tcp(address), card) {
        Ok(socket) => Trial::Pending(socket),
        Err(errno) => Trial::Over(Err(errno)),
    }
}

/// Waits until all trials are over, or the time is.
fn settle(trials: &mut [Trial], until: Moment) -> Result<()> {
    loop {
        for trial in &mut *trials {
            let Trial::Pending(socket) = &*trial else { continue };
            match socket::connected(socket) {
                Ok(false) => {}
                Ok(true) => *trial = Trial::Over(Ok(())),
                Err(errno) => *trial = Trial::Over(Err(errno)),
            }
        }
        let mut interests: Vec<_> = trials
            .iter()
            .map(|trial| match trial {
                Trial::Pending(socket) => interest(socket, WRITABLE),
                Trial::Over(_) => no_interest(),
            })
            .collect();
        let pending = trials.iter().any(|trial| matches!(trial, Trial::Pending(_)));
        if !pending || !wait(&mut interests, until)? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn open_ports_and_closed_ones_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut trials = [begin(open, None), begin(closed, None)];
        settle(&mut trials, Moment::after_ms(10_000)).unwrap();
        assert!(matches!(trials[0], Trial::Over(Ok(()))));
        assert!(matches!(trials[1], Trial::Over(Err(Errno(linux_raw_sys::errno::ECONNREFUSED)))));
    }

    #[test]
    fn a_card_that_is_not_there_is_an_error_of_the_address() {
        let trial = begin("127.0.0.1:9".parse().unwrap(), Some(b"no-such-card"));
        assert!(matches!(trial, Trial::Over(Err(_))));
        assert_eq!(run(&[b"1", b"-", b"nowhere"]), 2);
        assert_eq!(run(&[b"1"]), 2);
    }
}
