//! Properties of the codec: what is written is read again, however it is cut, and nothing makes the decoder panic.

use isodyne_proto::{
    AwaitOutcome, AwaitReply, AwaitRequest, Condition, DecodeError, Decoder, EncodeError, EndReply, EndRequest,
    ExecReply, ExecRequest, Hello, Kind, MAX_DATA_PAYLOAD, MAX_OUTPUT, MAX_STRINGS, Message, Opening, Outcome,
    ShutdownHow, StartOutcome, StartReply, StartRequest, VERSION_NEWEST, VERSION_OLDEST,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn string() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, 0..20)
}

fn hello() -> impl Strategy<Value = Message> {
    (".{0,12}", any::<u32>(), any::<bool>(), ".{0,20}", ".{0,8}", any::<u64>(), any::<u64>()).prop_map(
        |(agent_version, pid, is_init, kernel_release, machine, uptime_ns, prepared_ns)| {
            Message::Hello(Hello {
                newest: VERSION_NEWEST,
                oldest: VERSION_OLDEST,
                agent_version,
                pid,
                is_init,
                kernel_release,
                machine,
                uptime_ns,
                prepared_ns,
            })
        },
    )
}

fn request() -> impl Strategy<Value = Message> {
    (any::<u32>(), vec(string(), 1..5), vec(string(), 0..5), vec(any::<u8>(), 0..300), any::<u32>(), any::<u32>())
        .prop_map(|(id, argv, env, stdin, timeout_ms, output_limit)| {
            Message::ExecRequest(ExecRequest { id, argv, env, stdin, timeout_ms, output_limit })
        })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u8>().prop_map(Outcome::Exited),
        any::<u8>().prop_map(Outcome::Signalled),
        Just(Outcome::NotFound),
        Just(Outcome::NotPermitted),
        Just(Outcome::TimedOut),
        any::<u32>().prop_map(Outcome::Error),
    ]
}

fn reply() -> impl Strategy<Value = Message> {
    let output = || (vec(any::<u8>(), 0..300), any::<bool>());
    (any::<u32>(), outcome(), output(), output(), any::<[u64; 4]>()).prop_map(
        |(id, outcome, (stdout, stdout_truncated), (stderr, stderr_truncated), numbers)| {
            let [user_us, system_us, peak_rss_bytes, elapsed_ns] = numbers;
            Message::ExecReply(ExecReply {
                id,
                outcome,
                stdout,
                stderr,
                stdout_truncated,
                stderr_truncated,
                user_us,
                system_us,
                peak_rss_bytes,
                elapsed_ns,
            })
        },
    )
}

fn start() -> impl Strategy<Value = Message> {
    let paths = [string(), string(), string(), string()];
    (any::<u32>(), paths, any::<bool>(), any::<[u32; 2]>(), vec(string(), 1..4), vec(string(), 0..4)).prop_map(
        |(id, [device, file_system, root, working_directory], read_only, [user, group], argv, env)| {
            Message::StartRequest(StartRequest {
                id,
                device,
                file_system,
                read_only,
                root,
                working_directory,
                user,
                group,
                argv,
                env,
            })
        },
    )
}

fn start_reply() -> impl Strategy<Value = Message> {
    let outcome = prop_oneof![
        any::<u32>().prop_map(StartOutcome::Started),
        Just(StartOutcome::NotFound),
        Just(StartOutcome::NotPermitted),
        any::<u32>().prop_map(StartOutcome::Mount),
        any::<u32>().prop_map(StartOutcome::Error),
    ];
    (any::<u32>(), outcome).prop_map(|(id, outcome)| Message::StartReply(StartReply { id, outcome }))
}

fn waiting() -> impl Strategy<Value = Message> {
    let condition = prop_oneof![
        any::<u16>().prop_map(Condition::Tcp),
        (any::<u16>(), vec(any::<u8>(), 0..30), any::<u16>()).prop_map(|(port, path, status)| Condition::Http {
            port,
            path,
            status
        }),
        vec(any::<u8>(), 0..30).prop_map(Condition::Line),
        string().prop_map(Condition::File),
    ];
    (any::<u32>(), condition, any::<[u32; 2]>()).prop_map(|(id, condition, [timeout_ms, period_us])| {
        Message::AwaitRequest(AwaitRequest { id, condition, timeout_ms, period_us })
    })
}

fn await_reply() -> impl Strategy<Value = Message> {
    let end = prop_oneof![
        Just(AwaitOutcome::Met),
        Just(AwaitOutcome::TimedOut),
        outcome().prop_map(AwaitOutcome::Ended),
        Just(AwaitOutcome::NoApplication),
    ];
    (any::<u32>(), end, any::<u32>(), any::<u16>(), any::<[u64; 2]>(), vec(any::<u8>(), 0..100)).prop_map(
        |(id, outcome, attempts, status, [body_bytes, elapsed_ns], text)| {
            Message::AwaitReply(AwaitReply { id, outcome, attempts, status, body_bytes, text, elapsed_ns })
        },
    )
}

fn end_reply() -> impl Strategy<Value = Message> {
    let output = || vec(any::<u8>(), 0..100);
    (any::<u32>(), proptest::option::of(outcome()), any::<bool>(), output(), output(), any::<[u64; 3]>()).prop_map(
        |(id, outcome, killed, stdout, stderr, [user_us, system_us, peak_rss_bytes])| {
            Message::EndReply(EndReply { id, outcome, killed, stdout, stderr, user_us, system_us, peak_rss_bytes })
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        start(),
        start_reply(),
        waiting(),
        await_reply(),
        (any::<u32>(), any::<u8>(), any::<u32>())
            .prop_map(|(id, signal, timeout_ms)| Message::EndRequest(EndRequest { id, signal, timeout_ms })),
        end_reply(),
        (any::<u32>(), vec(any::<u8>(), 0..100)).prop_map(|(id, bytes)| Message::Remember { id, bytes }),
        any::<u32>().prop_map(|id| Message::Recall { id }),
        (any::<u32>(), vec(any::<u8>(), 0..100), any::<u64>()).prop_map(|(id, bytes, recalls)| Message::Memory {
            id,
            bytes,
            recalls
        }),
        any::<u16>().prop_map(|version| Message::Welcome { version }),
        request(),
        reply(),
        any::<u32>().prop_map(|id| Message::Ping { id }),
        any::<u32>().prop_map(|id| Message::Pong { id }),
        prop_oneof![Just(ShutdownHow::Exit), Just(ShutdownHow::PowerOff), Just(ShutdownHow::Reboot)]
            .prop_map(Message::Shutdown),
        Just(Message::Bye),
        ".{0,80}".prop_map(|text| Message::Error { text }),
    ]
}

fn encode(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut bytes).unwrap());
    bytes
}

/// Feeds the bytes in pieces that end at the cuts and collects what comes out.
fn decode(opening: Opening, bytes: &[u8], cuts: &[usize]) -> (Vec<Message>, Option<DecodeError>, usize) {
    let mut decoder = Decoder::new(opening);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let (mut messages, mut begin) = (Vec::new(), 0);
    for end in ends {
        decoder.feed(&bytes[begin..end]);
        begin = end;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read_again(hello in hello(), rest in vec(message(), 0..6), cuts in vec(any::<usize>(), 0..8)) {
        let messages: Vec<Message> = [hello].into_iter().chain(rest).collect();
        let bytes = encode(&messages);
        prop_assert_eq!(decode(Opening::Hello, &bytes, &cuts), (messages.clone(), None, 0));
        prop_assert_eq!(decode(Opening::HelloAfterStrayBytes(10), &bytes, &cuts), (messages, None, 0));
    }

    #[test]
    fn a_hello_is_found_behind_stray_bytes(
        stray in vec(any::<u8>().prop_filter("not the magic", |byte| *byte != 0x89), 0..300),
        hello in hello(), rest in vec(message(), 0..3), cuts in vec(any::<usize>(), 0..8),
    ) {
        let messages: Vec<Message> = [hello].into_iter().chain(rest).collect();
        let bytes = [stray.clone(), encode(&messages)].concat();
        prop_assert_eq!(decode(Opening::HelloAfterStrayBytes(300), &bytes, &cuts), (messages, None, stray.len()));
    }

    #[test]
    fn arbitrary_bytes_give_the_same_result_however_they_are_cut(
        bytes in vec(prop_oneof![any::<u8>(), 0..10_u8], 0..600), cuts in vec(any::<usize>(), 0..8),
        opening in prop_oneof![Just(Opening::Frames), Just(Opening::Hello), Just(Opening::HelloAfterStrayBytes(100))],
    ) {
        prop_assert_eq!(decode(opening, &bytes, &cuts), decode(opening, &bytes, &[]));
    }

    #[test]
    fn a_damaged_stream_gives_the_same_result_however_it_is_cut(
        hello in hello(), rest in vec(message(), 1..4), at in any::<usize>(), to in any::<u8>(),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let mut bytes = encode(&[vec![hello], rest].concat());
        let at = at % bytes.len();
        bytes[at] = to;
        prop_assert_eq!(decode(Opening::Hello, &bytes, &cuts), decode(Opening::Hello, &bytes, &[]));
    }

    #[test]
    fn a_stream_that_ends_early_says_so(message in message(), cut in any::<usize>()) {
        let bytes = encode(&[message]);
        let cut = cut % bytes.len();
        let expected = (cut > 0).then_some(DecodeError::Truncated(cut));
        prop_assert_eq!(decode(Opening::Frames, &bytes[..cut], &[]), (vec![], expected, 0));
    }

    #[test]
    fn a_payload_of_any_kind_is_decoded_totally(kind in 1..=18_u8, payload in vec(any::<u8>(), 0..200)) {
        let kind = Kind::from_byte(kind).unwrap();
        if let Ok(message) = Message::decode(kind, &payload) {
            prop_assert_eq!(message.kind(), kind);
        }
    }
}

#[test]
fn a_request_beyond_a_limit_is_not_sent() {
    let mut out = vec![7];
    let large = ExecRequest { argv: vec![b"a".to_vec()], stdin: vec![0; MAX_DATA_PAYLOAD], ..ExecRequest::default() };
    assert!(matches!(Message::ExecRequest(large).encode(&mut out), Err(EncodeError::Oversized { .. })));
    let many = ExecRequest { argv: vec![b"a".to_vec(); MAX_STRINGS + 1], ..ExecRequest::default() };
    assert_eq!(Message::ExecRequest(many).encode(&mut out), Err(EncodeError::TooManyStrings(MAX_STRINGS + 1)));
    let zero = ExecRequest { argv: vec![b"a\0b".to_vec()], ..ExecRequest::default() };
    assert_eq!(Message::ExecRequest(zero).encode(&mut out), Err(EncodeError::NotAnArgument));
    assert_eq!(Message::ExecRequest(ExecRequest::default()).encode(&mut out), Err(EncodeError::NotAnArgument));
    assert_eq!(out, [7]);
}

#[test]
fn a_reply_with_all_the_output_it_may_have_fits() {
    let reply = ExecReply {
        id: 1,
        outcome: Outcome::Exited(0),
        stdout: vec![1; MAX_OUTPUT],
        stderr: vec![2; MAX_OUTPUT],
        stdout_truncated: true,
        stderr_truncated: true,
        user_us: 0,
        system_us: 0,
        peak_rss_bytes: 0,
        elapsed_ns: 0,
    };
    let bytes = encode(&[Message::ExecReply(reply.clone())]);
    assert_eq!(decode(Opening::Frames, &bytes, &[9]), (vec![Message::ExecReply(reply)], None, 0));
}
