//! The small commands that the agent is itself, so that an image needs nothing else.

use crate::options::number;
use crate::sys::file;
use crate::sys::poll::pause_us;
use alloc::vec::Vec;

/// Runs the command with this name; nothing if there is none.
pub(crate) fn run(name: &[u8], arguments: &[&[u8]]) -> Option<u8> {
    Some(match name {
        b"true" => 0,
        b"false" => 1,
        b"echo" => echo(arguments),
        b"cat" => cat(),
        b"sleep" => sleep(arguments),
        b"identity" => crate::identity::run(),
        b"mmds" => crate::mmds::run(arguments),
        b"net-serve" => crate::net_serve::run(arguments),
        b"net-reach" => crate::net_reach::run(arguments),
        b"subject" => crate::subject::run(arguments),
        b"shm-peer" => crate::shm_peer::run(arguments),
        b"shm-device" => crate::shm_device::trial::run(arguments),
        _ => return None,
    })
}

/// Writes its arguments with a space between them and a line end, in one write.
fn echo(arguments: &[&[u8]]) -> u8 {
    let mut line: Vec<u8> = arguments.join(&b' ');
    line.push(b'\n');
    u8::from(file::write_all(1, &line).is_err())
}

/// Copies standard input to standard output.
fn cat() -> u8 {
    let mut buffer = [0; 16 << 10];
    loop {
        match file::read(0, &mut buffer) {
            Ok(0) => return 0,
            Ok(length) => {
                if file::write_all(1, buffer.get(..length).unwrap_or_default()).is_err() {
                    return 1;
                }
            }
            Err(_) => return 1,
        }
    }
}

/// Does nothing for so many seconds: a delay of known length, for tests of what measures it.
fn sleep(arguments: &[&[u8]]) -> u8 {
    match arguments.first().and_then(|text| microseconds(text)) {
        Some(time) => {
            pause_us(time);
            0
        }
        None => 2,
    }
}

/// Microseconds of a decimal number of seconds (`2`, `0.005`); none if it is no such number or finer than that.
fn microseconds(text: &[u8]) -> Option<u64> {
    const DIGITS: usize = 6;
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (text.get(..point)?, text.get(point + 1..).unwrap_or_default());
    if fraction.len() > DIGITS || (point < text.len() && fraction.is_empty()) {
        return None;
    }
    let mut padded = [b'0'; DIGITS];
    padded.get_mut(..fraction.len())?.copy_from_slice(fraction);
    let fraction = padded.iter().all(u8::is_ascii_digit).then(|| number(&padded))??;
    Some(u64::from(number(whole)?) * 1_000_000 + u64::from(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_numbers_of_seconds() {
        for (text, time) in [("2", 2_000_000), ("0.005", 5_000), ("1.5", 1_500_000), ("0.000001", 1), ("0", 0)] {
            assert_eq!(microseconds(text.as_bytes()), Some(time), "{text}");
        }
        for wrong in ["", ".5", "1.", "-1", "1e3", "0.0000001", "1.-2", "1.2.3", "x", "4294967296"] {
            assert_eq!(microseconds(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
