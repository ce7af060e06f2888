//! Requests to a monitor's control API over a unix socket: what is sent is a list that can be shown before it is sent.

use crate::backend::Step;
use crate::clock::Clock;
use crate::http::{Client, HttpError, Reply, Request};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde_json::Value;
use std::path::Path;

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

/// Connects as soon as the monitor has made its socket.
///
/// # Errors
/// [`HttpError::Connect`] with the socket's path.
pub fn connect(socket: &Path, clock: Clock, deadline: HostInstant) -> Result<Client, HttpError> {
    let stream = crate::channel::connect_unix(socket, clock, deadline)
        .map_err(|source| HttpError::Connect { socket: socket.to_owned(), source })?;
    Client::on(stream, socket, clock)
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
