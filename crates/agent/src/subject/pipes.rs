//! Pipes with bytes in them.

use super::trying;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{Moment, READABLE, interest, wait};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use isodyne_subject::content::Thing;
use isodyne_subject::spec::Spec;
use isodyne_subject::{WAITING_BYTES, expect};

/// How long bytes that should be there already are waited for.
pub(super) const PATIENCE_MS: u64 = 1_000;

pub(super) struct Pipes(Vec<(Fd, Fd)>);

impl Pipes {
    pub(super) fn open(spec: &Spec) -> Result<Self, String> {
        let mut pipes = Vec::with_capacity(spec.pipes as usize);
        for number in 0..spec.pipes {
            let (reader, writer) = file::pipe().map_err(trying("open a pipe"))?;
            let bytes = expect::waiting(spec, Thing::Pipe, number);
            file::write_all(writer.number(), &bytes).map_err(trying("fill a pipe"))?;
            pipes.push((reader, writer));
        }
        Ok(Self(pipes))
    }

    /// Takes what waits out of each pipe, and puts it back.
    pub(super) fn digest(&self, key: u64) -> Result<u64, String> {
        let mut sum = 0_u64;
        for ((reader, writer), number) in self.0.iter().zip(0_u64..) {
            let bytes = take(reader).map_err(|error| format!("pipe {number}: {error}"))?;
            file::write_all(writer.number(), &bytes).map_err(trying("fill a pipe again"))?;
            sum = sum.wrapping_add(expect::waiting_part(key, number, &bytes));
        }
        Ok(sum)
    }

    /// Loses what waits in the first pipe: a lie that must be found.
    pub(super) fn lose(&self) {
        if let Some((reader, _)) = self.0.first() {
            let _ = take(reader);
        }
    }
}

/// Takes what waits.
pub(super) fn take(from: &Fd) -> Result<[u8; WAITING_BYTES], String> {
    let (mut bytes, mut filled) = ([0; WAITING_BYTES], 0);
    while filled < WAITING_BYTES {
        let came = wait(&mut [interest(from, READABLE)], Moment::after_ms(PATIENCE_MS)).map_err(trying("wait"))?;
        if !came {
            return Err(format!("{filled} B wait, not {WAITING_BYTES}"));
        }
        match from.read(bytes.get_mut(filled..).unwrap_or_default()).map_err(trying("read what waits"))? {
            0 => return Err(format!("it was closed after {filled} B")),
            length => filled += length,
        }
    }
    Ok(bytes)
}
