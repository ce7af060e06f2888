//! Disks: the tree of an image as a file system, made by the file system's own tools, without root and without mounts.

mod ext4;
mod packed;
mod size;

use super::AppImage;
use super::digest::Digest;
use super::docker_archive::digest_of;
use super::error::ImageError;
use super::obtain::Work;
use crate::host::find_tool;
use crate::image::cache::{CacheError, Stored};
use crate::image::tool::{Output, output_of};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// No tool takes longer; a large image on a slow disk takes minutes.
const DEADLINE: Duration = Duration::from_secs(1800);

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFormat {
    /// Can be written to. The default.
    Ext4,
    /// Compressed, read-only.
    Squashfs,
    /// Read-only.
    Erofs,
}

impl DiskFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ext4, Self::Squashfs, Self::Erofs];

    /// Its name, which is also what the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
        }
    }

    /// Whether a guest can write to it.
    pub fn is_writable(self) -> bool {
        self == Self::Ext4
    }

    /// Why such a disk cannot be made on this host, with what would help; `None` if it can.
    pub fn unavailable(self) -> Option<ImageError> {
        Toolset::find(self).err()
    }
}

/// A disk in the cache. The file is never written to ([`super::overlay`] makes a writable one over it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The file, which nobody may write to.
    pub path: PathBuf,
    /// Its digest and size.
    pub stored: Stored,
    /// Its file system.
    pub format: DiskFormat,
    /// The tool that made it, with its version.
    pub tool: String,
}

/// The tools for a format.
struct Toolset {
    make: PathBuf,
    /// What makes right what `mke2fs` cannot.
    debugfs: Option<PathBuf>,
    version: String,
}

impl Toolset {
    fn find(format: DiskFormat) -> Result<Self, ImageError> {
        let (tool, package, flag, needs) = match format {
            DiskFormat::Ext4 => ("mke2fs", "e2fsprogs", "-V", None),
            DiskFormat::Squashfs => ("mksquashfs", "squashfs-tools", "-version", None),
            DiskFormat::Erofs => ("mkfs.erofs", "erofs-utils", "--version", Some("--tar")),
        };
        let missing = |tool, problem: String| ImageError::NoTool { format: format.name(), tool, problem, package };
        let find = |tool| find_tool(tool).ok_or_else(|| missing(tool, "it is not on this host".to_owned()));
        let make = find(tool)?;
        let debugfs = if format == DiskFormat::Ext4 { Some(find("debugfs")?) } else { None };
        let output = ask(&make, flag)?;
        let lines = || output.stdout.lines().chain(output.stderr.lines()).map(str::trim);
        let version = lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
        let version: String = version.unwrap_or("of no known version").chars().take(100).collect();
        if format == DiskFormat::Squashfs && numbers(&version).as_slice() < [4, 5].as_slice() {
            return Err(missing(tool, format!("{version} cannot read a tar; 4.5 can")));
        }
        if let Some(option) = needs {
            let help = ask(&make, "--help")?;
            if !help.stdout.contains(option) && !help.stderr.contains(option) {
                return Err(missing(tool, format!("{version} cannot read a tar; 1.7 can")));
            }
        }
        Ok(Self { make, debugfs, version })
    }

    /// Whether the tool has at least this version.
    fn is_at_least(&self, wanted: &[u32]) -> bool {
        numbers(&self.version).as_slice() >= wanted
    }
}

/// Any of these tools says its version at once.
fn ask(tool: &Path, flag: &str) -> Result<Output, ImageError> {
    let mut command = Command::new(tool);
    command.arg(flag);
    Ok(output_of(command, Duration::from_secs(30))?)
}

/// `mke2fs 1.47.0 (5-Feb-2023)` → 1, 47, 0.
fn numbers(version: &str) -> Vec<u32> {
    let starts = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let word = version.split_whitespace().find(starts).unwrap_or_default();
    word.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok()).collect()
}

pub(super) fn make(image: &AppImage, format: DiskFormat, size_bytes: Option<u64>) -> Result<Disk, ImageError> {
    let tools = Toolset::find(format)?;
    let agent = Digest::of(crate::channel::agent_binary());
    let size = size_bytes.map_or_else(|| "fit".to_owned(), |size| size.to_string());
    let inputs = format!("disk 1 {} {agent} {} {size} {}", image.record.tree.sha256, format.name(), tools.version);
    let key = Digest::of(inputs.as_bytes());
    let index = format!("disk-{}.json", key.hex());
    let disk = |path, stored| Disk { path, stored, format, tool: tools.version.clone() };
    let _lock = image.cache.lock()?;
    if let Some(stored) = image.cache.read_index::<Stored>(&index)? {
        match image.cache.verify(&stored) {
            Ok(path) => return Ok(disk(path, stored)),
            Err(CacheError::Io { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let work = Work::make(&image.cache)?;
    let tree = image.tree_with_agent()?;
    let name = format!("disk.{}", format.name());
    let file = work.path().join(&name);
    match format {
        DiskFormat::Ext4 => ext4::make(&tree, &tools, &key, size_bytes, work.path(), &file)?,
        DiskFormat::Squashfs => packed::squashfs(&tree, &tools, work.path(), &file)?,
        DiskFormat::Erofs => packed::erofs(&tree, &tools, &key, work.path(), &file)?,
    }
    if let (false, Some(stated_bytes)) = (format.is_writable(), size_bytes) {
        let needed_bytes = file.metadata().map_err(super::error::host("read", &file))?.len();
        if needed_bytes > stated_bytes {
            return Err(ImageError::TooSmall { stated_bytes, needed_bytes });
        }
    }
    let digest = digest_of(&file)?;
    let stored = image.cache.adopt(&name, &digest.hex(), &file)?;
    image.cache.write_index(&index, &stored)?;
    Ok(disk(image.cache.path(&stored), stored))
}

/// A tool's failure as an error.
fn failed(tool: &'static str, output: &Output) -> ImageError {
    ImageError::Failed { tool, message: output.complaint() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_tools_say() {
        assert_eq!(numbers("mke2fs 1.47.0 (5-Feb-2023)"), [1, 47, 0]);
        assert_eq!(numbers("mksquashfs version 4.5.1 (2022/03/17)"), [4, 5, 1]);
        assert_eq!(numbers("mkfs.erofs 1.8.6"), [1, 8, 6]);
        assert_eq!(numbers("mke2fs 1.47.3-rc1"), [1, 47, 3]);
        assert_eq!(numbers("nothing"), [] as [u32; 0]);
    }
}
