//! Containers of podman: their names from its storage, their processes from its runtime, and podman's own restore.
//!
//! podman brings back a container that it has created when CRIU's images and a configuration lie where its own
//! `container checkpoint` puts them. So a container is made by the command that made the first one, under another name,
//! and gets images, layer and shared memory put in place. The container is podman's like any other afterwards.

use super::find::{Container, Match, Where, default_root};
use super::state;
use crate::backend::oci::command::{self, Finished};
use crate::checkpoint::CheckpointError;
use crate::host::find_tool;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::CheckpointClass;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a call of podman may take.
const CALL: Duration = Duration::from_secs(60);
/// Options of podman that name its storage.
const ROOT_OPTIONS: [&str; 1] = ["--root"];

/// How podman is called.
fn call_of(place: &Where) -> Vec<String> {
    if place.podman.is_empty() { vec!["podman".to_owned()] } else { place.podman.clone() }
}

/// Where podman keeps its storage: as its options, its configuration or nobody says.
fn graph_root(call: &[String]) -> PathBuf {
    let mut arguments = call.iter();
    while let Some(argument) = arguments.next() {
        if ROOT_OPTIONS.contains(&argument.as_str()) {
            return PathBuf::from(arguments.next().cloned().unwrap_or_default());
        }
        if let Some(path) = argument.strip_prefix("--root=") {
            return PathBuf::from(path);
        }
    }
    let configured = std::env::var_os("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let files = configured.into_iter().chain([PathBuf::from("/etc/containers/storage.conf")]);
    let stated = files.filter_map(|path| std::fs::read_to_string(path).ok()).find_map(|text| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with("graphroot"))?;
        Some(PathBuf::from(line.split_once('=')?.1.trim().trim_matches('"')))
    });
    stated.unwrap_or_else(|| PathBuf::from("/var/lib/containers/storage"))
}

/// Every container in the storage: id, names and image.
fn stored(root: &Path) -> Vec<(String, Vec<String>, Option<String>)> {
    let drivers = ["overlay", "vfs", "btrfs", "zfs"];
    let files = drivers.iter().flat_map(|driver| {
        let directory = root.join(format!("{driver}-containers"));
        [directory.join("containers.json"), directory.join("volatile-containers.json")]
    });
    let mut all = Vec::new();
    for value in files.filter(|file| file.is_file()).filter_map(|file| state::json(&file).ok()) {
        for container in value.as_array().into_iter().flatten() {
            let Some(id) = container["id"].as_str() else { continue };
            let names = container["names"].as_array().into_iter().flatten();
            let metadata: Value =
                container["metadata"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let image = metadata["image-name"].as_str().map(str::to_owned);
            all.push((id.to_owned(), names.filter_map(|name| name.as_str().map(str::to_owned)).collect(), image));
        }
    }
    all
}

/// What podman has under this name.
pub(super) fn find(name: &str, place: &Where) -> Vec<Result<Match, CheckpointError>> {
    let call = call_of(place);
    let all = stored(&graph_root(&call));
    let named: Vec<_> = all.iter().filter(|(id, names, _)| id == name || names.iter().any(|one| one == name)).collect();
    let found = if named.is_empty() {
        all.iter().filter(|(id, ..)| name.len() >= 3 && id.starts_with(name)).collect()
    } else {
        named
    };
    let root = default_root();
    found
        .into_iter()
        .map(|(id, names, image)| {
            if !root.join(id).is_dir() {
                return absent(id, &call);
            }
            let program =
                find_tool("runc").map_or_else(|| "runc".to_owned(), |path| path.to_string_lossy().into_owned());
            let state = match state::read(&root, id) {
                Ok(state) => state,
                Err(error) if error.class == CheckpointClass::NotFound => return Ok(Match::Stopped),
                Err(error) => return Err(error),
            };
            let container = Container::of(BackendName::Podman, &program, &root, state)?;
            let shm = container.mounts.iter().find(|mount| mount.destination == "/dev/shm" && mount.managed);
            Ok(Match::Running(Box::new(Container {
                name: names.first().cloned().unwrap_or_else(|| id.clone()),
                image: image.clone(),
                shm: shm.map(|mount| PathBuf::from(&mount.source)),
                podman: call.clone(),
                ..container
            })))
        })
        .collect()
}

/// A container that runc does not know: it does not run, or another runtime runs it.
fn absent(id: &str, call: &[String]) -> Result<Match, CheckpointError> {
    let said = run(call, &["inspect", "--type", "container", "--format", "{{.State.Running}} {{.OCIRuntime}}", id])?;
    match said.stdout.trim().split_once(' ') {
        Some(("true", runtime)) => {
            let message = format!("podman runs `{id}` by `{runtime}`, and only runc's containers can be kept");
            Err(CheckpointError::new(CheckpointClass::OtherRuntime, message)
                .hint("start it with `podman --runtime runc run …`"))
        }
        _ => Ok(Match::Stopped),
    }
}

/// Runs podman.
pub(super) fn run(call: &[String], arguments: &[&str]) -> Result<Finished, CheckpointError> {
    let (program, options) = call.split_first().map_or(("podman", &[] as &[String]), |(program, rest)| (program, rest));
    let mut podman = Command::new(program);
    podman.args(options).args(arguments).env_remove("CONTAINER_HOST").env_remove("CONTAINER_CONNECTION");
    command::run(podman, CALL)
        .map_err(|error| CheckpointError::new(CheckpointClass::OtherRuntime, format!("podman does not start: {error}")))
}

/// Runs podman, and wants it to succeed.
fn done(call: &[String], arguments: &[&str]) -> Result<String, CheckpointError> {
    let finished = run(call, arguments)?;
    if finished.is_success() {
        return Ok(finished.stdout.trim().to_owned());
    }
    let said = finished.complaint();
    let class = if finished.status.is_none() {
        CheckpointClass::Timeout
    } else if said.contains("already in use") {
        CheckpointClass::NameInUse
    } else {
        CheckpointClass::Refused
    };
    let verb: Vec<&str> = arguments.iter().take_while(|part| !part.starts_with('-')).copied().collect();
    Err(CheckpointError::new(class, format!("`podman {}`: {said}", verb.join(" "))))
}

/// What podman says of a container.
pub(super) fn inspect(call: &[String], id: &str) -> Result<Value, CheckpointError> {
    let text = done(call, &["inspect", "--type", "container", id])?;
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        CheckpointError::new(CheckpointClass::Host, format!("`podman inspect` printed no JSON: {error}"))
    })?;
    Ok(value.get(0).cloned().unwrap_or_default())
}

/// Whether podman knows a name.
pub(super) fn knows(call: &[String], name: &str) -> Result<bool, CheckpointError> {
    Ok(run(call, &["container", "exists", name])?.is_success())
}

/// The arguments that make the same container under another name and do not start it.
///
/// # Errors
/// Class `other_runtime` for a container that was not made on podman's command line.
pub(super) fn create_arguments(inspected: &Value, new_name: &str) -> Result<Vec<String>, CheckpointError> {
    let made_by: Vec<String> = inspected["Config"]["CreateCommand"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| part.as_str().map(str::to_owned))
        .collect();
    let verb = made_by.iter().position(|part| part == "run" || part == "create").ok_or_else(|| {
        CheckpointError::new(CheckpointClass::OtherRuntime, "podman does not say how the container was made")
            .hint("only containers of `podman run` and `podman create` can be made again")
    })?;
    let mut arguments = vec!["create".to_owned(), "--name".to_owned(), new_name.to_owned()];
    let mut rest = made_by[verb + 1..].iter();
    // Options end at the image. Those that name a container or a file of its own are not repeated.
    while let Some(part) = rest.next() {
        if !part.starts_with('-') {
            arguments.push(part.clone());
            arguments.extend(rest.cloned());
            return Ok(arguments);
        }
        let (option, value) =
            part.split_once('=').map_or((part.as_str(), None), |(option, value)| (option, Some(value)));
        if ["--detach", "-d", "--replace", "--sig-proxy"].contains(&option) {
            continue;
        }
        let own = ["--name", "--cidfile", "--pidfile", "--conmon-pidfile", "--ip", "--mac-address", "--attach", "-a"];
        if !part.starts_with("--") && is_flag(option) {
            // `create` knows no `-d`, alone or among others.
            let letters: String = part.chars().skip(1).filter(|letter| *letter != 'd').collect();
            if !letters.is_empty() {
                arguments.push(format!("-{letters}"));
            }
            continue;
        }
        let takes_value = !is_flag(option);
        if own.contains(&option) {
            if value.is_none() {
                rest.next();
            }
            continue;
        }
        arguments.push(part.clone());
        if takes_value && value.is_none() {
            arguments.extend(rest.next().cloned());
        }
    }
    Err(CheckpointError::new(CheckpointClass::OtherRuntime, "podman does not say which image the container has"))
}

/// Puts what stands in for mounts into the arguments that make a container; the place of one that is not among them.
pub(super) fn replace_mounts(arguments: &mut [String], replaced: &[(String, PathBuf)]) -> Option<String> {
    let mut left: Vec<&str> = replaced.iter().map(|(place, _)| place.as_str()).collect();
    for index in 0..arguments.len() {
        let (option, value) = match arguments[index].split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.to_owned())),
            _ => (arguments[index].clone(), None),
        };
        let value_of = |arguments: &[String]| value.clone().or_else(|| arguments.get(index + 1).cloned());
        let other = match option.as_str() {
            "-v" | "--volume" => value_of(arguments).and_then(|value| other_volume(&value, replaced)),
            "--mount" => value_of(arguments).and_then(|value| other_mount(&value, replaced)),
            _ => None,
        };
        let Some((place, other)) = other.filter(|(place, _)| left.contains(&place.as_str())) else { continue };
        left.retain(|known| *known != place);
        if value.is_some() {
            arguments[index] = format!("{option}={other}");
        } else if let Some(slot) = arguments.get_mut(index + 1) {
            *slot = other;
        }
    }
    left.first().map(|place| (*place).to_owned())
}

fn stand_in<'a>(place: &str, replaced: &'a [(String, PathBuf)]) -> Option<&'a Path> {
    let place = place.trim_end_matches('/');
    replaced.iter().find(|(known, _)| known.trim_end_matches('/') == place).map(|(_, path)| path.as_path())
}

/// `source:place[:options]` with another source, and the place.
fn other_volume(value: &str, replaced: &[(String, PathBuf)]) -> Option<(String, String)> {
    let mut parts = value.splitn(3, ':');
    let (_, place, options) = (parts.next()?, parts.next()?, parts.next());
    let options = options.map_or_else(String::new, |options| format!(":{options}"));
    Some((place.to_owned(), format!("{}:{place}{options}", stand_in(place, replaced)?.display())))
}

/// `type=bind,source=…,target=…` with another source, and the place.
fn other_mount(value: &str, replaced: &[(String, PathBuf)]) -> Option<(String, String)> {
    let key = |part: &str| part.split('=').next().unwrap_or_default().to_owned();
    let is_target = |part: &&str| ["target", "destination", "dst"].contains(&key(part).as_str());
    let place = value.split(',').find(is_target)?.split_once('=')?.1;
    let source = stand_in(place, replaced)?.display().to_string();
    let other = |part: &str| match key(part).as_str() {
        key @ ("source" | "src") => format!("{key}={source}"),
        _ => part.to_owned(),
    };
    Some((place.to_owned(), value.split(',').map(other).collect::<Vec<_>>().join(",")))
}

/// Options of `podman run` that take no value; short ones can stand together.
fn is_flag(option: &str) -> bool {
    const FLAGS: [&str; 17] = [
        "--detach",
        "--env-host",
        "--http-proxy",
        "--init",
        "--interactive",
        "--no-healthcheck",
        "--no-hosts",
        "--oom-kill-disable",
        "--passwd",
        "--privileged",
        "--publish-all",
        "--quiet",
        "--read-only",
        "--read-only-tmpfs",
        "--rm",
        "--tls-verify",
        "--tty",
    ];
    match option.strip_prefix("--") {
        Some("rootfs" | "replace" | "rmi" | "sig-proxy" | "disable-content-trust") => true,
        Some(_) => FLAGS.contains(&option),
        None => option.chars().skip(1).all(|letter| "diPtq".contains(letter)),
    }
}

/// Makes the container, and says what podman says of it.
pub(super) fn create(call: &[String], arguments: &[String]) -> Result<Value, CheckpointError> {
    let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let id = done(call, &parts)?;
    inspect(call, id.lines().last().unwrap_or(&id))
}

/// Has podman bring back a container whose images are in place; what it says of its own and CRIU's times.
pub(super) fn restore(call: &[String], id: &str, flags: &[&str]) -> Result<Value, CheckpointError> {
    let arguments: Vec<&str> =
        ["container", "restore", "--print-stats"].into_iter().chain(flags.iter().copied()).chain([id]).collect();
    let text = done(call, &arguments)?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Removes a container with everything of it.
pub(super) fn remove(call: &[String], id: &str) {
    // What survives `podman ps --all` shows; the error that led here matters more.
    let _ = run(call, &["rm", "--force", "--time", "0", "--volumes", id]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(command: &[&str]) -> Result<String, CheckpointError> {
        let inspected = json!({ "Config": { "CreateCommand": command } });
        create_arguments(&inspected, "new").map(|arguments| arguments.join(" "))
    }

    #[test]
    fn the_same_container_is_made_under_another_name() {
        let command = [
            "podman",
            "--root",
            "/r",
            "run",
            "-d",
            "--name",
            "old",
            "-it",
            "--rm",
            "-v",
            "/a:/b",
            "--ulimit=nofile=9",
            "--ip",
            "10.0.0.2",
            "nginx",
            "sh",
            "--name",
            "x",
            "-d",
        ];
        assert_eq!(
            arguments(&command).unwrap(),
            "create --name new -it --rm -v /a:/b --ulimit=nofile=9 nginx sh --name x -d"
        );
        assert_eq!(arguments(&["podman", "run", "-dit", "img", "-d"]).unwrap(), "create --name new -it img -d");
        assert_eq!(arguments(&["podman", "create", "--name=old", "img"]).unwrap(), "create --name new img");
        assert_eq!(arguments(&[]).unwrap_err().class, CheckpointClass::OtherRuntime);
        assert_eq!(arguments(&["podman", "run", "-d"]).unwrap_err().class, CheckpointClass::OtherRuntime);
    }

    #[test]
    fn mounts_are_replaced_where_they_stand() {
        let text = "create --name x -v /a:/one:ro --volume=/b:/two --mount type=bind,src=/c,target=/three img sh -c -v";
        let mut arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let replaced = ["/one", "/two", "/three"].map(|place| (place.to_owned(), PathBuf::from("/in")));
        assert_eq!(replace_mounts(&mut arguments, &replaced), None);
        let wanted =
            "create --name x -v /in:/one:ro --volume=/in:/two --mount type=bind,src=/in,target=/three img sh -c -v";
        assert_eq!(arguments.join(" "), wanted);
        let other = [("/four".to_owned(), PathBuf::from("/in"))];
        assert_eq!(replace_mounts(&mut arguments, &other).as_deref(), Some("/four"));
        assert_eq!(arguments.join(" "), wanted);
    }

    #[test]
    fn the_storage_is_found_in_the_options() {
        let call = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(graph_root(&call("podman --runroot /x --root /y")), Path::new("/y"));
        assert_eq!(graph_root(&call("podman --root=/z")), Path::new("/z"));
    }

    #[test]
    fn names_come_from_the_storage() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("overlay-containers");
        std::fs::create_dir(&directory).unwrap();
        let text = json!([{ "id": "abc123", "names": ["web"], "metadata": "{\"image-name\":\"nginx\"}" }]);
        std::fs::write(directory.join("containers.json"), text.to_string()).unwrap();
        assert_eq!(stored(root.path()), [("abc123".to_owned(), vec!["web".to_owned()], Some("nginx".to_owned()))]);
    }
}
