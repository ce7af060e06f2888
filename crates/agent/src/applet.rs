//! The small commands that the agent is itself, so that an image needs nothing else.

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

/// Does nothing for whole seconds.
fn sleep(arguments: &[&[u8]]) -> u8 {
    match arguments.first().and_then(|text| crate::options::number(text)) {
        Some(seconds) => {
            pause_us(u64::from(seconds) * 1_000_000);
            0
        }
        None => 2,
    }
}
