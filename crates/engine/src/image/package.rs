//! The guest kernel from the distribution's package: found by apt, downloaded and opened without root or installation.

use crate::image::cache::sha256_hex;
use crate::image::modules::{self, Modules};
use crate::image::tool::output_of;
use crate::image::{SetupError, SetupEvent, compression, driver};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Packages that stand for the distribution's newest kernel, the smallest first.
const META_PACKAGES: &[&str] =
    &["linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64", "linux-image-generic"];
const LIST_DEADLINE: Duration = Duration::from_secs(300);
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(900);
const PACKAGE_LIMIT: u64 = 1 << 30;
const FILE_LIMIT: u64 = 256 << 20;
/// A package never unpacks to more; what comes behind is not read.
const UNPACKED_LIMIT: u64 = 4 << 30;
/// The few modules that a guest needs are far smaller together.
const MODULES_LIMIT: usize = 64 << 20;

/// A kernel with its modules, out of a package or a directory.
#[derive(Clone, Debug, Default)]
pub struct KernelFiles {
    /// The kernel image.
    pub kernel: Vec<u8>,
    /// The kernel's release.
    pub release: String,
    /// The modules that matter, unpacked.
    pub modules: Modules,
    /// Names of what is built into the kernel.
    pub built_in: BTreeSet<String>,
}

/// A package and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Finds the kernel's package, downloads it into `work` (an empty private directory) and opens it.
///
/// # Errors
/// [`SetupError`] says what is missing and what to do without it.
pub fn obtain(work: &Path, progress: &mut dyn FnMut(SetupEvent)) -> Result<(PackageName, KernelFiles), SetupError> {
    for tool in ["apt-get", "apt-cache", "dpkg-deb"] {
        if crate::host::find_tool(tool).is_none() {
            return Err(SetupError::NoPackages { tool });
        }
    }
    let mut apt = Apt { options: Vec::new(), work: work.to_owned() };
    let mut found = apt.resolve()?;
    if found.is_none() {
        progress(SetupEvent::UpdatingLists);
        apt.use_private_lists()?;
        found = apt.resolve()?;
    }
    let records = found.ok_or(SetupError::NoKernelPackage { tried: META_PACKAGES.join(", ") })?;
    let mut files = KernelFiles::default();
    let mut name = None;
    for record in &records {
        progress(SetupEvent::Downloading { package: record.full_name(), size_bytes: record.size_bytes });
        let deb = apt.download(record)?;
        progress(SetupEvent::Unpacking { package: record.full_name() });
        open(&deb, &mut files)?;
        // The image's package names the source; the one with only modules does not.
        name.get_or_insert_with(|| record.name.clone());
    }
    let name = name.filter(|_| !files.kernel.is_empty()).ok_or_else(|| SetupError::EmptyPackage {
        packages: records.iter().map(PackageRecord::full_name).collect::<Vec<_>>().join(", "),
    })?;
    Ok((name, files))
}

/// What apt knows of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackageRecord {
    pub(crate) name: PackageName,
    pub(crate) depends: Vec<String>,
    sha256: String,
    size_bytes: u64,
}

impl PackageRecord {
    fn full_name(&self) -> String {
        format!("{} {}", self.name.name, self.name.version)
    }
}

struct Apt {
    options: Vec<String>,
    work: PathBuf,
}

impl Apt {
    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        // Downloads stay with the user who asked: apt's own sandbox user cannot write to a private directory.
        command.args(["-q", "-o", "APT::Sandbox::User="]).args(["-o", "Acquire::Retries=2"]);
        command.args(["-o", "Acquire::http::Timeout=30"]).args(&self.options).current_dir(&self.work);
        command
    }

    /// The packages to download: the image, then its modules if they are separate. `None` if apt knows no kernel.
    fn resolve(&self) -> Result<Option<Vec<PackageRecord>>, SetupError> {
        for meta in META_PACKAGES {
            let Some(record) = self.show(meta)? else { continue };
            let Some(image) = record.depends.iter().find(|name| is_versioned_image(name)) else { continue };
            let Some(image) = self.show(image)? else { continue };
            let mut records = vec![image];
            if let Some(modules) = records[0].depends.iter().find(|name| name.starts_with("linux-modules-")) {
                records.extend(self.show(modules)?);
            }
            return Ok(Some(records));
        }
        Ok(None)
    }

    fn show(&self, package: &str) -> Result<Option<PackageRecord>, SetupError> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions", package]);
        let output = output_of(command, LIST_DEADLINE)?;
        Ok(parse_record(&output.stdout))
    }

    /// Fetches the lists of packages into a place of our own, with the host's own sources and keys.
    fn use_private_lists(&mut self) -> Result<(), SetupError> {
        for directory in ["lists/partial", "archives/partial"] {
            let path = self.work.join(directory);
            std::fs::create_dir_all(&path).map_err(|source| SetupError::Io { action: "make", path, source })?;
        }
        let place = |name: &str| self.work.join(name).to_string_lossy().into_owned();
        self.options = vec![
            "-o".to_owned(),
            format!("Dir::State::lists={}", place("lists")),
            "-o".to_owned(),
            format!("Dir::Cache={}", place("")),
        ];
        let mut command = self.command("apt-get");
        command.arg("update");
        let output = output_of(command, LIST_DEADLINE)?;
        if output.success {
            Ok(())
        } else {
            Err(SetupError::Offline { what: "the lists of packages", message: output.complaint() })
        }
    }

    fn download(&self, record: &PackageRecord) -> Result<Vec<u8>, SetupError> {
        let mut command = self.command("apt-get");
        command.args(["download", &format!("{}={}", record.name.name, record.name.version)]);
        let output = output_of(command, DOWNLOAD_DEADLINE)?;
        if !output.success {
            return Err(SetupError::Offline { what: "the kernel's package", message: output.complaint() });
        }
        let prefix = format!("{}_", record.name.name);
        let unreadable = |path: &Path, source| SetupError::Io { action: "read", path: path.to_owned(), source };
        let path = std::fs::read_dir(&self.work)
            .map_err(|source| unreadable(&self.work, source))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix) && name.ends_with(".deb")
            })
            .ok_or_else(|| SetupError::Offline { what: "the kernel's package", message: output.complaint() })?;
        if path.metadata().map_err(|source| unreadable(&path, source))?.len() > PACKAGE_LIMIT {
            return Err(SetupError::Package { path, message: "it is larger than 1 GiB".to_owned() });
        }
        let bytes = std::fs::read(&path).map_err(|source| unreadable(&path, source))?;
        let found = sha256_hex(&bytes);
        if found != record.sha256 {
            return Err(SetupError::Digest { path, expected: record.sha256.clone(), found });
        }
        Ok(bytes)
    }
}

/// `linux-image-6.1.0-56-cloud-amd64`, but not another package that stands for it, and none with debug symbols.
fn is_versioned_image(name: &str) -> bool {
    name.strip_prefix("linux-image-").is_some_and(|rest| {
        rest.trim_start_matches("unsigned-").starts_with(|first: char| first.is_ascii_digit())
            && !rest.ends_with("-dbg")
    })
}

/// Reads the first stanza of `apt-cache show`. A name that could be an option or a path is refused.
pub(crate) fn parse_record(text: &str) -> Option<PackageRecord> {
    let stanza = text.split("\n\n").next()?;
    let field = |key: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(|value| value.trim().to_owned())
    };
    let plain = |text: &String| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:~".contains(c))
    };
    let sha256 = field("SHA256")?;
    let depends = field("Depends").unwrap_or_default();
    Some(PackageRecord {
        name: PackageName { name: field("Package").filter(plain)?, version: field("Version").filter(plain)? },
        depends: depends
            .split([',', '|'])
            .filter_map(|dependency| dependency.split_whitespace().next())
            .map(str::to_owned)
            .filter(plain)
            .collect(),
        size_bytes: field("Size")?.parse().ok()?,
        sha256: Some(sha256).filter(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()))?,
    })
}

/// Takes the kernel and its modules out of a package.
fn open(deb: &[u8], files: &mut KernelFiles) -> Result<(), SetupError> {
    // dpkg-deb reads the package from standard input; a thread feeds it while the archive is read here.
    let mut child = Command::new("dpkg-deb")
        .args(["--fsys-tarfile", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| SetupError::Io { action: "run", path: PathBuf::from("dpkg-deb"), source })?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::Write;
            // dpkg-deb may stop reading early; what it then says is its exit status.
            let _ = stdin.map(|mut stdin| stdin.write_all(deb));
        });
        stdout.map(|stdout| read_archive(stdout, files))
    });
    let status = child.wait();
    match read {
        Some(Ok(())) if status.is_ok_and(|status| status.success()) => Ok(()),
        Some(Err(error)) => Err(SetupError::Archive { message: error.to_string() }),
        _ => Err(SetupError::Archive { message: "dpkg-deb could not open it".to_owned() }),
    }
}

/// Reads the package's files one after another. Nothing is written to disk.
pub(crate) fn read_archive(archive: impl Read, files: &mut KernelFiles) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(archive.take(UNPACKED_LIMIT));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let safe = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !safe || !entry.header().entry_type().is_file() || entry.size() > FILE_LIMIT {
            continue;
        }
        let text = path.to_string_lossy().trim_start_matches("./").to_owned();
        let mut contents = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        if let Some(release) = text.strip_prefix("boot/vmlinuz-") {
            (files.release, files.kernel) = (release.to_owned(), contents()?);
        } else if is_in_modules(&text) {
            add_module_file(&text, contents, files)?;
        }
    }
    Ok(())
}

fn is_in_modules(path: &str) -> bool {
    path.starts_with("lib/modules/") || path.starts_with("usr/lib/modules/")
}

/// Takes a file of a module directory in if it matters for a guest.
pub(crate) fn add_module_file(
    path: &str,
    mut contents: impl FnMut() -> std::io::Result<Vec<u8>>,
    files: &mut KernelFiles,
) -> std::io::Result<()> {
    if path.ends_with("/modules.builtin") {
        files.built_in.extend(String::from_utf8_lossy(&contents()?).lines().filter_map(modules::name_of_file));
    } else if driver::is_for_guests(path)
        && let Some(name) = modules::name_of_file(path)
    {
        // A module that cannot be unpacked is as good as missing: whoever needs it will name it.
        if let Ok(module) = compression::unpack(&contents()?) {
            files.modules.insert(name, module);
            if files.modules.values().map(Vec::len).sum::<usize>() > MODULES_LIMIT {
                let message = format!("its modules are larger than {MODULES_LIMIT} bytes together");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
