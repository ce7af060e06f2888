//! A host without descriptors: the server turns people away, keeps those it has, and goes on later. A test program of its
//! own, because the limit is the whole process's.

use isodyne_engine::backend::qemu::ivshmem::{Client, SealedMemory, Server, ServerOptions};
use isodyne_engine::clock::Clock;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_shortage_of_descriptors_passes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ivshmem");
    let options = ServerOptions { vectors: 8, socket: Some(path.clone()), ..Default::default() };
    let server = Server::start(Arc::new(SealedMemory::new(4096).unwrap()), options).unwrap();
    let deadline = Clock.after(Duration::from_secs(20));
    let mut kept = Client::greeted(server.connect().unwrap(), 8, deadline).unwrap();

    let address = SocketAddrUnix::new(&path).unwrap();
    let waiting: Vec<OwnedFd> =
        (0..2).map(|_| socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap()).collect();
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..before }).unwrap();
    let mut filler = Vec::new();
    while let Ok(copy) = waiting[0].try_clone() {
        filler.push(copy);
    }
    // One cannot even be accepted; with four descriptors to be had, one is accepted and gets no vectors.
    connect(&waiting[0], &address).unwrap();
    while server.report().shortages == 0 {
        assert!(Clock.now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    filler.truncate(filler.len() - 4);
    assert_eq!(rustix::io::read(&waiting[0], &mut [0; 8]), Ok(0));
    assert_eq!(server.report().connected, [kept.id()]);
    kept.update().unwrap();

    drop(filler);
    setrlimit(Resource::Nofile, before).unwrap();
    connect(&waiting[1], &address).unwrap();
    let [_, second] = <[OwnedFd; 2]>::try_from(waiting).unwrap();
    let second = Client::greeted(second, 8, deadline).unwrap();
    assert_eq!(kept.wait_for_other(8, deadline).unwrap(), second.id());
}
