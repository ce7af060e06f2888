//! ext4 by `mke2fs -d` and `debugfs`.
//!
//! `mke2fs -d` takes owner, mode and times from the files that it copies, and an ordinary user has no files of another
//! owner. So it gets files of no special owner, and `debugfs` writes what the image says into the inodes afterwards: as
//! root and as anyone else the same bytes come out. Everything else that could differ is fixed: features, identifiers,
//! the seed of directory hashes, and the time.

use super::size::{self, INODE_BYTES};
use super::{DEADLINE, Toolset, failed};
use crate::image::app::digest::Digest;
use crate::image::app::error::{ImageError, host};
use crate::image::app::store::BLOCK;
use crate::image::app::tree::{Kind, Meta, Tree};
use crate::image::app::unpack::{Metadata, unpack};
use crate::image::tool::output_of;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// What a kernel of the last ten years can mount; no journal, since the disk lives for one sample.
const FEATURES: &str = "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,\
    dir_nlink,extra_isize,metadata_csum";
/// Room that is left for the guest unless the size is stated.
const FREE_BYTES: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// `debugfs` reads lines of at most this.
const LINE_LIMIT: usize = 8000;
/// Later times need fields that `debugfs` does not set together with the others.
const TIME_LIMIT: u64 = i32::MAX as u64;

pub(super) fn make(
    tree: &Tree,
    tools: &Toolset,
    key: &Digest,
    stated: Option<u64>,
    work: &Path,
    file: &Path,
) -> Result<(), ImageError> {
    let needs = size::needs(tree).map_err(host("read the files of", file))?;
    let needed_bytes = needs.bytes.next_multiple_of(MIB);
    let size = match stated {
        Some(stated_bytes) if stated_bytes < needed_bytes => {
            return Err(ImageError::TooSmall { stated_bytes, needed_bytes });
        }
        Some(stated) => stated / BLOCK as u64,
        None => (needed_bytes + FREE_BYTES) / BLOCK as u64,
    };
    // More inodes on a larger disk: one for 16 KiB, as everywhere.
    let inodes = needs.inodes.max(size * BLOCK as u64 / (16 << 10));
    let script = script(tree, work)?;
    let staging = work.join("staging");
    unpack(tree, &staging, Metadata::None)?;

    let uuid = key.uuid();
    let mut extended = format!("hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,nodiscard");
    if tools.is_at_least(&[1, 47, 1]) {
        // Labels that the host's security module gives every file.
        extended.push_str(",no_copy_xattrs");
    }
    let mut command = Command::new(&tools.make);
    command.args(["-q", "-F", "-t", "ext4", "-b", &BLOCK.to_string(), "-I", &INODE_BYTES.to_string(), "-m", "0"]);
    command.args(["-O", FEATURES, "-U", &uuid, "-E", &extended, "-N", &inodes.to_string(), "-L", "isodyne"]);
    command.arg("-d").arg(&staging).arg(file).arg(size.to_string());
    let output = output_of(fixed(command), DEADLINE)?;
    if !output.success {
        let all = format!("{}{}", output.stderr, output.stdout);
        let full = ["allocate block", "No space", "no free space", "allocate inode"];
        if full.iter().any(|text| all.contains(text)) && !all.contains("No space left on device") {
            let stated_bytes = size * BLOCK as u64;
            let needed_bytes = (needed_bytes.max(stated_bytes) * 5 / 4).next_multiple_of(MIB);
            return Err(ImageError::TooSmall { stated_bytes, needed_bytes });
        }
        return Err(failed("mke2fs", &output));
    }

    let commands = work.join("debugfs");
    std::fs::write(&commands, script).map_err(host("write", &commands))?;
    let debugfs = tools.debugfs.as_deref().unwrap_or(Path::new("debugfs"));
    let mut command = Command::new(debugfs);
    command.arg("-w").arg("-f").arg(&commands).arg(file);
    let output = output_of(fixed(command), DEADLINE)?;
    // It exits with 0 whatever happens; what it says besides its version is an error.
    let complaint = output.stderr.lines().find(|line| !line.starts_with("debugfs ") && !line.trim().is_empty());
    match complaint {
        None if output.success => Ok(()),
        None => Err(failed("debugfs", &output)),
        Some(line) => Err(ImageError::Failed { tool: "debugfs", message: line.trim().chars().take(300).collect() }),
    }
}

/// Nothing of the host's settings and of its time reaches the disk.
fn fixed(mut command: Command) -> Command {
    command.env("MKE2FS_CONFIG", "/dev/null").env("E2FSPROGS_FAKE_TIME", "1").env_remove("SOURCE_DATE_EPOCH");
    command.env("TZ", "UTC").env_remove("MKE2FS_SYNC").env_remove("DEBUGFS_PAGER").env_remove("PAGER");
    command
}

/// What `debugfs` has to do: every inode's owner, mode and times, and the attributes.
fn script(tree: &Tree, work: &Path) -> Result<Vec<u8>, ImageError> {
    let mut script = Vec::new();
    let lost_found = (Meta::plain(0o700), Kind::Directory);
    let own = tree.get(b"lost+found").is_none().then_some((&b"lost+found"[..], &lost_found.0, &lost_found.1));
    let mut seen = std::collections::HashSet::new();
    let inodes = tree.iter().filter(|(_, number, _)| seen.insert(*number));
    let all = inodes.map(|(path, _, inode)| (path, &inode.meta, &inode.kind)).chain(own);
    for (path, meta, kind) in all {
        let place = quoted(&[b"/", path].concat());
        let kind = match kind {
            Kind::Directory => 0o040_000,
            Kind::File(_) => 0o100_000,
            Kind::Symlink(_) => 0o120_000,
            Kind::Fifo => 0o010_000,
        };
        let mut fields = String::new();
        let time = meta.mtime.min(TIME_LIMIT);
        // Writing to a string cannot fail.
        let _ = write!(fields, "mode 0{:o}\nuid {}\ngid {}\n", kind | meta.mode, meta.uid, meta.gid);
        for name in ["atime", "ctime", "mtime", "crtime"] {
            let _ = write!(fields, "{name} @{time}\n{name}_extra 0\n");
        }
        for field in fields.lines() {
            line(&mut script, &[b"set_inode_field", &place, field.as_bytes()])?;
        }
        for (name, value) in &meta.xattrs {
            // Values are bytes, and the command takes them from a file.
            let file = work.join(format!("value-{}", Digest::of(value).hex()));
            std::fs::write(&file, value).map_err(host("write", &file))?;
            let file = quoted(file.as_os_str().as_bytes());
            line(&mut script, &[b"ea_set -f", &file, &place, &quoted(name)])?;
        }
    }
    Ok(script)
}

fn line(script: &mut Vec<u8>, words: &[&[u8]]) -> Result<(), ImageError> {
    let line = words.join(&b' ');
    if line.len() > LINE_LIMIT || line.contains(&b'\n') {
        let shown = crate::image::app::tar::shown(&line);
        return Err(ImageError::Failed { tool: "debugfs", message: format!("a path is too long for it: {shown}") });
    }
    script.extend_from_slice(&line);
    script.push(b'\n');
    Ok(())
}

/// A word for `debugfs`: in quotes, and a quote inside is written twice.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut word = vec![b'"'];
    for byte in text {
        word.push(*byte);
        if *byte == b'"' {
            word.push(b'"');
        }
    }
    word.push(b'"');
    word
}
