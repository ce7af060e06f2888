//! Bytes from sockets: they come in pieces, and how they are cut must not matter.

use crate::backend::docker::stream::Frames;
use crate::backend::qemu::ivshmem::protocol::{Notice, Protocol};
use crate::backend::qemu::qmp::message::{self, Lines};
use crate::http::{BODY_LIMIT, body, parse_head};
use std::collections::BTreeMap;

type Reply = Result<Option<(u16, Vec<u8>, usize)>, String>;

fn reply(bytes: &[u8], closed: bool) -> Reply {
    let Some(head) = parse_head(bytes, "GET /").map_err(|error| error.to_string())? else { return Ok(None) };
    let decoded = body::decode(head.body, &bytes[head.length..], BODY_LIMIT, closed)?;
    Ok(decoded.map(|(body, used)| (head.status, body, head.length + used)))
}

/// Replies of control APIs: a reply is taken as soon as it is whole, and the same one however much more has come.
pub fn http(bytes: &[u8]) {
    let whole = reply(bytes, false);
    let closed = reply(bytes, true);
    if let Ok(Some((_, _, used))) = &whole {
        assert!(*used <= bytes.len());
        assert_eq!(whole, closed);
        assert_eq!(whole, reply(&bytes[..*used], false));
        // The same reply cannot be had from less, unless that ends in the middle of an optional part.
        let early = (0..*used).filter(|end| matches!(reply(&bytes[..*end], false), Ok(Some(_)))).count();
        assert_eq!(early, 0, "a reply was taken before it was whole");
    }
    if let Ok(Some((_, body, used))) = closed {
        assert!(body.len() <= bytes.len() && used <= bytes.len());
    }
}

/// Docker's stream of output and error: the same output and log wherever it is cut.
pub fn docker(bytes: &[u8]) {
    let Some((&[cut, room], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let whole = demultiplexed(&[bytes], 4096);
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(whole, demultiplexed(&[front, back], usize::from(room).max(1)));
    assert_eq!(whole, demultiplexed(&bytes.chunks(usize::from(room).max(1)).collect::<Vec<_>>(), 7));
    assert!(whole.0.len() + whole.1.len() <= bytes.len());
}

fn demultiplexed(pieces: &[&[u8]], room: usize) -> (Vec<u8>, Vec<u8>, bool) {
    let (mut output, mut log) = (Vec::new(), Vec::new());
    let mut frames = Frames::new(Vec::new(), &mut log);
    let mut target = vec![0; room];
    let mut refused = false;
    'pieces: for piece in pieces {
        frames.receive(piece);
        loop {
            match frames.next(&mut target) {
                Ok(Some(count)) => output.extend_from_slice(&target[..count]),
                Ok(None) => break,
                Err(_) => {
                    refused = true;
                    break 'pieces;
                }
            }
        }
    }
    (output, log, refused)
}

/// Lines of QEMU's control socket: the same messages wherever the stream is cut.
pub fn qmp(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let whole = messages(bytes, bytes.len().max(1));
    assert_eq!(whole, messages(bytes, usize::from(size).max(1)));
    for parsed in whole {
        if let Err(error) = parsed {
            assert!(error.len() < 500, "{error}");
        }
    }
}

fn messages(bytes: &[u8], size: usize) -> Vec<Result<message::Message, String>> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for piece in bytes.chunks(size) {
        if lines.feed(piece).is_err() {
            break;
        }
        while let Some(line) = lines.next_line() {
            found.push(message::parse(&line).map_err(|error| error.to_string()));
        }
    }
    found
}

/// What an ivshmem server says to a peer: each message is nine bytes here, whether a descriptor comes and the number.
/// Numbers are given as they are said to come, and nobody goes who has not come.
pub fn ivshmem(bytes: &[u8]) {
    let (mut protocol, mut own, mut known) = (Protocol::default(), None, BTreeMap::<u16, u16>::new());
    for message in bytes.chunks_exact(9) {
        let value = i64::from_le_bytes(message[1..9].try_into().unwrap_or_default());
        let notice = match protocol.take(value, message[0] & 1 == 1) {
            Ok(notice) => notice,
            Err(error) => {
                assert!(error.to_string().len() < 200);
                return;
            }
        };
        match notice {
            Notice::Version => assert!(own.is_none() && value == 0),
            Notice::Own(number) => assert!(own.replace(number).is_none()),
            Notice::Memory => assert!(own.is_some() && known.is_empty() && value == -1),
            Notice::Vector { peer, index } => {
                let count = known.entry(peer).or_default();
                assert_eq!((index, i64::from(peer)), (*count, value));
                *count += 1;
                assert_eq!(protocol.vectors_of(peer), *count);
            }
            Notice::Left(peer) => assert!(known.remove(&peer).is_some() && own != Some(peer)),
        }
    }
}
