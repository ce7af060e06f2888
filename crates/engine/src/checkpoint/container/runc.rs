//! Bringing a container back into runc: a bundle of its own, made from the kept configuration, the layer and the root.

use super::bundles::{self, UnderWork, default_bundles};
use super::find::default_root;
use crate::backend::oci::command::{last_line, run, run_without_streams};
use crate::backend::oci::diagnose::tail;
use crate::checkpoint::archive::{Archive, CONFIG, LAYER, LOGS};
use crate::checkpoint::layer::{self, Whiteouts};
use crate::checkpoint::runtime::{DumpPlace, RuntimeProgram};
use crate::checkpoint::{CheckpointError, criu};
use isodyne_core::checkpoint::{CheckpointClass, LayerForm};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A bundle under work.
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    pub(super) runtime: RuntimeProgram,
    root: PathBuf,
    /// Whether everything went well: otherwise it is removed.
    pub(super) kept: bool,
    /// What keeps others from taking it for one whose container is gone; a directory that the user named is the user's.
    under_work: Option<UnderWork>,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if !self.kept {
            // The error that led here matters more than what cannot be removed.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Ends and removes a container that was brought back, with its bundle.
pub(super) fn remove(archive: &Archive, root: Option<&Path>, bundle: &Path, name: &str) {
    let root = root.map_or_else(default_root, Path::to_owned);
    let runtime = RuntimeProgram::of(&program_of(archive), &root);
    // Dropped, it removes itself.
    Bundle { path: bundle.to_owned(), runtime, root, kept: false, under_work: None }.delete(name);
}

fn program_of(archive: &Archive) -> String {
    archive
        .manifest
        .source
        .runtime
        .clone()
        .filter(|path| Path::new(path).is_file())
        .unwrap_or_else(|| "runc".to_owned())
}

/// Where the bundle of a new container goes. Its name must be free at runc, and the place too.
pub(super) fn free_place(name: &str, root: Option<&Path>, bundle: Option<&Path>) -> Result<PathBuf, CheckpointError> {
    if root.map_or_else(default_root, Path::to_owned).join(name).exists() {
        return Err(CheckpointError::new(CheckpointClass::NameInUse, format!("runc has a container `{name}` already"))
            .hint("give another one with `--new-name`"));
    }
    match bundle {
        None => {
            let path = default_bundles().join(name);
            bundles::clear(&path, CONFIG)?;
            Ok(path)
        }
        Some(path) if path.exists() => {
            let message = format!("{} is there already", path.display());
            Err(CheckpointError::new(CheckpointClass::NameInUse, message)
                .hint("name another directory with `--bundle`"))
        }
        Some(path) => Ok(path.to_owned()),
    }
}

/// Begins a bundle.
pub(super) fn begin(
    archive: &Archive,
    name: &str,
    root: Option<&Path>,
    bundle: Option<&Path>,
) -> Result<Bundle, CheckpointError> {
    let path = free_place(name, root, bundle)?;
    let root = root.map_or_else(default_root, Path::to_owned);
    std::fs::create_dir_all(&path).map_err(|error| CheckpointError::host("make", &path, &error))?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(|error| CheckpointError::host("protect", &path, &error))?;
    let runtime = RuntimeProgram::of(&program_of(archive), &root);
    let mut new = Bundle { path, runtime, root, kept: false, under_work: None };
    if bundle.is_none() {
        new.under_work = Some(bundles::own(&new.path, &new.root, name)?);
    }
    Ok(new)
}

impl Bundle {
    /// Makes the root, and writes the configuration, which is returned.
    pub(super) fn fill(&self, archive: &Archive, name: &str, mut config: Value) -> Result<Value, CheckpointError> {
        let kept = &archive.manifest.source;
        let original = kept.rootfs.clone().unwrap_or_default();
        let root = match archive.manifest.layer.form {
            LayerForm::Whole => {
                let root = self.path.join("rootfs");
                std::fs::create_dir(&root).map_err(|error| CheckpointError::host("make", &root, &error))?;
                layer::apply(&archive.directory.join(LAYER), &root, LayerForm::Whole, Whiteouts::Remove)?;
                root
            }
            LayerForm::Changes => {
                return Err(CheckpointError::new(
                    CheckpointClass::OtherRuntime,
                    "its root was an overlay that somebody else has mounted for runc",
                )
                .hint("only who mounts it can bring it back; keep such a container with `--no-layer`"));
            }
            LayerForm::None => PathBuf::from(&original),
        };
        if !root.is_dir() {
            let message = format!("the root of the container is not there any more: {}", root.display());
            return Err(CheckpointError::new(CheckpointClass::MissingMount, message).hint("put it back"));
        }
        config["root"]["path"] = root.to_string_lossy().into_owned().into();
        let group = config["linux"]["cgroupsPath"].as_str().map(|path| path.replace(&kept.id, name));
        if let Some(group) = group {
            config["linux"]["cgroupsPath"] = group.into();
        }
        self.configure(&config)?;
        Ok(config)
    }

    /// Writes the configuration.
    pub(super) fn configure(&self, config: &Value) -> Result<(), CheckpointError> {
        let path = self.path.join(CONFIG);
        std::fs::write(&path, config.to_string()).map_err(|error| CheckpointError::host("write", &path, &error))
    }

    /// Has the runtime bring it back; the first process.
    pub(super) fn restore(
        &self,
        archive: &Archive,
        images: &Path,
        name: &str,
        patience: Duration,
    ) -> Result<u32, CheckpointError> {
        let work = self.path.join(LOGS);
        std::fs::create_dir(&work).map_err(|error| CheckpointError::host("make", &work, &error))?;
        let pid_file = work.join("pid");
        let place = DumpPlace { images, work: &work, parent: None };
        let argv = self.runtime.restore(name, &self.path, place, Some(&pid_file), &archive.manifest.options);
        let log = work.join("runc.log");
        let mut command = Command::new(&argv[0]);
        command.arg("--log").arg(&log).args(&argv[1..]);
        // The container gets the runtime's streams as its own, so that they are no file and no pipe of ours.
        let status = run_without_streams(command, patience).map_err(|error| {
            CheckpointError::new(CheckpointClass::OtherRuntime, format!("`{}` does not start: {error}", argv[0]))
        })?;
        if !status.is_some_and(|status| status.success()) {
            self.delete(name);
            let said = last_line(&tail(&log)).unwrap_or_else(|| "the runtime does not say why".to_owned());
            return Err(match status {
                Some(_) => criu::explain(&work.join(criu::RESTORE_LOG), &said),
                None => {
                    CheckpointError::new(CheckpointClass::Timeout, "the runtime did not end in time and was killed")
                }
            });
        }
        let pid = std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
        pid.ok_or_else(|| {
            self.delete(name);
            CheckpointError::new(CheckpointClass::Refused, "runc wrote no process id of what it brought back")
        })
    }

    /// Removes the container.
    pub(super) fn delete(&self, name: &str) {
        if self.root.join(name).exists() {
            let argv = self.runtime.delete(name);
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]);
            // What survives `runc list` shows.
            let _ = run(command, Duration::from_secs(10));
        }
    }
}
