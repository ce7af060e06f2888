//! Requests to a monitor's control API over a unix socket: what is sent is a list that can be shown before it is sent.

use super::diagnose::last_words;
use super::logs::{Logs, tail};
use crate::backend::Step;
use crate::clock::Clock;
use crate::http::{Client, HttpError, Reply, Request};
use crate::ownership::OwnedProcess;
use crate::watch::Watcher;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiCall {
    /// `PUT`, `PATCH`, `GET`.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// The body, if there is one.
    pub body: Option<Value>,
}

impl ApiCall {
    /// `PUT` with a body.
    pub fn put(target: impl Into<String>, body: Value) -> Self {
        Self { method: "PUT", target: target.into(), body: Some(body) }
    }

    /// `PUT` without a body.
    pub fn put_nothing(target: impl Into<String>) -> Self {
        Self { method: "PUT", target: target.into(), body: None }
    }

    /// `PATCH` with a body.
    pub fn patch(target: impl Into<String>, body: Value) -> Self {
        Self { method: "PATCH", target: target.into(), body: Some(body) }
    }

    /// `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), body: None }
    }

    /// The call as a step of a description.
    pub fn step(&self, socket: &str) -> Step {
        Step::Request {
            socket: socket.to_owned(),
            call: format!("{} {}", self.method, self.target),
            body: self.body.clone(),
        }
    }
}

/// A monitor answers within milliseconds on an idle host, and within ten seconds where the processor itself is emulated.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// How often somebody looks whether a monitor that makes no socket still lives. Its socket is announced and needs no look.
const LOOK: Duration = Duration::from_millis(50);

/// Connects as soon as the monitor has made its socket, and gives up when the monitor has ended.
///
/// # Errors
/// [`HttpError::Connect`] with the socket's path.
pub fn connect(
    socket: &Path,
    process: &mut OwnedProcess,
    clock: Clock,
    deadline: HostInstant,
) -> Result<Client, HttpError> {
    loop {
        let error = match crate::channel::connect_unix(socket, clock, clock.after(LOOK).min(deadline)) {
            Ok(stream) => return Client::on(stream, socket, clock),
            Err(error) => error,
        };
        let again = error.kind() == io::ErrorKind::TimedOut && clock.now() < deadline;
        if !again || process.wait(clock.now()).is_some() {
            return Err(HttpError::Connect { socket: socket.to_owned(), source: error });
        }
    }
}

/// The failure of a monitor that did not come up: its own words say most. It is killed if it still lives.
pub fn explain(
    monitor: &str,
    error: &HttpError,
    process: &mut OwnedProcess,
    watcher: Watcher,
    logs: &Logs,
    clock: Clock,
) -> Failure {
    let mut failure = failure(monitor, error);
    // A monitor that has answered an error may end by it: Firecracker does, when it cannot bring a snapshot back.
    let exit = process.wait(clock.after(Duration::from_millis(500)));
    if exit.is_none() {
        process.kill();
    }
    watcher.finish();
    if let Some(exit) = exit {
        let words = match error {
            HttpError::Status { message, .. } => message.clone(),
            _ => last_words(&tail(&logs.monitor)).unwrap_or_else(|| failure.message.clone()),
        };
        failure = Failure::new(FailureClass::Launch, format!("{monitor} did not start ({}): {words}", exit.status));
    }
    failure.evidence = logs.evidence();
    failure
}

/// Sends one request and takes the answer; anything but success is an error with the monitor's own words.
///
/// # Errors
/// As [`Client::call`], and [`HttpError::Status`].
pub fn call(client: &mut Client, call: &ApiCall, deadline: HostInstant) -> Result<Reply, HttpError> {
    let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
    let request = Request::new(call.method, &call.target).with_body("application/json", body.as_bytes());
    let reply = client.call(&request, deadline)?;
    if reply.is_success() {
        return Ok(reply);
    }
    Err(HttpError::Status { call: request.call(), status: reply.status, message: reply.message() })
}

/// The failure that an error of the API is.
pub fn failure(monitor: &str, error: &HttpError) -> Failure {
    let class = match error {
        HttpError::Timeout { .. } => FailureClass::Timeout,
        HttpError::Invalid { .. } => FailureClass::Protocol,
        _ => FailureClass::Launch,
    };
    Failure::new(class, format!("{monitor}: {}", crate::backend::chain(error)))
}
