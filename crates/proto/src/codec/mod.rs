//! Messages to payloads and back.

mod app;

use crate::wire::{Read, Reader, put_bytes, put_strings};
use crate::{
    DecodeError, EncodeError, ExecReply, ExecRequest, HEADER_BYTES, Hello, Kind, MAGIC, MAX_STRINGS, Message, Outcome,
    ShutdownHow,
};
use alloc::vec::Vec;

impl Message {
    /// Appends the message as a frame; a hello gets the magic in front. On an error nothing is appended.
    ///
    /// # Errors
    /// [`EncodeError`] if the message is beyond a limit of the protocol.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let kind = self.kind();
        match self {
            Self::ExecRequest(request) => check_strings(&request.argv, &request.env)?,
            Self::StartRequest(request) => app::check_start(request)?,
            _ => {}
        }
        let before = out.len();
        if kind == Kind::Hello {
            out.extend_from_slice(&MAGIC);
        }
        let header = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, kind as u8]);
        self.put_payload(out);
        let length = out.len() - header - HEADER_BYTES;
        match u32::try_from(length) {
            Ok(stated) if length <= kind.limit() => {
                out[header..header + 4].copy_from_slice(&stated.to_le_bytes());
                Ok(())
            }
            _ => {
                out.truncate(before);
                Err(EncodeError::Oversized { kind, length, limit: kind.limit() })
            }
        }
    }

    fn put_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => put_hello(out, hello),
            Self::Welcome { version } => out.extend_from_slice(&version.to_le_bytes()),
            Self::ExecRequest(request) => put_request(out, request),
            Self::ExecReply(reply) => put_reply(out, reply),
            Self::StartRequest(request) => app::put_start(out, request),
            Self::StartReply(reply) => app::put_start_reply(out, reply),
            Self::AwaitRequest(request) => app::put_await(out, request),
            Self::AwaitReply(reply) => app::put_await_reply(out, reply),
            Self::EndRequest(request) => app::put_end(out, *request),
            Self::EndReply(reply) => app::put_end_reply(out, reply),
            Self::Remember { id, bytes } => {
                out.extend_from_slice(&id.to_le_bytes());
                put_bytes(out, bytes);
            }
            Self::Memory { id, bytes, recalls } => {
                out.extend_from_slice(&id.to_le_bytes());
                put_bytes(out, bytes);
                out.extend_from_slice(&recalls.to_le_bytes());
            }
            Self::Ping { id } | Self::Pong { id } | Self::Recall { id } => out.extend_from_slice(&id.to_le_bytes()),
            Self::Shutdown(how) => out.push(match how {
                ShutdownHow::Exit => 0,
                ShutdownHow::PowerOff => 1,
                ShutdownHow::Reboot => 2,
            }),
            Self::Bye => {}
            Self::Error { text } => put_bytes(out, text.as_bytes()),
        }
    }

    /// Decodes a payload of a known kind.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] or, for a hello of strangers, [`DecodeError::UnknownVersion`].
    pub fn decode(kind: Kind, payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        if kind == Kind::Hello {
            // Only the versions can be read before it is known that the rest has the shape of a known version.
            let malformed = |what| DecodeError::Malformed { kind, what };
            let newest = reader.u16().map_err(malformed)?;
            let oldest = reader.u16().map_err(malformed)?;
            if newest < crate::VERSION_OLDEST || oldest > crate::VERSION_NEWEST || newest < oldest {
                return Err(DecodeError::UnknownVersion { oldest, newest });
            }
            return read_hello(&mut reader, newest, oldest).map(Self::Hello).map_err(malformed);
        }
        read_payload(kind, &mut reader).map_err(|what| DecodeError::Malformed { kind, what })
    }
}

fn check_strings(argv: &[Vec<u8>], env: &[Vec<u8>]) -> Result<(), EncodeError> {
    for strings in [argv, env] {
        if strings.len() > MAX_STRINGS {
            return Err(EncodeError::TooManyStrings(strings.len()));
        }
        if strings.iter().any(|string| string.contains(&0)) {
            return Err(EncodeError::NotAnArgument);
        }
    }
    if argv.is_empty() { Err(EncodeError::NotAnArgument) } else { Ok(()) }
}

fn read_payload(kind: Kind, reader: &mut Reader<'_>) -> Read<Message> {
    let message = match kind {
        Kind::Hello => return Err("a hello in the middle"),
        Kind::Welcome => Message::Welcome { version: reader.u16()? },
        Kind::ExecRequest => Message::ExecRequest(read_request(reader)?),
        Kind::ExecReply => Message::ExecReply(read_reply(reader)?),
        Kind::Ping => Message::Ping { id: reader.u32()? },
        Kind::Pong => Message::Pong { id: reader.u32()? },
        Kind::Shutdown => Message::Shutdown(match reader.u8()? {
            0 => ShutdownHow::Exit,
            1 => ShutdownHow::PowerOff,
            2 => ShutdownHow::Reboot,
            _ => return Err("an unknown way to shut down"),
        }),
        Kind::Bye => Message::Bye,
        Kind::StartRequest => Message::StartRequest(app::read_start(reader)?),
        Kind::StartReply => Message::StartReply(app::read_start_reply(reader)?),
        Kind::AwaitRequest => Message::AwaitRequest(app::read_await(reader)?),
        Kind::AwaitReply => Message::AwaitReply(app::read_await_reply(reader)?),
        Kind::EndRequest => Message::EndRequest(app::read_end(reader)?),
        Kind::EndReply => Message::EndReply(app::read_end_reply(reader)?),
        Kind::Remember => Message::Remember { id: reader.u32()?, bytes: reader.bytes()? },
        Kind::Recall => Message::Recall { id: reader.u32()? },
        Kind::Memory => Message::Memory { id: reader.u32()?, bytes: reader.bytes()?, recalls: reader.u64()? },
        Kind::Error => Message::Error { text: reader.text()? },
    };
    reader.end()?;
    Ok(message)
}

fn put_hello(out: &mut Vec<u8>, hello: &Hello) {
    out.extend_from_slice(&hello.newest.to_le_bytes());
    out.extend_from_slice(&hello.oldest.to_le_bytes());
    put_bytes(out, hello.agent_version.as_bytes());
    out.extend_from_slice(&hello.pid.to_le_bytes());
    out.push(u8::from(hello.is_init));
    put_bytes(out, hello.kernel_release.as_bytes());
    put_bytes(out, hello.machine.as_bytes());
    out.extend_from_slice(&hello.uptime_ns.to_le_bytes());
    out.extend_from_slice(&hello.prepared_ns.to_le_bytes());
}

fn read_hello(reader: &mut Reader<'_>, newest: u16, oldest: u16) -> Read<Hello> {
    let hello = Hello {
        newest,
        oldest,
        agent_version: reader.text()?,
        pid: reader.u32()?,
        is_init: reader.flag()?,
        kernel_release: reader.text()?,
        machine: reader.text()?,
        uptime_ns: reader.u64()?,
        prepared_ns: reader.u64()?,
    };
    // A newer agent may have more to say in its hello; a host that does not know it must not stumble over it.
    if newest <= crate::VERSION_NEWEST {
        reader.end()?;
    }
    Ok(hello)
}

fn put_request(out: &mut Vec<u8>, request: &ExecRequest) {
    out.extend_from_slice(&request.id.to_le_bytes());
    put_strings(out, &request.argv);
    put_strings(out, &request.env);
    put_bytes(out, &request.stdin);
    out.extend_from_slice(&request.timeout_ms.to_le_bytes());
    out.extend_from_slice(&request.output_limit.to_le_bytes());
}

fn read_request(reader: &mut Reader<'_>) -> Read<ExecRequest> {
    let request = ExecRequest {
        id: reader.u32()?,
        argv: reader.strings()?,
        env: reader.strings()?,
        stdin: reader.bytes()?,
        timeout_ms: reader.u32()?,
        output_limit: reader.u32()?,
    };
    if request.argv.is_empty() { Err("a command without arguments") } else { Ok(request) }
}

fn put_reply(out: &mut Vec<u8>, reply: &ExecReply) {
    out.extend_from_slice(&reply.id.to_le_bytes());
    put_outcome(out, reply.outcome);
    put_bytes(out, &reply.stdout);
    put_bytes(out, &reply.stderr);
    out.push(u8::from(reply.stdout_truncated));
    out.push(u8::from(reply.stderr_truncated));
    for number in [reply.user_us, reply.system_us, reply.peak_rss_bytes, reply.elapsed_ns] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn put_outcome(out: &mut Vec<u8>, outcome: Outcome) {
    let (tag, value) = match outcome {
        Outcome::Exited(code) => (0, u32::from(code)),
        Outcome::Signalled(signal) => (1, u32::from(signal)),
        Outcome::NotFound => (2, 0),
        Outcome::NotPermitted => (3, 0),
        Outcome::TimedOut => (4, 0),
        Outcome::Error(errno) => (5, errno),
    };
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

fn read_reply(reader: &mut Reader<'_>) -> Read<ExecReply> {
    Ok(ExecReply {
        id: reader.u32()?,
        outcome: read_outcome(reader)?,
        stdout: reader.bytes()?,
        stderr: reader.bytes()?,
        stdout_truncated: reader.flag()?,
        stderr_truncated: reader.flag()?,
        user_us: reader.u64()?,
        system_us: reader.u64()?,
        peak_rss_bytes: reader.u64()?,
        elapsed_ns: reader.u64()?,
    })
}

fn read_outcome(reader: &mut Reader<'_>) -> Read<Outcome> {
    let (tag, value) = (reader.u8()?, reader.u32()?);
    let small = || u8::try_from(value).map_err(|_| "an exit code or signal is out of range");
    Ok(match (tag, value) {
        (0, _) => Outcome::Exited(small()?),
        (1, _) => Outcome::Signalled(small()?),
        (2, 0) => Outcome::NotFound,
        (3, 0) => Outcome::NotPermitted,
        (4, 0) => Outcome::TimedOut,
        (5, _) => Outcome::Error(value),
        _ => return Err("an unknown outcome"),
    })
}
