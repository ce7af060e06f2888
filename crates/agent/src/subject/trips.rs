//! Answers over TCP, to a client outside: each shows that the memory still holds the nonce.

use super::signs::Ticks;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{HUNG_UP, Interest, Moment, READABLE, interest, no_interest, wait};
use crate::sys::socket::{self, Address};
use crate::sys::{Result, thread};
use alloc::boxed::Box;
use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::Ordering::Relaxed;
use isodyne_subject::{TRIP_ANSWER_BYTES, TRIP_QUESTION_BYTES, mix};

/// Connections at a time.
const MOST: usize = 64;

struct Trips {
    listener: Fd,
    nonce: [u64; 2],
    ticks: &'static Ticks,
}

/// Listens on a port of every address, and answers from a thread of its own.
pub(super) fn start(port: u16, nonce: [u64; 2], ticks: &'static Ticks) -> Result<()> {
    let listener = socket::listen(&Address::Tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))?;
    let trips: &'static Trips = Box::leak(Box::new(Trips { listener, nonce, ticks }));
    // SAFETY: the value lives for ever and nobody changes it; the thread does not allocate.
    unsafe { thread::spawn(serve, core::ptr::from_ref(trips).expose_provenance()) }
}

struct Client {
    fd: Fd,
    question: [u8; TRIP_QUESTION_BYTES],
    filled: usize,
}

extern "C" fn serve(trips: usize) -> ! {
    // SAFETY: the starter gave the address of a value that lives for ever.
    let trips: &Trips = unsafe { &*core::ptr::with_exposed_provenance(trips) };
    let mut clients = [const { None::<Client> }; MOST];
    loop {
        let mut interests = [no_interest(); MOST + 1];
        if let Some((last, rest)) = interests.split_last_mut() {
            *last = interest(&trips.listener, READABLE);
            for (to, client) in rest.iter_mut().zip(&clients) {
                *to = client.as_ref().map_or_else(no_interest, |client| interest(&client.fd, READABLE));
            }
        }
        // A minute is as good as for ever.
        let _ = wait(&mut interests, Moment::after_ms(60_000));
        let [rest @ .., listening] = &interests;
        for (client, came) in clients.iter_mut().zip(rest) {
            if came.revents & (READABLE | HUNG_UP) != 0 && !client.as_mut().is_some_and(|client| trips.attend(client)) {
                *client = None;
            }
        }
        trips.take(listening, &mut clients);
    }
}

impl Trips {
    fn take(&self, came: &Interest, clients: &mut [Option<Client>]) {
        if came.revents & READABLE == 0 {
            return;
        }
        let Ok(fd) = socket::accept(&self.listener) else { return };
        // One beyond the most is closed: it is dropped here.
        if let Some(free) = clients.iter_mut().find(|client| client.is_none()) {
            *free = Some(Client { fd, question: [0; TRIP_QUESTION_BYTES], filled: 0 });
        }
    }

    /// Reads once and answers when a question is complete; false if the connection has ended.
    fn attend(&self, client: &mut Client) -> bool {
        let Ok(length @ 1..) = client.fd.read(client.question.get_mut(client.filled..).unwrap_or_default()) else {
            return false;
        };
        client.filled += length;
        if client.filled < TRIP_QUESTION_BYTES {
            return true;
        }
        client.filled = 0;
        let [number, challenge] = [0, 8]
            .map(|at| client.question.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default());
        let answers = [
            u64::from_le_bytes(number),
            self.ticks.count.load(Relaxed),
            mix::answer(self.nonce, u64::from_le_bytes(challenge)),
        ];
        let mut bytes = [0; TRIP_ANSWER_BYTES];
        for (to, answer) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(answers) {
            *to = answer.to_le_bytes();
        }
        file::write_all(client.fd.number(), &bytes).is_ok()
    }
}
