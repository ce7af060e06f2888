//! squashfs and erofs: their tools read the tar itself, with its owners.

use super::{DEADLINE, Toolset, failed};
use crate::image::app::digest::Digest;
use crate::image::app::error::{ImageError, host};
use crate::image::app::flat;
use crate::image::app::tree::{Meta, Tree};
use crate::image::tool::output_with;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) fn squashfs(tree: &Tree, tools: &Toolset, work: &Path, file: &Path) -> Result<(), ImageError> {
    let tar = work.join("with-agent.tar");
    flat::write_file(tree, &tar)?;
    let root = tree.get(b"").map(|inode| inode.meta.clone()).unwrap_or(Meta::plain(0o755));
    let mut command = Command::new(&tools.make);
    command.arg("-").arg(file).args(["-tar", "-no-progress", "-quiet", "-noappend", "-no-exports", "-reproducible"]);
    command.args(["-mkfs-time", "0", "-comp", "gzip", "-processors", "2"]);
    // The root of a tar is not always there, and the tool has a mode of its own for it.
    command.args(["-root-mode", &format!("{:o}", root.mode)]);
    command.args(["-root-uid", &root.uid.to_string(), "-root-gid", &root.gid.to_string()]);
    command.args(["-root-time", &root.mtime.to_string()]);
    let stdin = File::open(&tar).map_err(host("read", &tar))?;
    run("mksquashfs", command, Stdio::from(stdin))
}

pub(super) fn erofs(tree: &Tree, tools: &Toolset, key: &Digest, work: &Path, file: &Path) -> Result<(), ImageError> {
    let tar = work.join("with-agent.tar");
    flat::write_file(tree, &tar)?;
    let mut command = Command::new(&tools.make);
    command.args(["--tar=f", "--quiet", "--mkfs-time", "-T0", "-U", &key.uuid()]).arg(file).arg(&tar);
    run("mkfs.erofs", command, Stdio::null())
}

fn run(tool: &'static str, mut command: Command, stdin: Stdio) -> Result<(), ImageError> {
    // It would stand against the time that is given.
    command.env_remove("SOURCE_DATE_EPOCH").env("TZ", "UTC");
    let output = output_with(command, stdin, DEADLINE)?;
    if output.success { Ok(()) } else { Err(failed(tool, &output)) }
}
