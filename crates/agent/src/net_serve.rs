//! `net-serve`: the other end of the benchmark `network`. One connection at a time, and one task per connection.
//!
//! A connection begins with 24 bytes: the task, seven zero bytes, a count of bytes, and a seed (both little-endian).
//!
//! | task | what happens |
//! | --- | --- |
//! | `e` | what comes goes back, as it comes, until the host closes |
//! | `u` | so many bytes are taken; their count and checksum go back |
//! | `d` | so many bytes of the seed's pattern go out |
//!
//! The pattern is 64 KiB of numbers from the seed again and again; the first eight bytes of each piece are its number.

use crate::complain;
use crate::options::number;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, WRITABLE, interest, wait};
use crate::sys::socket::{self, Address};
use crate::sys::{Errno, Result, process};
use alloc::format;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the pattern before it repeats.
const PIECE: usize = 64 << 10;
const REQUEST: usize = 24;
/// Seconds that the program lives, if it is not told.
const LIFE_S: u32 = 60;

/// Listens on a port of every address (0: any that is free), says which on standard output, and serves.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let port = arguments.first().and_then(|text| number(text)).and_then(|port| u16::try_from(port).ok());
    let life_s = arguments.get(1).map_or(Some(LIFE_S), |text| number(text));
    let (Some(port), Some(life_s)) = (port, life_s) else {
        complain("usage: isodyne-agent net-serve PORT [SECONDS]");
        return 2;
    };
    let until = Moment::after_ms(u64::from(life_s) * 1000);
    process::survive_broken_pipes();
    match listen(port).and_then(|listener| {
        let bound = socket::bound_port(&listener)?;
        file::write_all(1, format!("{bound}\n").as_bytes())?;
        serve(&listener, until)
    }) {
        Ok(()) => 0,
        Err(errno) => {
            complain(&format!("net-serve on port {port}: {errno}"));
            1
        }
    }
}

/// Both families on one socket; IPv4 alone on a kernel without IPv6.
fn listen(port: u16) -> Result<Fd> {
    let on = |address| socket::listen(&Address::Tcp(address));
    on(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
        .or_else(|_| on(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))
}

fn serve(listener: &Fd, until: Moment) -> Result<()> {
    loop {
        if !wait(&mut [interest(listener, READABLE)], until)? {
            return Err(Errno::TIMEDOUT);
        }
        let connection = match socket::accept(listener) {
            Ok(connection) => connection,
            Err(Errno::AGAIN) => continue,
            Err(errno) => return Err(errno),
        };
        connection.set_nonblocking()?;
        match attend(&Connection { fd: connection, until }) {
            Ok(()) => {}
            Err(Errno::TIMEDOUT) => return Err(Errno::TIMEDOUT),
            // A connection that breaks is the host's to explain.
            Err(_) => {}
        }
    }
}

/// Does one connection's task.
fn attend(connection: &Connection) -> Result<()> {
    let mut request = [0_u8; REQUEST];
    if connection.fill(&mut request)? < REQUEST {
        return Ok(());
    }
    let word =
        |at: usize| request.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (count, seed) = (word(8), word(16));
    match request[0] {
        b'e' => connection.echo(),
        b'u' => connection.take(count),
        b'd' => connection.give(count, seed),
        _ => Ok(()),
    }
}

struct Connection {
    fd: Fd,
    until: Moment,
}

impl Connection {
    /// Reads until the buffer is full or the host has closed.
    fn fill(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.fd.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(Errno::AGAIN) => self.wait(READABLE)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(filled)
    }

    fn write_all(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.fd.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::AGAIN) => self.wait(WRITABLE)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn wait(&self, events: i16) -> Result<()> {
        let mut interests = [interest(&self.fd, events | CLOSING)];
        if !wait(&mut interests, self.until)? {
            return Err(Errno::TIMEDOUT);
        }
        let came = interests[0].revents;
        if events == WRITABLE && came & WRITABLE == 0 && came & HUNG_UP != 0 {
            return Err(Errno(linux_raw_sys::errno::EPIPE));
        }
        Ok(())
    }

    fn echo(&self) -> Result<()> {
        let mut buffer = alloc::vec![0; PIECE];
        loop {
            match self.fd.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => self.write_all(buffer.get(..length).unwrap_or_default())?,
                Err(Errno::AGAIN) => self.wait(READABLE)?,
                Err(errno) => return Err(errno),
            }
        }
    }

    fn take(&self, count: u64) -> Result<()> {
        let mut buffer = alloc::vec![0; PIECE];
        let (mut taken, mut sum) = (0, 0);
        while taken < count {
            let wanted = usize::try_from(count - taken).unwrap_or(PIECE).min(PIECE);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            let length = self.fill(piece)?;
            sum = checksum(sum, piece.get(..length).unwrap_or_default());
            taken += length as u64;
            if length < wanted {
                break;
            }
        }
        self.write_all(&[taken.to_le_bytes(), sum.to_le_bytes()].concat())
    }

    fn give(&self, count: u64, seed: u64) -> Result<()> {
        let mut piece = pattern(seed);
        let (mut given, mut index) = (0, 0_u64);
        while given < count {
            if let Some(stamp) = piece.get_mut(..8) {
                stamp.copy_from_slice(&index.to_le_bytes());
            }
            let wanted = usize::try_from(count - given).unwrap_or(PIECE).min(PIECE);
            self.write_all(piece.get(..wanted).unwrap_or_default())?;
            given += wanted as u64;
            index += 1;
        }
        Ok(())
    }
}

/// The pattern of a seed (SplitMix64).
fn pattern(seed: u64) -> Vec<u8> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut state = seed;
    while piece.len() < PIECE {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        piece.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    piece
}

/// Goes on with a checksum that depends on every bit and its place: rotate, then mix the next word in. The last word of
/// a piece is filled up with zero bytes.
fn checksum(sum: u64, piece: &[u8]) -> u64 {
    let words = piece.chunks_exact(8);
    let rest = words.remainder();
    let step = |sum: u64, word: u64| sum.rotate_left(5) ^ word;
    let sum = words.fold(sum, |sum, word| step(sum, word.try_into().map_or(0, u64::from_le_bytes)));
    if rest.is_empty() {
        return sum;
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    step(sum, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_and_its_checksum_are_what_the_host_expects() {
        // The same numbers are in the engine's tests of its own end.
        let piece = pattern(7);
        assert_eq!(piece.len(), PIECE);
        assert_eq!(piece[..8], 0x63cb_e1e4_5932_0dd7_u64.to_le_bytes());
        assert_eq!(checksum(0, &piece[..16]), checksum(checksum(0, &piece[..8]), &piece[8..16]));
        assert_ne!(checksum(0, &piece[..16]), checksum(checksum(0, &piece[8..16]), &piece[..8]));
        assert_eq!(checksum(1, &[1, 2]), 32 ^ 0x0201);
    }
}
