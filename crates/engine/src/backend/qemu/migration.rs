//! QEMU's migration, to a file and from one. Its end is an event; it is never asked how far it is.

use super::qmp::{Event, QmpClient, QmpError};
use isodyne_core::unit::HostInstant;
use serde_json::{Value, json};
use std::os::fd::{BorrowedFd, RawFd};

/// QEMU holds a migration back to what a network can carry, if nothing is said: bytes per second.
const NO_LIMIT: u64 = 1 << 50;
/// The name that QEMU knows the state's file by.
const STATE: &str = "state";
/// What QEMU says between a migration's last event and its own end.
const NOT_FINAL: &str = "not finalized";
/// A question that comes too early is asked again: each time QEMU's other thread gets a turn.
const TURNS: usize = 10_000;

/// Writes the state of a machine that stands still; gives when QEMU said that all of it was written. `template` leaves
/// the memory out that is a file already.
///
/// # Errors
/// [`QmpError`], with QEMU's reason.
pub(super) fn save(
    qmp: &mut QmpClient,
    to: BorrowedFd<'_>,
    template: bool,
    deadline: HostInstant,
) -> Result<HostInstant, QmpError> {
    let configured = configure(qmp, template)?;
    let given = qmp.give(to, STATE)?;
    let migrate = qmp.send("migrate", Some(json!({ "uri": format!("fd:{STATE}") })))?;
    for pending in configured.into_iter().chain([given, migrate]) {
        qmp.wait(&pending, deadline)?;
    }
    end(qmp, "migrate", deadline)
}

/// Reads the state of a machine that has not run; gives when QEMU said that all of it was read.
///
/// # Errors
/// [`QmpError`]; QEMU ends when it does not understand what it reads.
pub(super) fn load(
    qmp: &mut QmpClient,
    template: bool,
    from: RawFd,
    deadline: HostInstant,
) -> Result<HostInstant, QmpError> {
    let configured = configure(qmp, template)?;
    let incoming = qmp.send("migrate-incoming", Some(json!({ "uri": format!("fd:{from}") })))?;
    for pending in configured.into_iter().chain([incoming]) {
        qmp.wait(&pending, deadline)?;
    }
    end(qmp, "migrate-incoming", deadline)
}

/// Lets a machine run again whose state has been written; gives when it did.
///
/// # Errors
/// [`QmpError`]
pub(super) fn resume(qmp: &mut QmpClient, deadline: HostInstant) -> Result<HostInstant, QmpError> {
    let mut turns = 0;
    loop {
        let resume = qmp.send("cont", None)?;
        match qmp.wait(&resume, deadline) {
            Ok((_, answered)) => {
                let announced = qmp.take_events().into_iter().find(|event| event.name == "RESUME");
                return Ok(announced.map_or(answered, |event| event.at));
            }
            // There is no event for the end of a migration's thread, which comes right after the last one.
            Err(QmpError::Refused { description, .. }) if description.contains(NOT_FINAL) && turns < TURNS => {
                turns += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn configure(qmp: &mut QmpClient, template: bool) -> Result<[super::qmp::Pending; 2], QmpError> {
    let capability = |name: &str, state: bool| json!({ "capability": name, "state": state });
    let capabilities = json!([capability("events", true), capability("x-ignore-shared", template)]);
    let capabilities = qmp.send("migrate-set-capabilities", Some(json!({ "capabilities": capabilities })))?;
    let limit = qmp.send("migrate-set-parameters", Some(json!({ "max-bandwidth": NO_LIMIT })))?;
    Ok([capabilities, limit])
}

/// Waits for the event that ends a migration.
fn end(qmp: &mut QmpClient, command: &str, deadline: HostInstant) -> Result<HostInstant, QmpError> {
    let ended = |event: &Event| is_end(event).is_some();
    let event = qmp.wait_event(command, deadline, ended)?;
    if is_end(&event) == Some(true) {
        return Ok(event.at);
    }
    let answer = qmp.execute("query-migrate", deadline)?;
    let reason = answer.get("error-desc").and_then(Value::as_str).unwrap_or("it does not say why");
    Err(QmpError::Refused { command: command.to_owned(), description: reason.to_owned() })
}

/// Whether the event says that the migration has ended well; `None` if it has not ended.
fn is_end(event: &Event) -> Option<bool> {
    let status = event.data.get("status").and_then(Value::as_str).filter(|_| event.name == "MIGRATION")?;
    match status {
        "completed" => Some(true),
        "failed" | "cancelled" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn a_migration_that_fails_says_why() {
        let (ours, mut qemu) = UnixStream::pair().unwrap();
        let mut qmp = QmpClient::new(ours.into(), Clock).unwrap();
        qemu.write_all(b"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\n").unwrap();
        for id in 1..=3 {
            qemu.write_all(format!("{{\"return\": {{}}, \"id\": {id}}}\n").as_bytes()).unwrap();
        }
        qemu.write_all(b"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"failed\"}}\n").unwrap();
        qemu.write_all(b"{\"return\": {\"error-desc\": \"no room\"}, \"id\": 4}\n").unwrap();
        let error = load(&mut qmp, false, 7, Clock.after(Duration::from_secs(5))).unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
    }

    #[test]
    fn a_machine_that_is_asked_to_run_too_early_is_asked_again() {
        let (ours, mut qemu) = UnixStream::pair().unwrap();
        let mut qmp = QmpClient::new(ours.into(), Clock).unwrap();
        let soon = Clock.after(Duration::from_secs(5));
        qemu.write_all(b"{\"error\": {\"desc\": \"Migration is not finalized yet\"}, \"id\": 1}\n").unwrap();
        qemu.write_all(b"{\"event\": \"RESUME\"}\n{\"return\": {}, \"id\": 2}\n").unwrap();
        resume(&mut qmp, soon).unwrap();
        qemu.write_all(b"{\"error\": {\"desc\": \"another reason\"}, \"id\": 3}\n").unwrap();
        assert!(resume(&mut qmp, soon).unwrap_err().to_string().contains("another reason"));
    }
}
