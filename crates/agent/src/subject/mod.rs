//! `subject`: a process, or a family of them, with a state to be kept and brought back.
//!
//! | words | what happens |
//! | --- | --- |
//! | `subject serve NAME DIRECTORY` | says `listening`, then answers questions until it is ended |
//! | `subject start NAME DIRECTORY` | the same, in the background: ends when it listens |
//! | `subject ask NAME` | puts the question that it reads from standard input; exit code 0 if it was answered |
//!
//! The name is one of the kernel's abstract sockets, so that nothing lies in a file system. What the subject shall hold
//! it is told by a question as well (`prepare`, with the words of [`isodyne_subject::spec`]): so the nonce stands in no
//! argument, no environment and no file. Whoever asks is a process of its own, which is gone when the answer has come.

mod ask;
mod connections;
mod family;
mod files;
mod memory;
mod pipes;
mod serve;
mod signs;
mod trips;

use crate::complain;
use crate::sys::Errno;
use crate::sys::socket::Address;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a question has at most, in bytes.
const QUESTION_BYTES: usize = 4096;

/// Runs one of the two sides.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let done = match arguments {
        [b"serve", name, directory] => serve::run(&address(name), directory),
        [b"start", name, directory] => serve::start(&address(name), directory),
        [b"ask", name] => ask::run(&address(name)),
        _ => {
            complain("usage: isodyne-agent subject serve|start NAME DIRECTORY | subject ask NAME");
            return 2;
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("subject: {error}"));
            1
        }
    }
}

fn address(name: &[u8]) -> Address {
    Address::Abstract([b"isodyne-subject-".as_slice(), name].concat())
}

/// Says what was tried when the kernel refused.
fn trying(what: &str) -> impl Fn(Errno) -> String {
    move |errno| format!("failed to {what}: {errno}")
}

/// The path of a file in the subject's directory.
fn path(directory: &[u8], name: &str) -> Vec<u8> {
    [directory, b"/isodyne-subject/", name.as_bytes()].concat()
}
