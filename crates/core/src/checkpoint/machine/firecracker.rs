//! Firecracker's state: a magic number, a version, and what only a Firecracker of that version can read.

use super::Machine;

/// The magic numbers by architecture.
const MAGICS: [(u64, &str); 2] = [(0x0710_1984_8664_0000, "x86_64"), (0x0710_1984_AAAA_0000, "aarch64")];
/// No version is longer.
const VERSION_LIMIT: usize = 64;

/// Reads the beginning of a state; `None` if it is none of Firecracker's.
pub fn firecracker(beginning: &[u8]) -> Option<Machine> {
    // From 1.15 on the state is packed by bitcode, which says in a byte before a number that it is whole.
    head(beginning).or_else(|| head(beginning.strip_prefix(&[0])?))
}

fn head(beginning: &[u8]) -> Option<Machine> {
    let (magic, rest) = beginning.split_first_chunk()?;
    let magic = u64::from_le_bytes(*magic);
    let (_, architecture) = MAGICS.iter().find(|(known, _)| *known == magic)?;
    let mut machine = Machine {
        monitor: "firecracker".to_owned(),
        architecture: Some((*architecture).to_owned()),
        format: version(rest),
        ..Machine::default()
    };
    if machine.format.is_none() {
        machine.unreadable.push("the version of the state".to_owned());
    }
    machine.unreadable.push("processors and devices: only the same version of Firecracker reads its state".to_owned());
    Some(machine)
}

/// A text with its length in front, in a number of eight bytes or, in newer versions, of variable length.
fn version(bytes: &[u8]) -> Option<String> {
    let long = bytes.split_first_chunk().and_then(|(length, rest)| {
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        rest.get(..length)
    });
    let short = bytes.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
    let plain = |text: &&[u8]| {
        let digits =
            text.split(|byte| *byte == b'.').all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
        (5..VERSION_LIMIT).contains(&text.len()) && digits
    };
    let text = long.filter(plain).or(short.filter(plain))?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_read() {
        // As bincode writes `SnapshotHdr { magic, version: 4.0.0 }`.
        let mut state = 0x0710_1984_8664_0000_u64.to_le_bytes().to_vec();
        state.extend(5_u64.to_le_bytes());
        state.extend(b"4.0.0rest");
        let machine = firecracker(&state).unwrap();
        assert_eq!((machine.format.as_deref(), machine.architecture.as_deref()), (Some("4.0.0"), Some("x86_64")));
        let cut = firecracker(&state[..18]).unwrap();
        assert_eq!((cut.format, cut.unreadable.len()), (None, 2));
        // The first bytes of a state of Firecracker 1.16.1.
        let real = b"\x00\x00\x00d\x86\x84\x19\x10\x07\x0610.0.0\x06\x80\x00\x03f/payload";
        let machine = firecracker(real).unwrap();
        assert_eq!((machine.format.as_deref(), machine.architecture.as_deref()), (Some("10.0.0"), Some("x86_64")));
        assert_eq!(firecracker(&[&[1][..], &real[1..]].concat()), None);
        assert_eq!(firecracker(b"QEVM\0\0\0\x03"), None);
        assert_eq!(firecracker(&[0; 4]), None);
    }
}
