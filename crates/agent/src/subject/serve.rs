//! The side that holds the state and answers.

use super::connections::Connections;
use super::family::{Family, Task};
use super::files::Files;
use super::memory::Restless;
use super::pipes::Pipes;
use super::signs::{Ticks, Writer};
use super::{QUESTION_BYTES, trips, trying};
use crate::sys::Errno;
use crate::sys::file::{self, Fd};
use crate::sys::poll::{Moment, READABLE, interest, wait};
use crate::sys::process::{self, Fork};
use crate::sys::socket::{self, Address};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;
use isodyne_subject::mix;
use isodyne_subject::spec::Spec;

/// How long whoever asks may take for the question.
const PATIENCE_MS: u64 = 5_000;
/// Descriptors that are there beside those that the state takes.
const OTHER_DESCRIPTORS: u64 = 16;

/// Answers until it is ended.
pub(super) fn run(address: &Address, directory: &[u8]) -> Result<(), String> {
    let listener = socket::listen(address).map_err(trying("listen"))?;
    let _ = file::write_all(1, b"listening\n");
    serve(&listener, directory)
}

/// Begins to answer in the background, where no other program owns it: it ends with its sandbox.
pub(super) fn start(address: &Address, directory: &[u8]) -> Result<(), String> {
    let listener = socket::listen(address).map_err(trying("listen"))?;
    let (left, leaving) = file::pipe().map_err(trying("open a pipe"))?;
    // SAFETY: the program has one thread, so the child may do all that it could.
    match unsafe { process::fork() }.map_err(trying("fork"))? {
        Fork::Parent { .. } => {
            drop(leaving);
            // What is left of the group is killed when this process ends: the child must have left it.
            let mut byte = [0];
            if left.read(&mut byte) == Ok(1) { Ok(()) } else { Err("it ended before it listened".into()) }
        }
        Fork::Child => {
            process::lead_session();
            let _ = leaving.write(&[1]);
            process::default_signals();
            // Whoever started it waits for the end of its streams.
            file::close_all_but([listener.number(), listener.number()]);
            file::fill_standard_streams(c"/dev/null");
            serve(&listener, directory)
        }
    }
}

fn serve(listener: &Fd, directory: &[u8]) -> Result<(), String> {
    process::survive_broken_pipes();
    let mut state = None;
    loop {
        // A minute is as good as for ever.
        wait(&mut [interest(listener, READABLE)], Moment::after_ms(60_000)).map_err(trying("wait"))?;
        let connection = match socket::accept(listener) {
            Ok(connection) => connection,
            Err(Errno::AGAIN) => continue,
            Err(errno) => return Err(trying("accept a question")(errno)),
        };
        let answer = question(&connection)
            .and_then(|question| reply(&mut state, &question, directory))
            .map_or_else(|error| format!("error {error}\n"), |answer| format!("ok\n{answer}"));
        let _ = file::write_all(connection.number(), answer.as_bytes());
    }
}

/// Reads up to the end of the line.
fn question(connection: &Fd) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 512];
    let until = Moment::after_ms(PATIENCE_MS);
    while !bytes.ends_with(b"\n") {
        let came = wait(&mut [interest(connection, READABLE)], until).unwrap_or(false);
        let length = if came { connection.read(&mut buffer).unwrap_or(0) } else { 0 };
        if length == 0 || bytes.len() + length > QUESTION_BYTES {
            return Err("the question is no line".into());
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    String::from_utf8(bytes).map(|line| line.trim().to_string()).map_err(|_| "the question is no text".into())
}

/// All that the subject holds.
struct State {
    spec: Spec,
    /// As in the spec, but for a lie.
    nonce: [u64; 2],
    family: Family,
    writer: &'static Writer,
    ticks: &'static Ticks,
    files: Files,
    pipes: Pipes,
    connections: Connections,
}

fn reply(state: &mut Option<State>, question: &str, directory: &[u8]) -> Result<String, String> {
    let (word, rest) = question.split_once(' ').unwrap_or((question, ""));
    if word == "prepare" {
        if state.is_some() {
            return Err("it holds a state already".into());
        }
        *state = Some(State::prepare(&Spec::parse(rest.split(' '))?, directory)?);
        return Ok(String::new());
    }
    // A subject that was started anew says so here.
    let state = state.as_mut().ok_or("it holds nothing")?;
    let number = || rest.trim().parse::<u64>().map_err(|_| format!("`{word}` takes a number, not `{rest}`"));
    let mut out = String::new();
    match word {
        "hello" => state.hello(number()?, &mut out),
        "ticks" => state.gaps(rest == "forget", &mut out),
        "pause" if !state.writer.pause() => return Err("the writing does not stop".into()),
        "pause" => say(&mut out, "writes", state.writer.writes()),
        "go" => state.writer.go_on(),
        "alive" => {
            let report = state.family.ask(Task::Alive)?;
            say(&mut out, "processes", report.processes);
            say(&mut out, "threads", report.threads);
            say(&mut out, "identity", report.identity);
        }
        "memory" => {
            let key = number()?;
            let of_still = state.family.ask(Task::Digest(key))?.digest;
            say(&mut out, "writes", state.writer.writes());
            say(&mut out, "stale", state.writer.stale());
            say(&mut out, "memory", of_still.wrapping_add(state.writer.digest(key)));
        }
        "objects" => state.objects(number()?, &mut out)?,
        "touch" => {
            let touched = state.family.ask(Task::Touch(number()?))?.touched;
            for (step, time) in touched.steps_ns.iter().enumerate() {
                say(&mut out, &format!("touch_{}", (step + 1) * 10), *time);
            }
            say(&mut out, "minor_faults", touched.minor_faults);
            say(&mut out, "major_faults", touched.major_faults);
        }
        "lie" => state.lie(rest)?,
        other => return Err(format!("`{other}` is no question")),
    }
    Ok(out)
}

fn say(out: &mut String, name: &str, value: u64) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{name} {value}");
}

impl State {
    fn prepare(spec: &Spec, directory: &[u8]) -> Result<Self, String> {
        let limit = process::raise_open_files().map_err(trying("raise the limit of open files"))?;
        let pairs = spec.pipes + spec.connections + spec.processes;
        let needed = spec.files + spec.bound + spec.locks + 2 * pairs + OTHER_DESCRIPTORS;
        if needed > limit {
            return Err(format!("it needs {needed} open files, and may open {limit}"));
        }
        // Other processes first: they are forked from one without threads.
        let family = Family::begin(spec)?;
        let files = Files::make(spec, directory)?;
        let pipes = Pipes::open(spec)?;
        let connections = Connections::open(spec)?;
        let restless = Restless::hold(spec).map_err(trying("map memory"))?;
        let ticks = Ticks::start().map_err(trying("start a thread"))?;
        let writer = Writer::start(restless, spec.dirty_rate).map_err(trying("start a thread"))?;
        if let Ok(port @ 1..) = u16::try_from(spec.port) {
            trips::start(port, spec.nonce, ticks).map_err(trying("listen on a port"))?;
        }
        Ok(Self { spec: *spec, nonce: spec.nonce, family, writer, ticks, files, pipes, connections })
    }

    fn hello(&self, challenge: u64, out: &mut String) {
        say(out, "answer", mix::answer(self.nonce, challenge));
        say(out, "ticks", self.ticks.count.load(Relaxed));
        say(out, "writes", self.writer.writes());
    }

    /// The largest gap between two ticks, and how many gaps there were by powers of two.
    fn gaps(&self, forget: bool, out: &mut String) {
        say(out, "ticks", self.ticks.count.load(Relaxed));
        say(out, "largest_gap", self.ticks.largest_gap_ns.load(Relaxed));
        say(out, "now", Moment::now().ns());
        for (power, bucket) in self.ticks.buckets.iter().enumerate() {
            let count = bucket.load(Relaxed);
            if count > 0 {
                say(out, &format!("gaps_under_2_to_{power}"), count);
            }
        }
        if forget {
            self.ticks.forget();
        }
    }

    fn objects(&self, key: u64, out: &mut String) -> Result<(), String> {
        say(out, "files", self.files.digest(key)?);
        say(out, "locks", self.files.locks()?);
        say(out, "pipes", self.pipes.digest(key)?);
        say(out, "connections", self.connections.digest(key)?);
        say(out, "layer", self.files.layer_digest(&self.spec, key)?);
        say(out, "bound", self.files.bound_digest(key)?);
        Ok(())
    }

    /// Changes the state as a bad restore would, for the tests that must find it.
    fn lie(&mut self, how: &str) -> Result<(), String> {
        match how {
            "nonce" => self.nonce[0] ^= 1,
            "counter" => self.ticks.count.store(0, Relaxed),
            "bit" => self.family.own.memory.flip_a_bit(),
            "writes" => self.writer.lose_a_write(),
            "offset" => self.files.lose_offset(),
            "lock" => self.files.unlock(),
            "layer" => self.files.change_layer(),
            "pipe" => self.pipes.lose(),
            "connection" => self.connections.lose(),
            "thread" => self.family.own.lose_a_thread(),
            "identity" => self.family.own.begin_anew(),
            other => return Err(format!("`{other}` is no lie")),
        }
        Ok(())
    }
}
