//! What is mounted in a container: recorded when it is kept, looked at and mended before it comes back.

use crate::checkpoint::CheckpointError;
use crate::host::mounts::Mount;
use isodyne_core::checkpoint::{CheckpointClass, KeptMount};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The mounts of a bundle's configuration. What has the container's id in its path the engine makes by itself.
pub(super) fn of_config(config: &Value, id: &str) -> Vec<KeptMount> {
    let mounts = config["mounts"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    mounts
        .map(|mount| {
            let options: Vec<String> = mount["options"].as_array().into_iter().flatten().map(text).collect();
            let source = text(&mount["source"]);
            let external = is_external(mount);
            KeptMount {
                destination: text(&mount["destination"]),
                external,
                directory: external && Path::new(&source).is_dir(),
                managed: external && id.len() >= 12 && source.contains(id),
                kind: text(&mount["type"]),
                source,
                options,
            }
        })
        .collect()
}

/// A configuration whose mounts from outside are told by their whole paths: what is relative is so to the bundle, and a
/// restored container has another one.
pub(super) fn absolute(mut config: Value, bundle: &Path) -> Value {
    for mount in config["mounts"].as_array_mut().into_iter().flatten() {
        let source = mount["source"].as_str().unwrap_or_default().to_owned();
        if is_external(mount) && !source.is_empty() && !source.starts_with('/') {
            mount["source"] = bundle.join(source).to_string_lossy().into_owned().into();
        }
    }
    config
}

fn is_external(mount: &Value) -> bool {
    let mut options = mount["options"].as_array().into_iter().flatten();
    mount["type"] == "bind" || options.any(|option| option == "bind" || option == "rbind")
}

/// The upper directory of the overlay that a process has as its root, if that is one.
pub(super) fn upper_of(pid: u32) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let root = Mount::parse_all(&text).into_iter().find(|mount| mount.point == Path::new("/"))?;
    if root.kind != "overlay" {
        return None;
    }
    let upper = root.super_options.split(',').find_map(|option| option.strip_prefix("upperdir="))?;
    Some(PathBuf::from(upper)).filter(|upper| upper.is_absolute())
}

/// What was done to the mounts before a restore, in words.
#[derive(Debug, Default)]
pub(super) struct Mended {
    pub(super) notes: Vec<String>,
    /// Destination and the source that stands in for it.
    pub(super) replaced: Vec<(String, PathBuf)>,
    /// What was made on the host, to be removed if the restore fails: its topmost new part each.
    made: Vec<PathBuf>,
}

/// Looks whether everything is there that has to be mounted from outside; mends it if asked.
///
/// # Errors
/// Class `missing_mount`, with the fix.
pub(super) fn mend(
    mounts: &[KeptMount],
    fix: bool,
    skip: &[String],
    stand_ins: &Path,
) -> Result<Mended, CheckpointError> {
    let is_external = |place: &String| mounts.iter().any(|mount| mount.external && mount.destination == *place);
    if let Some(unknown) = skip.iter().find(|place| !is_external(place)) {
        let known: Vec<&str> = own(mounts).map(|mount| mount.destination.as_str()).collect();
        let hint = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        let message = format!("nothing was mounted from outside at `{unknown}`");
        return Err(CheckpointError::new(CheckpointClass::MissingMount, message).hint(hint));
    }
    let mut mended = Mended::default();
    match each(mounts, fix, skip, stand_ins, &mut mended) {
        Ok(()) => Ok(mended),
        Err(error) => {
            mended.undo();
            Err(error)
        }
    }
}

fn each(
    mounts: &[KeptMount],
    fix: bool,
    skip: &[String],
    stand_ins: &Path,
    mended: &mut Mended,
) -> Result<(), CheckpointError> {
    for (number, mount) in own(mounts).enumerate() {
        let (source, destination) = (Path::new(&mount.source), &mount.destination);
        if skip.contains(destination) {
            let stand_in = stand_ins.join(number.to_string());
            mended.make(&stand_in, mount.directory)?;
            let what = if mount.directory { "an empty directory" } else { "an empty file" };
            mended.notes.push(format!("{destination}: left out as asked; {what} stands in for {}", mount.source));
            mended.replaced.push((destination.clone(), stand_in));
        } else if source.exists() {
            if source.is_dir() != mount.directory {
                let (was, is) = if mount.directory { ("a directory", "a file") } else { ("a file", "a directory") };
                let message = format!("{} was {was} when the container was kept, and is {is} now", mount.source);
                return Err(CheckpointError::new(CheckpointClass::MissingMount, message)
                    .hint(format!("put it back, or leave it out with `--skip-mount {destination}`")));
            }
        } else if fix {
            mended.make(source, mount.directory)?;
            let what = if mount.directory { "directory" } else { "file" };
            mended.notes.push(format!("{destination}: made {} again, as an empty {what}", mount.source));
        } else {
            let message = format!("{} is not there any more, which was mounted at {destination}", mount.source);
            return Err(CheckpointError::new(CheckpointClass::MissingMount, message).hint(format!(
                "put it back, let it be made again empty with `--auto-fix-mounts`, or leave it out with `--skip-mount {destination}`"
            )));
        }
    }
    Ok(())
}

/// What the user has mounted from outside.
fn own(mounts: &[KeptMount]) -> impl Iterator<Item = &KeptMount> {
    mounts.iter().filter(|mount| mount.external && !mount.managed)
}

/// The topmost part of a path that is not there.
fn first_missing(path: &Path) -> PathBuf {
    path.ancestors().take_while(|part| part.symlink_metadata().is_err()).last().unwrap_or(path).to_owned()
}

fn make(path: &Path, directory: bool) -> Result<(), CheckpointError> {
    let made = if directory {
        std::fs::create_dir_all(path)
    } else {
        let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        parent.and_then(|()| std::fs::File::create_new(path).map(|_| ()))
    };
    made.map_err(|error| CheckpointError::host("make", path, &error))
}

impl Mended {
    fn make(&mut self, path: &Path, directory: bool) -> Result<(), CheckpointError> {
        // Also what was made of a path that then failed is removed.
        self.made.push(first_missing(path));
        make(path, directory)
    }

    /// Removes what was made.
    pub(super) fn undo(&self) {
        for path in self.made.iter().rev() {
            // What cannot be removed is empty, and the error that is told matters more.
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }

    /// Puts the stand-ins into a bundle's configuration.
    pub(super) fn replace_in(&self, config: &mut Value) {
        let mounts = config["mounts"].as_array_mut().into_iter().flatten();
        for mount in mounts {
            let stand_in = self.replaced.iter().find(|(destination, _)| mount["destination"] == destination.as_str());
            if let Some((_, source)) = stand_in {
                mount["source"] = source.to_string_lossy().into_owned().into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bind(source: &Path, destination: &str) -> KeptMount {
        KeptMount {
            destination: destination.into(),
            source: source.to_string_lossy().into_owned(),
            kind: "bind".into(),
            external: true,
            directory: true,
            ..KeptMount::default()
        }
    }

    #[test]
    fn what_comes_from_outside_is_told_apart() {
        let id = "0123456789abcdef";
        let config = json!({ "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/vol", "type": "bind", "source": "/", "options": ["rbind"] },
            { "destination": "/etc/hosts", "type": "none", "source": format!("/x/{id}/hosts"), "options": ["bind"] },
        ]});
        let mounts = of_config(&config, id);
        let flags: Vec<_> = mounts.iter().map(|mount| (mount.external, mount.directory, mount.managed)).collect();
        assert_eq!(flags, [(false, false, false), (true, true, false), (true, false, true)]);
    }

    #[test]
    fn a_missing_source_is_named_with_the_fix_made_again_or_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let (there, gone) = (directory.path().join("there"), directory.path().join("a/b"));
        std::fs::create_dir(&there).unwrap();
        let mounts = [bind(&there, "/there"), bind(&gone, "/gone")];
        let stand_ins = directory.path().join("in");
        let error = mend(&mounts, false, &[], &stand_ins).unwrap_err();
        assert_eq!(error.class, CheckpointClass::MissingMount);
        assert!(error.hint.unwrap().contains("--skip-mount /gone"));

        let fixed = mend(&mounts, true, &[], &stand_ins).unwrap();
        assert!(gone.is_dir() && fixed.notes[0].contains("empty directory"), "{:?}", fixed.notes);
        fixed.undo();
        assert!(!directory.path().join("a").exists() && there.exists());

        let skipped = mend(&mounts, false, &["/gone".to_owned()], &stand_ins).unwrap();
        let mut config = json!({ "mounts": [{ "destination": "/gone", "source": "x" }] });
        skipped.replace_in(&mut config);
        assert!(Path::new(config["mounts"][0]["source"].as_str().unwrap()).is_dir());
        skipped.undo();
        assert!(!stand_ins.exists());
        let error = mend(&mounts, false, &["/nothing".to_owned()], &stand_ins).unwrap_err();
        assert!(error.hint.unwrap().contains("/there, /gone"));
        std::fs::remove_dir(&there).unwrap();
        std::fs::write(&there, "a file now").unwrap();
        assert!(mend(&mounts[..1], true, &[], &stand_ins).unwrap_err().message.contains("is a file now"));
        // What was made for one mount does not stay when another one cannot be mended.
        let turned = [mounts[1].clone(), mounts[0].clone()];
        assert!(mend(&turned, true, &[], &stand_ins).is_err());
        assert!(!directory.path().join("a").exists());
        assert!(mend(&turned, false, &["/gone".to_owned()], &stand_ins).is_err());
        assert!(!stand_ins.exists());
    }

    #[test]
    fn a_source_that_is_relative_is_the_bundles() {
        let bundle = tempfile::tempdir().unwrap();
        std::fs::create_dir(bundle.path().join("data")).unwrap();
        let config = json!({ "mounts": [{ "destination": "/d", "type": "bind", "source": "data" }, { "destination": "/p", "type": "proc", "source": "proc" }] });
        let mounts = of_config(&absolute(config, bundle.path()), "web");
        assert_eq!(Path::new(&mounts[0].source), bundle.path().join("data"));
        assert!(mounts[0].directory && mounts[1].source == "proc");
    }
}
