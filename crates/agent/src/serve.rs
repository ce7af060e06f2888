//! Serving: hello, then one request after the other until the end.

use crate::app::{self, App};
use crate::exec::{self, Stop};
use crate::link::Link;
use crate::options::Service;
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, interest, no_interest, uptime_ns, wait};
use crate::sys::process::{Signals, pid, reap};
use crate::sys::{file, machine};
use crate::{Start, complain};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use isodyne_proto::{
    Decoder, Hello, MAX_EVIDENCE, Message, Opening, ShutdownHow, StartOutcome, StartReply, StartRequest,
    VERSION_NEWEST, VERSION_OLDEST,
};

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
    let mut server = Server { start, service, signals, link, app: None, memory: Vec::new(), recalls: 0 };
    match server.run_and_return(is_init) {
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
    app: Option<App>,
    /// What the host wants kept, and how often it has asked about it.
    memory: Vec<u8>,
    recalls: u64,
}

impl Server<'_> {
    /// Serves, and opens the channel again when it closes, if the agent was told to come back: a machine that was
    /// restored from a snapshot has lost its connection, and what it remembers is to be asked for.
    fn run_and_return(&mut self, is_init: bool) -> Result<ShutdownHow, Stop> {
        loop {
            match self.run(is_init) {
                Err(Stop::Closed) if self.service.comes_back => {
                    self.link =
                        Link::open(&self.service.channel, Moment::after_ms(self.patience())).map_err(Stop::Failed)?;
                }
                ended => return ended,
            }
        }
    }

    fn run(&mut self, is_init: bool) -> Result<ShutdownHow, Stop> {
        self.send(&Message::Hello(self.hello(is_init)))?;
        let mut decoder = Decoder::new(Opening::Frames);
        loop {
            let message = self.receive(&mut decoder)?;
            match message {
                Message::Welcome { version } if (VERSION_OLDEST..=VERSION_NEWEST).contains(&version) => {}
                Message::ExecRequest(request) => {
                    let patience = self.patience();
                    let environment = self.start.environment;
                    let reply = exec::run(&request, environment, &self.signals, &self.link, &mut self.app, patience)?;
                    self.send(&Message::ExecReply(reply))?;
                }
                Message::StartRequest(request) => {
                    let reply = self.start_application(&request);
                    self.send(&Message::StartReply(reply))?;
                }
                Message::AwaitRequest(request) => {
                    let patience = self.patience();
                    let reply = app::await_ready(&mut self.app, &request, &self.signals, &self.link, patience)?;
                    self.send(&Message::AwaitReply(reply))?;
                }
                Message::EndRequest(request) => {
                    let (reply, stop) = match self.app.take() {
                        Some(app) => app.end(request, &self.signals, &self.link),
                        None => (app::nothing_to_end(request), None),
                    };
                    if let Some(stop) = stop {
                        return Err(stop);
                    }
                    self.send(&Message::EndReply(reply))?;
                }
                Message::Remember { id, mut bytes } => {
                    bytes.truncate(MAX_EVIDENCE);
                    self.memory = bytes;
                    self.recall(id)?;
                }
                Message::Recall { id } => self.recall(id)?,
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

    fn start_application(&mut self, request: &StartRequest) -> StartReply {
        const EEXIST: u32 = linux_raw_sys::errno::EEXIST;
        if self.app.is_some() {
            return StartReply { id: request.id, outcome: StartOutcome::Error(EEXIST) };
        }
        let (outcome, app) = app::start(request, self.start.environment, Moment::after_ms(self.patience()));
        self.app = app;
        StartReply { id: request.id, outcome }
    }

    fn recall(&mut self, id: u32) -> Result<(), Stop> {
        let recalls = self.recalls;
        self.recalls += 1;
        self.send(&Message::Memory { id, bytes: self.memory.clone(), recalls })
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
    fn receive(&mut self, decoder: &mut Decoder) -> Result<Message, Stop> {
        let until = Moment::after_ms(self.patience());
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(message) = decoder.next_message().map_err(|error| Stop::Failed(error.to_string()))? {
                return Ok(message);
            }
            let [stdout, stderr] = self.app.as_ref().map_or_else(|| [no_interest(); 2], App::interests);
            let mut interests = [
                interest(self.link.input(), READABLE | CLOSING),
                interest(self.signals.fd(), READABLE),
                stdout,
                stderr,
            ];
            let came = wait(&mut interests, until).map_err(|errno| Stop::Failed(format!("failed to wait: {errno}")))?;
            if !came {
                return Err(Stop::Failed(format!("no request within {} s", self.patience() / 1000)));
            }
            if let Some(app) = &mut self.app {
                app.take([interests[2].revents, interests[3].revents]);
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

    fn take_signals(&mut self) -> Result<(), Stop> {
        let terminate = match &mut self.app {
            Some(app) => app.take_signals(&self.signals),
            None => {
                let terminate = exec::drain_notices(&self.signals);
                while reap().is_some() {}
                terminate
            }
        };
        if terminate { Err(Stop::Terminated) } else { Ok(()) }
    }
}
