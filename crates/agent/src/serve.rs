//! Serving: hello, then one request after the other until the end.

use crate::exec::{self, Stop};
use crate::link::Link;
use crate::options::Service;
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, interest, uptime_ns, wait};
use crate::sys::process::{Notice, Signals, pid, reap};
use crate::sys::{file, machine};
use crate::{Start, complain};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use isodyne_proto::{Decoder, Hello, Message, Opening, ShutdownHow, VERSION_NEWEST, VERSION_OLDEST};

/// Serves as a plain process; gives the exit code.
pub(crate) fn as_process(start: &Start<'_>, words: &[&[u8]]) -> u8 {
    file::fill_standard_streams(c"/dev/null");
    let service = match Service::from_words(start, words) {
        Ok(service) => service,
        Err(reason) => {
            complain(&reason);
            return 2;
        }
    };
    match serve(start, &service, false) {
        Ok(_) => 0,
        Err(reason) => {
            complain(&reason);
            1
        }
    }
}

/// Opens the channel and serves it to the end. A closed channel and a request to end are good ends.
pub(crate) fn serve(start: &Start<'_>, service: &Service, is_init: bool) -> Result<ShutdownHow, String> {
    let signals = Signals::take().map_err(|errno| format!("failed to take signals: {errno}"))?;
    let link = Link::open(&service.channel, Moment::after_ms(service.patience_ms))?;
    let mut server = Server { start, service, signals, link };
    match server.run(is_init) {
        Ok(how) => Ok(how),
        Err(Stop::Closed) => Ok(ShutdownHow::Exit),
        Err(Stop::Terminated) => Err("ended by a signal".to_owned()),
        Err(Stop::Failed(reason)) => {
            // The host may still be there to read the reason.
            let _ = server.send(&Message::Error { text: reason.clone() });
            Err(reason)
        }
    }
}

struct Server<'a> {
    start: &'a Start<'a>,
    service: &'a Service,
    signals: Signals,
    link: Link,
}

impl Server<'_> {
    fn run(&mut self, is_init: bool) -> Result<ShutdownHow, Stop> {
        self.send(&Message::Hello(self.hello(is_init)))?;
        let mut decoder = Decoder::new(Opening::Frames);
        loop {
            let message = self.receive(&mut decoder)?;
            match message {
                Message::Welcome { version } if (VERSION_OLDEST..=VERSION_NEWEST).contains(&version) => {}
                Message::ExecRequest(request) => {
                    let reply =
                        exec::run(&request, self.start.environment, &self.signals, &self.link, self.patience())?;
                    self.send(&Message::ExecReply(reply))?;
                }
                Message::Ping { id } => self.send(&Message::Pong { id })?,
                Message::Shutdown(how) => {
                    self.send(&Message::Bye)?;
                    self.link.drain();
                    return Ok(how);
                }
                other => return Err(Stop::Failed(format!("the host sent what it may not: {}", other.kind()))),
            }
        }
    }

    fn patience(&self) -> u64 {
        self.service.patience_ms
    }

    fn hello(&self, is_init: bool) -> Hello {
        let (kernel_release, machine) = machine::kernel_identity();
        Hello {
            newest: VERSION_NEWEST,
            oldest: VERSION_OLDEST,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: pid().unsigned_abs(),
            is_init,
            kernel_release,
            machine,
            uptime_ns: uptime_ns(),
            prepared_ns: Moment::now().ns_since(self.start.began),
        }
    }

    fn send(&self, message: &Message) -> Result<(), Stop> {
        let mut frame = Vec::new();
        message.encode(&mut frame).map_err(|error| Stop::Failed(error.to_string()))?;
        self.link.write_all(&frame, Moment::after_ms(self.patience())).map_err(|errno| {
            if errno.0 == linux_raw_sys::errno::EPIPE {
                Stop::Closed
            } else {
                Stop::Failed(format!("failed to write to the channel: {errno}"))
            }
        })
    }

    /// The host's next message. Children are reaped while waiting for it.
    fn receive(&self, decoder: &mut Decoder) -> Result<Message, Stop> {
        let until = Moment::after_ms(self.patience());
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(message) = decoder.next_message().map_err(|error| Stop::Failed(error.to_string()))? {
                return Ok(message);
            }
            let mut interests =
                [interest(self.link.input(), READABLE | CLOSING), interest(self.signals.fd(), READABLE)];
            let came = wait(&mut interests, until).map_err(|errno| Stop::Failed(format!("failed to wait: {errno}")))?;
            if !came {
                return Err(Stop::Failed(format!("no request within {} s", self.patience() / 1000)));
            }
            if interests[1].revents != 0 {
                self.take_signals()?;
            }
            if interests[0].revents & (READABLE | HUNG_UP) != 0 {
                match self.link.read(&mut buffer) {
                    Ok(None) => {}
                    Ok(Some(0)) | Err(_) => {
                        decoder.finish().map_err(|error| Stop::Failed(error.to_string()))?;
                        return Err(Stop::Closed);
                    }
                    Ok(Some(length)) => decoder.feed(buffer.get(..length).unwrap_or_default()),
                }
            }
        }
    }

    fn take_signals(&self) -> Result<(), Stop> {
        while let Some(notice) = self.signals.next() {
            if notice == Notice::Terminate {
                return Err(Stop::Terminated);
            }
        }
        while reap().is_some() {}
        Ok(())
    }
}
