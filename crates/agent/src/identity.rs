//! `identity`: what should tell one machine or container from its copies, one `KEY VALUE` a line: randomness of the
//! kernel's, its boot's id, the machine's id, the host's name, and the clocks.

use crate::sys::{file, machine, poll};
use alloc::format;
use alloc::string::String;

/// No id is longer.
const LIMIT: usize = 256;
/// So many bytes of randomness are taken: no two draws are the same by chance.
const RANDOM_BYTES: usize = 32;

/// Writes everything in one write. What is not there (a container without `/proc`) is left out.
pub(crate) fn run() -> u8 {
    let mut text = String::new();
    let mut add = |key: &str, value: &str| text.push_str(&format!("{key} {value}\n"));
    // The clocks first: the rest takes time.
    add("realtime_ns", &format!("{}", poll::realtime_ns()));
    add("uptime_ns", &format!("{}", poll::uptime_ns()));
    let mut random = [0; RANDOM_BYTES];
    if machine::random(&mut random).is_ok() {
        add("random", &random.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    let files: [(&str, &[u8]); 4] = [
        ("uuid", b"/proc/sys/kernel/random/uuid"),
        ("boot_id", b"/proc/sys/kernel/random/boot_id"),
        ("machine_id", b"/etc/machine-id"),
        ("hostname", b"/proc/sys/kernel/hostname"),
    ];
    for (key, path) in files {
        if let Some(value) = file::read_small(path, LIMIT).ok().as_deref().and_then(word) {
            add(key, value);
        }
    }
    u8::from(file::write_all(1, text.as_bytes()).is_err())
}

/// The first line of a file, if it is one word.
fn word(bytes: &[u8]) -> Option<&str> {
    let word = core::str::from_utf8(bytes).ok()?.lines().next()?.trim();
    (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic())).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_word_on_the_first_line() {
        assert_eq!(word(b"abc-1\nmore\n"), Some("abc-1"));
        for none in [&b""[..], b"\n", b"two words\n", b"\xff\n", b"a\x07b\n"] {
            assert_eq!(word(none), None);
        }
    }
}
