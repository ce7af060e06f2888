//! The side that asks.

use super::{QUESTION_BYTES, trying};
use crate::sys::file;
use crate::sys::socket::{self, Address};
use alloc::string::{String, ToString};

/// What an answer has at most, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// Puts the question on standard input, and writes the answer to standard output.
pub(super) fn run(address: &Address) -> Result<(), String> {
    let mut question = alloc::vec![0; QUESTION_BYTES];
    let mut length = 0;
    while length < question.len() {
        match file::read(0, question.get_mut(length..).unwrap_or_default()).map_err(trying("read the question"))? {
            0 => break,
            count => length += count,
        }
    }
    let question = question.get(..length).unwrap_or_default();
    let connection = socket::connect(address).map_err(trying("reach the subject"))?;
    file::write_all(connection.number(), &[question.trim_ascii(), b"\n"].concat()).map_err(trying("ask"))?;
    let mut answer = alloc::vec![0; ANSWER_BYTES];
    let length = file::read_full(&connection, &mut answer).map_err(trying("read the answer"))?;
    let answer = answer.get(..length).unwrap_or_default();
    file::write_all(1, answer).map_err(trying("give the answer"))?;
    if answer.starts_with(b"ok\n") {
        return Ok(());
    }
    Err(String::from_utf8_lossy(answer).trim().to_string())
}
