//! Open files at known offsets, locks, and the files of the layer that the sandbox writes to.

use super::{path, trying};
use crate::sys::file::{self, Access, Fd};
use crate::sys::process::{self, Fork};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use isodyne_subject::content::{Thing, fill_bytes};
use isodyne_subject::spec::Spec;
use isodyne_subject::{BOUND, FILE_BYTES, PAGE_BYTES, expect};

pub(super) struct Files {
    directory: Vec<u8>,
    open: Vec<Fd>,
    locked: Vec<Fd>,
    bound: Vec<Fd>,
}

/// The file in a directory of the host.
fn bound_path(number: u64) -> Vec<u8> {
    format!("{BOUND}{number}/file").into_bytes()
}

impl Files {
    pub(super) fn make(spec: &Spec, directory: &[u8]) -> Result<Self, String> {
        let mut files = Self { directory: directory.to_vec(), open: Vec::new(), locked: Vec::new(), bound: Vec::new() };
        files.hold_bound(spec)?;
        if spec.files + spec.locks + spec.layer_files == 0 {
            return Ok(files);
        }
        file::create_directory(&path(directory, "")).map_err(trying("make a directory for files"))?;
        let seed = Thing::File.seed(spec.seed());
        let mut content = [0; FILE_BYTES];
        for number in 0..spec.files {
            let file = files.create(&format!("open-{number}"))?;
            fill_bytes(seed, number, &mut content);
            file::write_all(file.number(), &content).map_err(trying("write a file"))?;
            file::seek(&file, expect::offset(spec, number)).map_err(trying("seek in a file"))?;
            files.open.push(file);
        }
        for number in 0..spec.locks {
            let file = files.create(&format!("locked-{number}"))?;
            file::lock(&file).map_err(trying("lock a file"))?;
            files.locked.push(file);
        }
        let seed = Thing::Layer.seed(spec.seed());
        for number in 0..spec.layer_files {
            let file = files.create(&format!("layer-{number}"))?;
            for page in 0..spec.layer_file_bytes.div_ceil(PAGE_BYTES as u64) {
                fill_bytes(seed, expect::layer_index(number, page), &mut content);
                let length = (spec.layer_file_bytes - page * PAGE_BYTES as u64).min(PAGE_BYTES as u64) as usize;
                let part = content.get(..length).unwrap_or_default();
                file::write_all(file.number(), part).map_err(trying("write a file of the layer"))?;
            }
        }
        Ok(files)
    }

    /// A file in each directory of the host.
    fn hold_bound(&mut self, spec: &Spec) -> Result<(), String> {
        let mut content = [0; FILE_BYTES];
        for number in 0..spec.bound {
            let file = file::create(&bound_path(number)).map_err(trying("make a file in a directory of the host"))?;
            fill_bytes(Thing::Bound.seed(spec.seed()), number, &mut content);
            file::write_all(file.number(), &content).map_err(trying("write a file"))?;
            let offset = expect::offset_of(spec, Thing::Bound, number);
            file::seek(&file, offset).map_err(trying("seek in a file"))?;
            self.bound.push(file);
        }
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Fd, String> {
        file::create(&path(&self.directory, name)).map_err(trying("make a file"))
    }

    /// Of each open file: where it stands, and what is read from there on. It stands there again afterwards.
    pub(super) fn digest(&self, key: u64) -> Result<u64, String> {
        digest_of(&self.open, key)
    }

    /// Of the files in directories of the host: the same, and what is there under their names, so that a directory that is
    /// not mounted any more shows.
    pub(super) fn bound_digest(&self, key: u64) -> Result<u64, String> {
        let mut sum = digest_of(&self.bound, key)?;
        let mut content = [0; FILE_BYTES];
        for (_, number) in self.bound.iter().zip(0_u64..) {
            let file = file::open_bytes(&bound_path(number), Access::Read)
                .map_err(|errno| format!("the file in the host's directory {number}: {errno}"))?;
            let length = file::read_full(&file, &mut content).map_err(trying("read a file"))?;
            sum = sum.wrapping_add(expect::file_part(key, !number, 0, content.get(..length).unwrap_or_default()));
        }
        Ok(sum)
    }

    /// Of the layer, read by its names.
    pub(super) fn layer_digest(&self, spec: &Spec, key: u64) -> Result<u64, String> {
        let mut sum = 0_u64;
        let mut content = [0; PAGE_BYTES];
        for number in 0..spec.layer_files {
            let name = format!("layer-{number}");
            let file = file::open_bytes(&path(&self.directory, &name), Access::Read)
                .map_err(|errno| format!("the layer's file {number}: {errno}"))?;
            // One read more than there should be, so that a file that has grown shows.
            for page in 0.. {
                let length = file::read_full(&file, &mut content).map_err(trying("read a file of the layer"))?;
                if length == 0 {
                    break;
                }
                let part = expect::layer_part(key, number, page, content.get(..length).unwrap_or_default());
                sum = sum.wrapping_add(part);
            }
        }
        Ok(sum)
    }

    /// How many files are locked by this process, as another process sees it.
    pub(super) fn locks(&self) -> Result<u64, String> {
        let own = process::pid();
        let mut held = 0;
        for file in &self.locked {
            // SAFETY: the child makes one system call and ends.
            match unsafe { process::fork() }.map_err(trying("fork"))? {
                Fork::Child => process::exit(u8::from(file::locked_by(file) == Ok(Some(own)))),
                Fork::Parent { child } => {
                    let status = process::wait_for(child).map_err(trying("wait for a child"))?;
                    held += u64::from(status == 1 << 8);
                }
            }
        }
        Ok(held)
    }

    /// Moves the first open file: a lie that must be found.
    pub(super) fn lose_offset(&self) {
        if let Some(file) = self.open.first() {
            let offset = file::offset(file).unwrap_or(0);
            let _ = file::seek(file, (offset + 1) % FILE_BYTES as u64);
        }
    }

    /// Changes the first byte of the layer: a lie that must be found.
    pub(super) fn change_layer(&self) {
        if let Ok(file) = file::open_bytes(&path(&self.directory, "layer-0"), Access::ReadWrite) {
            let mut byte = [0];
            if file.read(&mut byte) == Ok(1) && file::seek(&file, 0).is_ok() {
                let _ = file.write(&[byte[0] ^ 1]);
            }
        }
    }

    /// Gives the locks back: a lie that must be found.
    pub(super) fn unlock(&mut self) {
        for file in &self.locked {
            let _ = file::unlock(file);
        }
    }
}

fn digest_of(open: &[Fd], key: u64) -> Result<u64, String> {
    let mut sum = 0_u64;
    let mut rest = [0; FILE_BYTES];
    for (file, number) in open.iter().zip(0_u64..) {
        let offset = file::offset(file).map_err(trying("read an offset"))?;
        let length = file::read_full(file, &mut rest).map_err(trying("read a file"))?;
        file::seek(file, offset).map_err(trying("seek in a file"))?;
        sum = sum.wrapping_add(expect::file_part(key, number, offset, rest.get(..length).unwrap_or_default()));
    }
    Ok(sum)
}
