//! QEMU's migration, to a file and from one. Its end is an event; it is never asked how far it is.

use super::qmp::{Event, Pending, QmpClient, QmpError};
use crate::backend::snapshot::MappedRam;
use isodyne_core::unit::HostInstant;
use serde_json::{Value, json};
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// QEMU holds a migration back to what a network can carry, if nothing is said: bytes per second.
const NO_LIMIT: u64 = 1 << 50;
/// The name that QEMU knows the state's file by.
const STATE: &str = "state";
/// The set of descriptors in which QEMU finds the state's file by the access that it wants to have to it.
const SET: u32 = 1;
/// What QEMU can do since version 9.0: each page of the memory has its place in the file.
const MAPPED_RAM: &str = "mapped-ram";
/// What it can go past the page cache by, since version 9.1.
const DIRECT_IO: &str = "direct-io";
/// What QEMU says between a migration's last event and its own end.
const NOT_FINAL: &str = "not finalized";
/// A question that comes too early is asked again: each time QEMU's other thread gets a turn.
const TURNS: usize = 10_000;

/// How the memory lies in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One page behind the other, with the devices.
    Stream,
    /// Not at all: it is a file already.
    Template,
    /// Each page at a place of its own.
    MappedRam(MappedRam),
}

/// What of the forms a QEMU knows. What it does not know, it must not even be told to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    mapped_ram: bool,
    direct_io: bool,
}

/// Asks QEMU what it knows.
///
/// # Errors
/// [`QmpError`]
pub(super) fn known(qmp: &mut QmpClient, deadline: HostInstant) -> Result<Known, QmpError> {
    let capabilities = qmp.send("query-migrate-capabilities", None)?;
    let parameters = qmp.send("query-migrate-parameters", None)?;
    let capabilities = qmp.wait(&capabilities, deadline)?.0;
    let parameters = qmp.wait(&parameters, deadline)?.0;
    let mut all = capabilities.as_array().into_iter().flatten();
    Ok(Known {
        mapped_ram: all.any(|one| one.get("capability").and_then(Value::as_str) == Some(MAPPED_RAM)),
        direct_io: parameters.get(DIRECT_IO).is_some(),
    })
}

impl Known {
    /// Why this QEMU does not have a form, and the way out.
    pub(super) fn lacks(self, form: Form, version: [u32; 3]) -> Option<String> {
        let Form::MappedRam(mapped) = form else { return None };
        let [major, minor, micro] = version;
        if !self.mapped_ram {
            return Some(format!(
                "QEMU {major}.{minor}.{micro} has no `{MAPPED_RAM}`, which came with version 9.0: keep the machine in the \
                 form `full`, or take a newer QEMU"
            ));
        }
        (mapped.direct_io && !self.direct_io).then(|| {
            format!(
                "QEMU {major}.{minor}.{micro} cannot go past the page cache, which came with version 9.1: leave direct I/O \
                 out, or take a newer QEMU"
            )
        })
    }
}

/// The file that a state is written to.
pub(super) struct StateFile {
    /// Through the page cache.
    pub file: OwnedFd,
    /// Past it.
    pub direct: Option<OwnedFd>,
}

/// Writes the state of a machine that stands still; gives when QEMU said that all of it was written.
///
/// # Errors
/// [`QmpError`], with QEMU's reason.
pub(super) fn save(
    qmp: &mut QmpClient,
    to: &StateFile,
    form: Form,
    known: Known,
    deadline: HostInstant,
) -> Result<HostInstant, QmpError> {
    let mut pending: Vec<Pending> = configure(qmp, form, known.mapped_ram)?.into();
    let Form::MappedRam(_) = form else {
        pending.push(qmp.give(to.file.as_fd(), STATE)?);
        pending.push(qmp.send("migrate", Some(json!({ "uri": format!("fd:{STATE}") })))?);
        for pending in pending {
            qmp.wait(&pending, deadline)?;
        }
        return end(qmp, "migrate", deadline);
    };
    // Threads open the file for themselves, so that QEMU takes it as a name: one that stands for descriptors.
    for file in std::iter::once(&to.file).chain(&to.direct) {
        pending.push(qmp.give_to_set(file.as_fd(), SET)?);
    }
    pending.push(qmp.send("migrate", Some(json!({ "uri": format!("file:/dev/fdset/{SET}") })))?);
    let mut ended = Ok(());
    for pending in pending {
        // Each answer is taken, so that the set is emptied whatever went wrong.
        ended = ended.and(qmp.wait(&pending, deadline).map(drop));
    }
    let ended = ended.and_then(|()| end(qmp, "migrate", deadline));
    let emptied = qmp.send("remove-fd", Some(json!({ "fdset-id": SET })))?;
    let emptied = qmp.wait(&emptied, deadline);
    let at = ended?;
    emptied?;
    Ok(at)
}

/// Reads the state of a machine that has not run; gives when QEMU said that all of it was read.
///
/// # Errors
/// [`QmpError`]; QEMU ends when it does not understand what it reads.
pub(super) fn load(
    qmp: &mut QmpClient,
    form: Form,
    from: RawFd,
    deadline: HostInstant,
) -> Result<HostInstant, QmpError> {
    let is_mapped = matches!(form, Form::MappedRam(_));
    let configured = configure(qmp, form, is_mapped)?;
    // Threads open the file for themselves: what QEMU has inherited, once more by its number.
    let uri = if is_mapped { format!("file:/proc/self/fd/{from}") } else { format!("fd:{from}") };
    let incoming = qmp.send("migrate-incoming", Some(json!({ "uri": uri })))?;
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

/// Says what the state has and how it is written or read. A machine may have been kept in another form before.
fn configure(qmp: &mut QmpClient, form: Form, knows_mapped_ram: bool) -> Result<[Pending; 2], QmpError> {
    let mapped = if let Form::MappedRam(mapped) = form { Some(mapped) } else { None };
    let threads = mapped.map_or(0, MappedRam::threads);
    let mut wanted = vec![("events", true), ("x-ignore-shared", form == Form::Template), ("multifd", threads > 0)];
    wanted.extend(knows_mapped_ram.then_some((MAPPED_RAM, mapped.is_some())));
    let wanted: Vec<Value> = wanted.iter().map(|(name, state)| json!({ "capability": name, "state": state })).collect();
    let capabilities = qmp.send("migrate-set-capabilities", Some(json!({ "capabilities": wanted })))?;
    let mut parameters = json!({ "max-bandwidth": NO_LIMIT });
    if threads > 0 {
        parameters["multifd-channels"] = threads.into();
        if mapped.is_some_and(|mapped| mapped.direct_io) {
            parameters[DIRECT_IO] = true.into();
        }
    }
    let parameters = qmp.send("migrate-set-parameters", Some(parameters))?;
    Ok([capabilities, parameters])
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
        let error = load(&mut qmp, Form::Stream, 7, Clock.after(Duration::from_secs(5))).unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
    }

    #[test]
    fn what_a_qemu_lacks_is_said_with_its_version_and_the_way_out() {
        let (ours, mut qemu) = UnixStream::pair().unwrap();
        let mut qmp = QmpClient::new(ours.into(), Clock).unwrap();
        let soon = Clock.after(Duration::from_secs(5));
        let mut answer = |first: u32, capability: &str, parameter: &str| {
            let capabilities = format!("[{{\"capability\": \"{capability}\", \"state\": false}}]");
            let line = format!("{{\"return\": {capabilities}, \"id\": {first}}}\n");
            qemu.write_all(line.as_bytes()).unwrap();
            let line = format!("{{\"return\": {{\"{parameter}\": false}}, \"id\": {}}}\n", first + 1);
            qemu.write_all(line.as_bytes()).unwrap();
            known(&mut qmp, soon).unwrap()
        };
        let old = answer(1, "multifd", "max-bandwidth");
        let first = answer(3, "mapped-ram", "max-bandwidth");
        let new = answer(5, "mapped-ram", "direct-io");
        let form = |direct_io| Form::MappedRam(MappedRam { channels: 0, direct_io });
        assert_eq!(old.lacks(Form::Stream, [7, 2, 1]), None);
        let why = old.lacks(form(false), [7, 2, 1]).unwrap();
        assert!(why.contains("QEMU 7.2.1") && why.contains("9.0") && why.contains("`full`"), "{why}");
        assert_eq!(first.lacks(form(false), [9, 0, 0]), None);
        assert!(first.lacks(form(true), [9, 0, 0]).unwrap().contains("9.1"));
        assert_eq!(new.lacks(form(true), [10, 0, 0]), None);
    }

    #[test]
    fn a_form_is_left_again_where_qemu_knows_it() {
        use std::io::{BufRead, BufReader};
        let (ours, qemu) = UnixStream::pair().unwrap();
        let mut qmp = QmpClient::new(ours.into(), Clock).unwrap();
        let mut said = BufReader::new(qemu).lines();
        let mut configured = |form, knows| {
            configure(&mut qmp, form, knows).unwrap();
            [said.next(), said.next()].map(|line| line.unwrap().unwrap())
        };
        let direct = Form::MappedRam(MappedRam { channels: 0, direct_io: true });
        let [capabilities, parameters] = configured(direct, true);
        assert!(capabilities.contains(r#"{"capability":"mapped-ram","state":true}"#), "{capabilities}");
        assert!(capabilities.contains(r#"{"capability":"multifd","state":true}"#), "{capabilities}");
        assert!(parameters.contains(r#""multifd-channels":1"#) && parameters.contains(r#""direct-io":true"#));
        let [capabilities, parameters] = configured(Form::Template, true);
        assert!(capabilities.contains(r#"{"capability":"mapped-ram","state":false}"#), "{capabilities}");
        assert!(capabilities.contains(r#"{"capability":"x-ignore-shared","state":true}"#), "{capabilities}");
        assert!(!parameters.contains("direct-io"), "{parameters}");
        let [capabilities, _] = configured(Form::Stream, false);
        assert!(!capabilities.contains("mapped-ram"), "{capabilities}");
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
