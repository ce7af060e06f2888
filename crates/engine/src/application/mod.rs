//! A user's own application, as a cell asks for it: from one image, the same on every backend that can run it.
//!
//! The image's root is put under the agent in the way of each backend; the agent starts the application in it, waits until
//! it is ready, and ends it. What is asked of the agent is the same everywhere, and is made here.

mod images;
mod root;
mod signal;
mod user;

pub(crate) use images::Images;
pub(crate) use root::{SampleRoot, path_of, steps as root_steps};

use crate::backend::{AppRoot, PrepareError};
use crate::channel::{AwaitRequest, Condition, StartRequest};
use crate::image::app::{AppImage, DiskFormat, ImageError, ImageEvent};
use crate::lab::Lab;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_core::plan::app::{self as keys, value};
use isodyne_core::ready::Ready;
use isodyne_core::record::Asset;
use std::path::PathBuf;
use std::time::Duration;

/// Where programs are looked up if neither the image nor the plan says.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An application with everything decided.
#[derive(Clone, Debug)]
pub struct Application {
    /// The image.
    pub image: AppImage,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment, `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Where it starts.
    pub working_directory: String,
    /// The numbers of user and group.
    pub user: (u32, u32),
    /// What ready means.
    pub ready: Ready,
    /// From one look to the next.
    pub period: Duration,
    /// The number of the signal that ends it, and its name.
    pub stop_signal: (u8, String),
    /// How long it may take to end.
    pub stop_timeout: Duration,
    /// The size of a virtual machine's disk.
    pub disk_bytes: Option<u64>,
}

/// Gets the image of a cell's application into the cache, once a run; nothing for a cell without one.
///
/// # Errors
/// As [`Application::of`].
pub fn obtain(cell: &Cell, lab: &Lab, progress: &mut dyn FnMut(ImageEvent)) -> Result<(), PrepareError> {
    match image_name(cell) {
        Some(name) => lab.images.get(name, lab, progress).map(drop),
        None => Ok(()),
    }
}

fn image_name(cell: &Cell) -> Option<&str> {
    value(&cell.factors, "image").filter(|_| cell.benchmark.takes_app()).and_then(FactorValue::as_text)
}

impl Application {
    /// The application of a cell, if it asks for one: the plan's values, and the image's where the plan says nothing.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key of what cannot be; [`PrepareError::Unavailable`] if a registry does not
    /// answer or a tool is missing.
    pub fn of(cell: &Cell, lab: &Lab) -> Result<Option<Self>, PrepareError> {
        let Some(name) = image_name(cell) else { return Ok(None) };
        let image = lab.images.get(name, lab, &mut |_| {})?;
        let stated = |key: &str| value(&cell.factors, key);
        let text = |key: &str| stated(key).and_then(FactorValue::as_text);
        let words = |key: &str| stated(key).and_then(FactorValue::as_words);
        let duration = |key: &str, default| {
            stated(key).and_then(FactorValue::as_duration_ns).map_or(default, Duration::from_nanos)
        };
        let config = image.config();
        let argv = words("command").map_or_else(|| config.argv(), <[String]>::to_vec);
        if argv.is_empty() {
            return Err(invalid(
                "command",
                "neither the plan nor the image says which program to start".to_owned(),
                "add `command = [\"/path/of/program\"]` to [app]",
            ));
        }
        let ready = text("ready").unwrap_or_default().parse::<Ready>();
        let ready = ready.map_err(|problem| invalid("ready", problem.message, problem.hint))?;
        let signal = text("stop_signal").or(config.stop_signal.as_deref()).unwrap_or("SIGTERM");
        let number = signal::number(signal).ok_or_else(|| {
            let message = format!("the image's stop signal {signal:.40?} is none that is known");
            invalid("stop_signal", message, "add `stop_signal = \"SIGTERM\"` to [app]")
        })?;
        let user = text("user").or(config.user.as_deref()).unwrap_or("0");
        let user = user::resolve(user, &image).map_err(|message| {
            invalid("user", message, "add `user = \"NUMBER:NUMBER\"` to [app], or a name that the image has")
        })?;
        let directory = text("working_directory").or(config.working_directory.as_deref()).unwrap_or("/");
        Ok(Some(Self {
            environment: environment(&config.environment, words("env").unwrap_or_default()),
            working_directory: directory.to_owned(),
            argv,
            user,
            ready,
            period: duration("period", Duration::from_millis(1)),
            stop_signal: (number, signal.to_owned()),
            stop_timeout: duration("stop_timeout", Duration::from_secs(10)),
            disk_bytes: stated("disk").and_then(FactorValue::as_bytes),
            image,
        }))
    }

    /// As [`Application::of`], for a backend that cannot run any: says so.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] if the cell asks for one.
    pub fn refuse(cell: &Cell) -> Result<(), PrepareError> {
        if image_name(cell).is_none() {
            return Ok(());
        }
        let able = [
            BackendName::Process,
            BackendName::Runc,
            BackendName::Crun,
            BackendName::Runsc,
            BackendName::Podman,
            BackendName::Docker,
            BackendName::Qemu,
            BackendName::Firecracker,
            BackendName::CloudHypervisor,
        ];
        let able: Vec<&str> = able.iter().map(|name| name.as_str()).collect();
        Err(PrepareError::Unavailable {
            reason: format!("`{}` does not run applications in this version", cell.backend),
            hint: format!("measure [app] on one of {}", able.join(", ")),
        })
    }

    /// What the agent is asked to start.
    pub fn start_request(&self, root: &AppRoot) -> StartRequest {
        let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
        let mut request = StartRequest {
            argv: bytes(&self.argv),
            env: bytes(&self.environment),
            working_directory: self.working_directory.clone().into_bytes(),
            user: self.user.0,
            group: self.user.1,
            ..StartRequest::default()
        };
        match root {
            AppRoot::Own { .. } => {}
            AppRoot::Directory { path, .. } => {
                request.root = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
            }
            AppRoot::Device { device, file_system, .. } => {
                request.device = device.as_bytes().to_vec();
                request.file_system = file_system.as_bytes().to_vec();
                request.root = b"/app".to_vec();
            }
        }
        request
    }

    /// What the agent is asked to wait for.
    pub fn await_request(&self, timeout: Duration) -> AwaitRequest {
        let condition = match &self.ready {
            Ready::Tcp { port } => Condition::Tcp(*port),
            Ready::Http { port, path, status } => {
                Condition::Http { port: *port, path: path.clone().into_bytes(), status: *status }
            }
            Ready::Line(text) => Condition::Line(text.clone().into_bytes()),
            Ready::File(path) => Condition::File(path.clone().into_bytes()),
        };
        AwaitRequest {
            id: 0,
            condition,
            // 0 would be the agent's own patience.
            timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1),
            period_us: u32::try_from(self.period.as_micros()).unwrap_or(u32::MAX),
        }
    }

    /// The image as it takes part.
    pub fn asset(&self) -> Asset {
        Asset { role: "application".to_owned(), ..self.image.asset() }
    }

    /// The unpacked root, which stays as it is: it is looked at again when the lab closes.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn base_directory(&self, lab: &Lab) -> Result<PathBuf, PrepareError> {
        lab.images.directory(&self.image)
    }

    /// The disk, which stays as it is: it is looked at again when the lab closes.
    ///
    /// # Errors
    /// If it cannot be made, or is too small.
    pub fn base_disk(&self, lab: &Lab) -> Result<(PathBuf, Asset), PrepareError> {
        let disk = self.image.disk(DiskFormat::Ext4, self.disk_bytes).map_err(refused)?;
        lab.images.keep_disk(disk.path.clone(), disk.stored.sha256.clone());
        let asset = Asset {
            role: "disk".to_owned(),
            name: format!("{} of {}", disk.format.name(), self.image.source),
            sha256: disk.stored.sha256,
            size_bytes: disk.stored.size_bytes,
        };
        Ok((disk.path, asset))
    }
}

fn invalid(key: &str, message: String, hint: &str) -> PrepareError {
    PrepareError::Invalid { key: keys::factor_name(key), message, hint: hint.to_owned() }
}

/// What is wrong with an image, as what is wrong with a cell.
pub(crate) fn refused(error: ImageError) -> PrepareError {
    let message = crate::backend::chain(&error);
    match error {
        ImageError::TooSmall { needed_bytes, .. } => {
            let needed = needed_bytes.div_ceil(1 << 20);
            invalid("disk", message, &format!("write `disk = \"{needed} MiB\"` or more, or leave it out"))
        }
        ImageError::Reference { .. } => {
            invalid("image", message, "name a file or directory that exists, or `HOST/NAME:TAG` of a registry")
        }
        ImageError::NoTool { .. } => PrepareError::Unavailable {
            reason: message,
            hint: "install what is missing, or measure on other backends".to_owned(),
        },
        ImageError::Registry { .. } => PrepareError::Unavailable {
            reason: message,
            hint: "look whether it answers from this host, or save the image into a file".to_owned(),
        },
        ImageError::Cache(_) | ImageError::Io { .. } => PrepareError::Unavailable {
            reason: message,
            hint: "look at the space and the rights of the cache; ISODYNE_CACHE names another place".to_owned(),
        },
        _ => invalid("image", message, "look at it with `isodyne image`"),
    }
}

/// The image's variables with the plan's in their places or behind them, and a `PATH` in any case.
fn environment(of_image: &[String], of_plan: &[String]) -> Vec<String> {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut all: Vec<String> = Vec::new();
    for variable in std::iter::once(&PATH.to_owned()).chain(of_image).chain(of_plan) {
        match all.iter_mut().find(|known| name(known) == name(variable)) {
            Some(known) => known.clone_from(variable),
            None => all.push(variable.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_variables_win_and_there_is_always_a_path() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(environment(&[], &[]), [PATH]);
        assert_eq!(environment(&words(&["A=1", "PATH=/x"]), &words(&["B=2", "A=3=4"])), ["PATH=/x", "A=3=4", "B=2"]);
    }

    #[test]
    fn a_disk_that_is_too_small_says_which_size_would_do() {
        let error = refused(ImageError::TooSmall { stated_bytes: 1 << 20, needed_bytes: (5 << 20) + 1 });
        let PrepareError::Invalid { key, hint, .. } = error else { panic!("{error:?}") };
        assert_eq!((key.as_str(), hint.as_str()), ("app.disk", "write `disk = \"6 MiB\"` or more, or leave it out"));
    }
}
