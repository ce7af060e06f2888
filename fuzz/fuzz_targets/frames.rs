//! The decoder of agent frames on arbitrary bytes: no panic, the same result however the bytes are cut, and what it
//! accepts is written as the same bytes again.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run frames` (a nightly toolchain does without the variable).

#![no_main]

use isodyne_proto::{DecodeError, Decoder, Message, Opening};
use libfuzzer_sys::fuzz_target;

type Decoded = (Vec<Message>, Option<DecodeError>, usize);

fn decode(opening: Opening, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = Decoder::new(opening);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error), decoder.skipped()),
            }
        }
    }
    (messages, decoder.finish().err(), decoder.skipped())
}

fuzz_target!(|input: &[u8]| {
    let Some((&[how, cut, bound], bytes)) = input.split_first_chunk::<3>() else { return };
    let opening = match how % 3 {
        0 => Opening::Frames,
        1 => Opening::Hello,
        _ => Opening::HelloAfterStrayBytes(usize::from(bound)),
    };
    let whole = decode(opening, &[bytes]);
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(whole, decode(opening, &[front, back]));
    assert_eq!(whole, decode(opening, &bytes.chunks(usize::from(bound).max(1)).collect::<Vec<_>>()));

    let (messages, error, skipped) = whole;
    if error.is_none() && matches!(opening, Opening::Frames) {
        assert_eq!(skipped, 0);
        let mut again = Vec::new();
        for message in &messages {
            if let Message::ExecRequest(request) = message {
                assert!(!request.argv.is_empty());
            }
            message.encode(&mut again).expect("what was decoded fits into a frame");
        }
        assert_eq!(again, bytes);
    }
});
