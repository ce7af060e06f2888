//! The program inside the sandbox.
//!
//! It runs as the first process of a machine, which it then mounts, fits with modules and ends, or as a plain process in
//! a container or on the host. Either way it opens the channel that it is given, says hello, runs what it is asked to
//! run, and ends when it is told to, when the channel closes, or when nobody asks for anything within its patience. It
//! is also a handful of small commands, so that an image needs nothing else.
//!
//! It has no C library and no standard library: it makes its system calls itself. So it is small, it starts with few
//! system calls and no relocation, and a build needs no static C library. It has one thread; only the
//! `subject` that it can be has more.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod app;
mod applet;
mod exec;
mod identity;
mod init;
mod link;
mod mmds;
mod net_reach;
mod net_serve;
mod options;
mod output;
mod program;
mod serve;
mod shm_device;
mod shm_peer;
mod subject;
mod sys;

pub mod freestanding;

use alloc::vec::Vec;
use core::ffi::CStr;
use sys::poll::Moment;

/// What the program was started with.
pub(crate) struct Start<'a> {
    pub(crate) environment: &'a [&'a CStr],
    /// When the agent's first instruction ran.
    pub(crate) began: Moment,
}

impl Start<'_> {
    /// The value of an environment variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&[u8]> {
        variable(self.environment, name)
    }
}

pub(crate) fn variable<'a>(environment: &'a [&'a CStr], name: &str) -> Option<&'a [u8]> {
    environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The whole program; gives its exit code. As the first process of a machine it does not return.
pub fn run(arguments: &[&CStr], environment: &[&CStr]) -> u8 {
    let words: Vec<&[u8]> = arguments.iter().skip(1).map(|argument| argument.to_bytes()).collect();
    if let Some((first, rest)) = words.split_first() {
        if let Some(code) = applet::run(first, rest) {
            return code;
        }
        if *first == b"serve" {
            let start = Start { environment, began: Moment::now() };
            return serve::as_process(&start, rest);
        }
    }
    if sys::process::pid() == 1 {
        init::run(environment);
    }
    complain(
        "usage: isodyne-agent serve --channel SPEC [--patience SECONDS] | net-serve PORT [SECONDS] | net-reach SECONDS CARD|- ADDRESS… | mmds ADDRESS | identity | shm-peer KEY=VALUE... | subject serve|ask … | echo | cat | sleep | true | false",
    );
    2
}

/// Writes one line to standard error.
pub(crate) fn complain(line: &str) {
    let line = alloc::format!("isodyne-agent: {line}\n");
    let _ = sys::file::write_all(2, line.as_bytes());
}
