//! The ivshmem server: its protocol word by word, peers that do not keep to it, and real QEMU.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

use isodyne_engine::backend::qemu::ivshmem::{Client, ClientError, Reason, SealedMemory, Server, ServerOptions};
use isodyne_engine::clock::Clock;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const SIZE: u64 = 1 << 20;

fn server(vectors: u16, options: ServerOptions) -> Server {
    Server::start(Arc::new(SealedMemory::new(SIZE).unwrap()), ServerOptions { vectors, ..options }).unwrap()
}

/// A peer that knows nothing of the engine's own client.
struct Raw(UnixStream);

impl Raw {
    fn of(server: &Server) -> Self {
        Self::on(UnixStream::from(server.connect().unwrap()))
    }

    fn on(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// The next message: its number, and its descriptor if one came.
    fn next(&self) -> (i64, Option<OwnedFd>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 8];
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL,
        );
        assert_eq!(received.unwrap().bytes, 8);
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(found) = message {
                descriptors.extend(found);
            }
        }
        assert!(descriptors.len() <= 1);
        (i64::from_le_bytes(bytes), descriptors.pop())
    }

    /// The numbers of the next messages, and whether a descriptor came with each.
    fn numbers<const N: usize>(&self) -> [(i64, bool); N] {
        std::array::from_fn(|_| {
            let (number, descriptor) = self.next();
            (number, descriptor.is_some())
        })
    }

    /// Whether the server has closed the connection.
    fn has_been_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        // What was sent before is still there to be read; reading its bytes closes the descriptors.
        matches!(self.0.read_to_end(&mut rest), Ok(_) | Err(_)) && self.0.read(&mut [0; 1]).is_ok_and(|read| read == 0)
    }
}

/// Waits until something holds of the server.
fn until(server: &Server, what: impl Fn(&isodyne_engine::backend::qemu::ivshmem::Report) -> bool) {
    let deadline = Clock.after(PATIENCE);
    while !what(&server.report()) {
        assert!(Clock.now() < deadline, "{:?}", server.report());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_greeting_is_the_published_one_and_peers_hear_of_each_other() {
    let server = server(2, ServerOptions::default());
    let mut first = Raw::of(&server);
    assert_eq!(first.numbers(), [(0, false), (0, false), (-1, true), (0, true), (0, true)]);
    let second = Raw::of(&server);
    let greeting: [_; 7] = second.numbers();
    assert_eq!(greeting, [(0, false), (1, false), (-1, true), (0, true), (0, true), (1, true), (1, true)]);
    assert_eq!(first.numbers(), [(1, true), (1, true)]);
    drop(second);
    assert_eq!(first.numbers(), [(1, false)]);
    // A number that has become free is not the next one to be given.
    let mut third = Raw::of(&server);
    assert_eq!(third.numbers::<2>(), [(0, false), (2, false)]);
    assert_eq!(first.numbers(), [(2, true), (2, true)]);
    until(&server, |report| (report.joined, report.left, report.put_out_count) == (3, 1, 0));
    drop(server);
    assert!(first.has_been_closed() && third.has_been_closed());
}

#[test]
fn interrupts_and_memory_are_shared() {
    let server = server(3, ServerOptions::default());
    let deadline = Clock.after(PATIENCE);
    let raw = Raw::of(&server);
    let mut host = Client::greeted(server.connect().unwrap(), 3, deadline).unwrap();
    assert_eq!((host.id(), host.own().len()), (1, 3));
    assert_eq!(host.wait_for_other(3, deadline).unwrap(), 0);
    assert!(host.is_sealed());

    let mut descriptors: Vec<(i64, OwnedFd)> = Vec::new();
    while descriptors.len() < 7 {
        let (number, descriptor) = raw.next();
        descriptors.extend(descriptor.map(|descriptor| (number, descriptor)));
    }
    let (memory, own, others) = (&descriptors[0].1, &descriptors[1..4], &descriptors[4..7]);
    assert!(own.iter().all(|(id, _)| *id == 0) && others.iter().all(|(id, _)| *id == 1));
    // The host rings vector 2 of the raw peer, and only that comes.
    host.others()[&0][2].ring().unwrap();
    let mut counter = [0; 8];
    assert_eq!(rustix::io::read(&own[0].1, &mut counter), Err(rustix::io::Errno::AGAIN));
    assert_eq!(rustix::io::read(&own[2].1, &mut counter), Ok(8));
    // And the other way, as QEMU rings: by an eight-byte one.
    assert!(!host.own()[1].wait(Clock.after(Duration::from_millis(1))).unwrap());
    rustix::io::write(&others[1].1, &1_u64.to_ne_bytes()).unwrap();
    assert!(host.own()[1].wait(deadline).unwrap());
    assert!(!host.own()[1].wait(Clock.now()).unwrap());
    // A bell that is full is rung all the same, and blocks nobody.
    rustix::io::write(&own[0].1, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    host.others()[&0][0].ring().unwrap();

    let mapped = host.map().unwrap();
    assert_eq!(mapped.size_bytes() as u64, SIZE);
    rustix::io::pwrite(memory, b"shared", 4090).unwrap();
    // SAFETY: inside the mapping, and nobody writes to it now.
    let seen: Vec<u8> = (4090..4096).map(|at| unsafe { mapped.base().as_ptr().add(at).read_volatile() }).collect();
    assert_eq!(seen, b"shared");
    drop(raw);
    assert!(host.wait_for_leave(0, deadline).unwrap());
    drop(server);
    assert!(matches!(host.wait_for_other(1, deadline), Err(ClientError::Closed)));
}

#[test]
fn a_peer_that_speaks_is_put_out_and_the_others_go_on() {
    let server = server(1, ServerOptions::default());
    let good = Raw::of(&server);
    good.numbers::<4>();
    // Bytes, and descriptors nobody asked for.
    let mut talker = Raw::of(&server);
    let mut sender = Raw::of(&server);
    talker.0.write_all(&[0xff; 100]).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [null.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(&sender.0, &[IoSlice::new(b"hello")], &mut ancillary, SendFlags::empty()).unwrap();
    until(&server, |report| report.put_out_count == 2);
    let mut put_out = server.report().put_out;
    put_out.sort_by_key(|(id, _)| *id);
    assert_eq!(put_out, [(1, Reason::Spoke), (2, Reason::Spoke)]);
    assert!(talker.has_been_closed() && sender.has_been_closed());
    let mut heard: [(i64, bool); 4] = good.numbers();
    heard.sort();
    assert_eq!(heard, [(1, false), (1, true), (2, false), (2, true)]);
    // One that has only closed its own side has gone as well.
    let half = Raw::of(&server);
    half.0.shutdown(std::net::Shutdown::Write).unwrap();
    until(&server, |report| report.left == 1);
}

#[test]
fn a_peer_that_does_not_read_stalls_nobody() {
    let options = ServerOptions { patience: Duration::from_millis(300), peers_most: 24, ..Default::default() };
    let server = server(8, options);
    let mut lazy = Raw::of(&server);
    let good = Raw::of(&server);
    good.numbers::<{ 3 + 8 + 8 }>();
    // Peers come and go until more has been sent to the lazy one than its socket takes.
    let (mut rounds, mut lazy_left) = (0, false);
    while !lazy_left {
        let coming = Raw::of(&server);
        assert_eq!(coming.numbers::<1>(), [(0, false)]);
        let id = coming.next().0;
        drop(coming);
        // The lazy one's end may come in between.
        let mut heard: Vec<(i64, bool)> = Vec::new();
        while heard.len() < 9 {
            let [message] = good.numbers();
            if message == (0, false) { lazy_left = true } else { heard.push(message) }
        }
        assert_eq!(heard, (0..9).map(|index| (id, index < 8)).collect::<Vec<_>>());
        rounds += 1;
        assert!(rounds < 5000, "{:?}", server.report());
    }
    until(&server, |report| report.put_out_count == 1);
    assert!(matches!(server.report().put_out[..], [(0, Reason::Slow | Reason::Behind)]), "{:?}", server.report());
    assert!(lazy.has_been_closed());
}

#[test]
fn a_house_that_is_full_turns_people_away_and_keeps_nothing_of_those_who_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ivshmem");
    let options = ServerOptions { peers_most: 3, socket: Some(path.clone()), ..Default::default() };
    let server = server(4, options);
    let connect = || UnixStream::connect(&path).unwrap();
    let kept: Vec<Raw> = (0..3).map(|_| Raw::on(connect())).collect();
    kept[0].numbers::<7>();
    until(&server, |report| report.joined == 3);
    for _ in 0..20 {
        assert!(Raw::on(connect()).has_been_closed());
    }
    until(&server, |report| report.refused == 20);
    assert_eq!(server.report().connected, [0, 1, 2]);
    drop(kept);
    until(&server, |report| report.left == 3);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..200 {
        drop(connect());
    }
    // The last one is greeted like the first: nothing is left of the others.
    let last = Client::connect(&path, 4, Clock.after(PATIENCE)).unwrap();
    until(&server, |report| report.connected == [last.id()]);
    drop(last);
    until(&server, |report| report.connected.is_empty());
    assert!(open() <= before, "{} descriptors, and {before} before", open());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn a_server_that_does_not_keep_to_the_protocol_is_named() {
    let greeted = |messages: &[(i64, bool)]| {
        let (client, server) = UnixStream::pair().unwrap();
        for (value, with_descriptor) in messages {
            let null = std::fs::File::open("/dev/null").unwrap();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = [null.as_fd()];
            if *with_descriptor {
                assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
            }
            sendmsg(&server, &[IoSlice::new(&value.to_le_bytes())], &mut ancillary, SendFlags::empty()).unwrap();
        }
        let deadline = Clock.after(Duration::from_millis(50));
        Client::greeted(client.into(), 1, deadline).map(|client| client.map().map(drop))
    };
    let says = |messages: &[(i64, bool)]| greeted(messages).unwrap_err().to_string();
    assert!(says(&[(1, false)]).contains("version 1"));
    assert!(says(&[(0, false), (70_000, false)]).contains("70000"));
    assert!(says(&[(0, false), (0, false), (5, true)]).contains("shared memory"));
    assert!(says(&[(0, false), (0, false), (-1, false)]).contains("without its descriptor"));
    assert!(says(&[(0, false), (0, false), (-1, true)]).contains("greeting"));
    // A memory that is none is found when it is mapped, not at the first access.
    let mapped = greeted(&[(0, false), (0, false), (-1, true), (0, true)]).unwrap();
    assert!(mapped.unwrap_err().to_string().contains("map the server's memory"));
}

#[test]
fn memory_that_a_strange_server_cuts_is_no_end_of_this_program() {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    let (client, server) = UnixStream::pair().unwrap();
    let memory = memfd_create("strange", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, SIZE).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    for (value, descriptor) in [(0, None), (0, None), (-1, Some(memory.as_fd())), (0, Some(null.as_fd()))] {
        let value: i64 = value;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        sendmsg(&server, &[IoSlice::new(&value.to_le_bytes())], &mut ancillary, SendFlags::empty()).unwrap();
    }
    let host = Client::greeted(client.into(), 1, Clock.after(PATIENCE)).unwrap();
    let mapped = host.map().unwrap();
    assert!(!host.is_sealed() && mapped.can_be_cut());
    assert!(!SealedMemory::new(SIZE).unwrap().map().unwrap().can_be_cut());
    let last = mapped.base().as_ptr().wrapping_add(SIZE as usize - 1);
    // SAFETY: the last byte of the mapping, which nobody else has.
    let at_last = || unsafe { last.read_volatile() };
    rustix::io::pwrite(&memory, &[7], SIZE - 1).unwrap();
    assert_eq!(at_last(), 7);
    ftruncate(&memory, 4096).unwrap();
    assert_eq!(at_last(), 0);
}

struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real QEMU as a peer; its processors do not run. Nothing where there is none.
fn machine(socket: &Path, vectors: u16) -> Option<Machine> {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-S"]);
    command.arg("-chardev").arg(format!("socket,id=shm,path={}", socket.display()));
    command.arg("-device").arg(format!("ivshmem-doorbell,chardev=shm,vectors={vectors}"));
    match command.stdin(Stdio::null()).spawn() {
        Ok(child) => Some(Machine(child)),
        Err(error) => {
            eprintln!("skipped: there is no qemu-system-x86_64: {error}");
            None
        }
    }
}

#[test]
fn real_machines_are_peers_and_their_end_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ivshmem");
    let server = server(4, ServerOptions { socket: Some(path.clone()), ..Default::default() });
    let deadline = Clock.after(PATIENCE);
    let mut host = Client::connect(&path, 4, deadline).unwrap();
    let Some(first) = machine(&path, 4) else { return };
    let id = host.wait_for_other(4, deadline).unwrap();
    // A second one, with fewer vectors than the server gives.
    let second = machine(&path, 2).unwrap();
    until(&server, |report| report.connected.len() == 3);
    drop(first);
    assert!(host.wait_for_leave(id, deadline).unwrap());
    let other = host.wait_for_other(4, deadline).unwrap();
    assert_ne!(other, id);
    drop(second);
    assert!(host.wait_for_leave(other, deadline).unwrap());
    assert_eq!(server.report().put_out_count, 0);
}
