//! Messages about an application to payloads and back.

use super::{put_outcome, read_outcome};
use crate::wire::{Read, Reader, put_bytes, put_strings};
use crate::{
    AwaitOutcome, AwaitReply, AwaitRequest, Condition, EncodeError, EndReply, EndRequest, MAX_STRINGS, StartOutcome,
    StartReply, StartRequest,
};
use alloc::vec::Vec;

pub(super) fn check_start(request: &StartRequest) -> Result<(), EncodeError> {
    super::check_strings(&request.argv, &request.env)?;
    let paths = [&request.device, &request.file_system, &request.root, &request.working_directory];
    if paths.iter().any(|path| path.contains(&0)) { Err(EncodeError::NotAnArgument) } else { Ok(()) }
}

pub(super) fn put_start(out: &mut Vec<u8>, request: &StartRequest) {
    debug_assert!(request.argv.len() <= MAX_STRINGS);
    out.extend_from_slice(&request.id.to_le_bytes());
    put_bytes(out, &request.device);
    put_bytes(out, &request.file_system);
    out.push(u8::from(request.read_only));
    put_bytes(out, &request.root);
    put_bytes(out, &request.working_directory);
    out.extend_from_slice(&request.user.to_le_bytes());
    out.extend_from_slice(&request.group.to_le_bytes());
    put_strings(out, &request.argv);
    put_strings(out, &request.env);
}

pub(super) fn read_start(reader: &mut Reader<'_>) -> Read<StartRequest> {
    let request = StartRequest {
        id: reader.u32()?,
        device: path(reader)?,
        file_system: path(reader)?,
        read_only: reader.flag()?,
        root: path(reader)?,
        working_directory: path(reader)?,
        user: reader.u32()?,
        group: reader.u32()?,
        argv: reader.strings()?,
        env: reader.strings()?,
    };
    if request.argv.is_empty() { Err("an application without arguments") } else { Ok(request) }
}

fn path(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    let path = reader.bytes()?;
    if path.contains(&0) { Err("a path holds a zero byte") } else { Ok(path) }
}

pub(super) fn put_start_reply(out: &mut Vec<u8>, reply: &StartReply) {
    out.extend_from_slice(&reply.id.to_le_bytes());
    let (tag, value) = match reply.outcome {
        StartOutcome::Started(pid) => (0, pid),
        StartOutcome::NotFound => (1, 0),
        StartOutcome::NotPermitted => (2, 0),
        StartOutcome::Mount(errno) => (3, errno),
        StartOutcome::Error(errno) => (4, errno),
    };
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn read_start_reply(reader: &mut Reader<'_>) -> Read<StartReply> {
    let id = reader.u32()?;
    let outcome = match (reader.u8()?, reader.u32()?) {
        (0, pid) => StartOutcome::Started(pid),
        (1, 0) => StartOutcome::NotFound,
        (2, 0) => StartOutcome::NotPermitted,
        (3, errno) => StartOutcome::Mount(errno),
        (4, errno) => StartOutcome::Error(errno),
        _ => return Err("an unknown outcome of a start"),
    };
    Ok(StartReply { id, outcome })
}

pub(super) fn put_await(out: &mut Vec<u8>, request: &AwaitRequest) {
    out.extend_from_slice(&request.id.to_le_bytes());
    match &request.condition {
        Condition::Tcp(port) => {
            out.push(0);
            out.extend_from_slice(&port.to_le_bytes());
        }
        Condition::Http { port, path, status } => {
            out.push(1);
            out.extend_from_slice(&port.to_le_bytes());
            put_bytes(out, path);
            out.extend_from_slice(&status.to_le_bytes());
        }
        Condition::Line(bytes) => {
            out.push(2);
            put_bytes(out, bytes);
        }
        Condition::File(path) => {
            out.push(3);
            put_bytes(out, path);
        }
    }
    out.extend_from_slice(&request.timeout_ms.to_le_bytes());
    out.extend_from_slice(&request.period_us.to_le_bytes());
}

pub(super) fn read_await(reader: &mut Reader<'_>) -> Read<AwaitRequest> {
    let id = reader.u32()?;
    let condition = match reader.u8()? {
        0 => Condition::Tcp(reader.u16()?),
        1 => Condition::Http { port: reader.u16()?, path: reader.bytes()?, status: reader.u16()? },
        2 => Condition::Line(reader.bytes()?),
        3 => Condition::File(path(reader)?),
        _ => return Err("an unknown condition"),
    };
    Ok(AwaitRequest { id, condition, timeout_ms: reader.u32()?, period_us: reader.u32()? })
}

pub(super) fn put_await_reply(out: &mut Vec<u8>, reply: &AwaitReply) {
    out.extend_from_slice(&reply.id.to_le_bytes());
    match reply.outcome {
        AwaitOutcome::Met => out.push(0),
        AwaitOutcome::TimedOut => out.push(1),
        AwaitOutcome::Ended(outcome) => {
            out.push(2);
            put_outcome(out, outcome);
        }
        AwaitOutcome::NoApplication => out.push(3),
    }
    out.extend_from_slice(&reply.attempts.to_le_bytes());
    out.extend_from_slice(&reply.status.to_le_bytes());
    out.extend_from_slice(&reply.body_bytes.to_le_bytes());
    put_bytes(out, &reply.text);
    out.extend_from_slice(&reply.elapsed_ns.to_le_bytes());
}

pub(super) fn read_await_reply(reader: &mut Reader<'_>) -> Read<AwaitReply> {
    Ok(AwaitReply {
        id: reader.u32()?,
        outcome: match reader.u8()? {
            0 => AwaitOutcome::Met,
            1 => AwaitOutcome::TimedOut,
            2 => AwaitOutcome::Ended(read_outcome(reader)?),
            3 => AwaitOutcome::NoApplication,
            _ => return Err("an unknown outcome of a wait"),
        },
        attempts: reader.u32()?,
        status: reader.u16()?,
        body_bytes: reader.u64()?,
        text: reader.bytes()?,
        elapsed_ns: reader.u64()?,
    })
}

pub(super) fn put_end(out: &mut Vec<u8>, request: EndRequest) {
    out.extend_from_slice(&request.id.to_le_bytes());
    out.push(request.signal);
    out.extend_from_slice(&request.timeout_ms.to_le_bytes());
}

pub(super) fn read_end(reader: &mut Reader<'_>) -> Read<EndRequest> {
    Ok(EndRequest { id: reader.u32()?, signal: reader.u8()?, timeout_ms: reader.u32()? })
}

pub(super) fn put_end_reply(out: &mut Vec<u8>, reply: &EndReply) {
    out.extend_from_slice(&reply.id.to_le_bytes());
    out.push(u8::from(reply.outcome.is_some()));
    if let Some(outcome) = reply.outcome {
        put_outcome(out, outcome);
    }
    out.push(u8::from(reply.killed));
    put_bytes(out, &reply.stdout);
    put_bytes(out, &reply.stderr);
    for number in [reply.user_us, reply.system_us, reply.peak_rss_bytes] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

pub(super) fn read_end_reply(reader: &mut Reader<'_>) -> Read<EndReply> {
    Ok(EndReply {
        id: reader.u32()?,
        outcome: if reader.flag()? { Some(read_outcome(reader)?) } else { None },
        killed: reader.flag()?,
        stdout: reader.bytes()?,
        stderr: reader.bytes()?,
        user_us: reader.u64()?,
        system_us: reader.u64()?,
        peak_rss_bytes: reader.u64()?,
    })
}
