//! What a kept machine says of itself, in a file beside its state: QEMU checks next to nothing of what it is given back.

use super::config::Config;
use super::migration::Form;
use crate::backend::snapshot::MappedRam;
use crate::network::NetworkKind;
use isodyne_core::failure::{Failure, FailureClass};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "isodyne.machine";
const VERSION: u32 = 1;
/// No description is longer.
const LIMIT_BYTES: u64 = 64 << 10;
/// A state up to this size (without the guest's memory in it) is small enough to be hashed with each restore.
const HASHED_MOST_BYTES: u64 = 8 << 20;

/// The file that says it.
pub const DESCRIPTION: &str = "machine.json";
/// Devices and processors; the guest's memory too, if that is no file of its own.
pub const STATE: &str = "state";
/// The guest's memory.
pub const MEMORY: &str = "memory";

/// A kept machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMachine {
    schema: String,
    version: u32,
    /// QEMU's version.
    pub qemu: [u32; 3],
    /// What the guest sees, by the plan's keys: a machine that takes the state must have the same.
    pub machine: Vec<(String, String)>,
    /// The sandbox that it was, which the addresses of its guest follow from.
    pub name: String,
    /// Whether the memory is a file of its own.
    pub template: bool,
    /// How the state was written, if each page of the memory has a place of its own in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_ram: Option<MappedRam>,
    /// The files beside this one.
    pub files: Vec<KeptFile>,
}

/// A file of a kept machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, in hexadecimal, if it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl KeptMachine {
    /// Describes what lies in a directory.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn of(config: &Config, qemu: [u32; 3], name: &str, form: Form, directory: &Path) -> io::Result<Self> {
        let template = form == Form::Template;
        let mapped_ram = if let Form::MappedRam(mapped) = form { Some(mapped) } else { None };
        let names = if template { &[STATE, MEMORY][..] } else { &[STATE] };
        let files = names.iter().map(|name| describe(directory, name)).collect::<io::Result<_>>()?;
        let (machine, name) = (seen_by_guest(config), name.to_owned());
        Ok(Self { schema: SCHEMA.to_owned(), version: VERSION, qemu, machine, name, template, mapped_ram, files })
    }

    /// How the memory lies in the state.
    pub(super) fn form(&self) -> Form {
        match (self.template, self.mapped_ram) {
            (true, _) => Form::Template,
            (false, Some(mapped)) => Form::MappedRam(mapped),
            (false, None) => Form::Stream,
        }
    }

    /// Writes it beside the files.
    ///
    /// # Errors
    /// What the host says.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        std::fs::write(directory.join(DESCRIPTION), text)
    }

    /// Reads it and looks at the files beside it.
    ///
    /// # Errors
    /// Class `integrity`, naming the file, if one is not there, not as long as it was, or has other content.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(DESCRIPTION);
        let altered =
            |path: &Path, why: &str| Failure::new(FailureClass::Integrity, format!("{}: {why}", path.display()));
        let bytes = read_at_most(&path, LIMIT_BYTES).map_err(|error| altered(&path, &error.to_string()))?;
        let kept: Self = serde_json::from_slice(&bytes).map_err(|error| altered(&path, &error.to_string()))?;
        if (kept.schema.as_str(), kept.version) != (SCHEMA, VERSION) {
            return Err(altered(&path, "it does not describe a machine that this program can bring back"));
        }
        if kept.template && kept.mapped_ram.is_some() {
            return Err(altered(&path, "it describes memory that is in the state, and beside it"));
        }
        let wanted = if kept.template { &[STATE, MEMORY][..] } else { &[STATE] };
        if !kept.files.iter().map(|file| file.name.as_str()).eq(wanted.iter().copied()) {
            return Err(altered(&path, "it does not name the files of a kept machine"));
        }
        for file in &kept.files {
            let path = directory.join(&file.name);
            let found = describe(directory, &file.name).map_err(|error| altered(&path, &error.to_string()))?;
            if found.bytes != file.bytes {
                return Err(altered(
                    &path,
                    &format!("it has {} B of the {} B that were kept", found.bytes, file.bytes),
                ));
            }
            if found.sha256 != file.sha256 {
                return Err(altered(&path, "its content is not what was kept"));
            }
        }
        Ok(kept)
    }

    /// Says why a machine cannot take this state.
    ///
    /// # Errors
    /// Class `launch`, naming what differs.
    pub fn fits(&self, config: &Config) -> Result<(), Failure> {
        let here = seen_by_guest(config);
        let differs = |(key, kept): &&(String, String)| here.iter().any(|(other, value)| other == key && value != kept);
        let refused = |why: String| Err(Failure::new(FailureClass::Launch, why));
        if let Some((key, kept)) = self.machine.iter().find(differs) {
            let value = here.iter().find(|(other, _)| other == key).map_or("", |(_, value)| value.as_str());
            return refused(format!("the machine was kept with {key} = {kept}, and this one has {key} = {value}"));
        }
        if here.len() != self.machine.len() {
            return refused("the machine was kept by another version of this program".to_owned());
        }
        Ok(())
    }

    /// Says why this QEMU cannot take the state: a machine's type is another one in each version.
    ///
    /// # Errors
    /// Class `launch`.
    pub fn is_for(&self, qemu: [u32; 3]) -> Result<(), Failure> {
        if qemu[..2] == self.qemu[..2] {
            return Ok(());
        }
        let [kept, here] = [self.qemu, qemu].map(|numbers| numbers.map(|number| number.to_string()).join("."));
        let message = format!("the machine was kept by QEMU {kept}, and this is QEMU {here}: use the same version");
        Err(Failure::new(FailureClass::Launch, message))
    }
}

/// What the guest sees, and what decides how QEMU names the parts of the state.
fn seen_by_guest(config: &Config) -> Vec<(String, String)> {
    let network = match config.network {
        NetworkKind::None => "none",
        NetworkKind::Own { .. } => "own",
        NetworkKind::User => "user",
        NetworkKind::Passt => "passt",
    };
    let values = [
        ("machine", config.machine.word().to_owned()),
        ("accel", config.accelerator.word().to_owned()),
        ("cpu", config.cpu.clone().unwrap_or_else(|| "QEMU's own choice".to_owned())),
        ("cpus", config.cpus.to_string()),
        ("memory", format!("{} B", config.memory_bytes)),
        ("memory_file", config.memory_file.to_string()),
        ("channel", config.channel.word().to_owned()),
        ("network", network.to_owned()),
        ("vmgenid", config.vmgenid.to_string()),
    ];
    values.map(|(key, value)| (key.to_owned(), value)).into()
}

fn describe(directory: &Path, name: &str) -> io::Result<KeptFile> {
    let path: PathBuf = directory.join(name);
    let metadata = std::fs::symlink_metadata(&path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    let bytes = metadata.len();
    let sha256 = if name == STATE && bytes <= HASHED_MOST_BYTES {
        let content = read_at_most(&path, HASHED_MOST_BYTES)?;
        Some(Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect())
    } else {
        None
    };
    Ok(KeptFile { name: name.to_owned(), bytes, sha256 })
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {limit} B")));
    }
    Ok(bytes)
}
