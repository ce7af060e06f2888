//! What a kept checkpoint says of itself: `manifest.json`, written last.

use super::path::{PathProblem, check_path};
use crate::cell::BackendName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name of the format.
pub const SCHEMA: &str = "isodyne.checkpoint";
/// Its version.
pub const VERSION: u32 = 1;
/// The largest manifest that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;
/// The most files that a checkpoint has.
pub const FILE_LIMIT: usize = 200_000;

/// What was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The processes of a container.
    Container,
    /// A virtual machine.
    Machine,
}

/// A kept checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// What was kept.
    pub kind: Kind,
    /// The checkpoint's own name.
    pub name: String,
    /// When it was written (RFC 3339, UTC).
    pub created: String,
    /// The boot of the host in which it was written.
    pub boot_id: String,
    /// What it was made of.
    pub source: KeptSource,
    /// Where it was made.
    pub host: KeptHost,
    /// How it was made.
    pub options: KeptOptions,
    /// What was mounted inside.
    #[serde(default)]
    pub mounts: Vec<KeptMount>,
    /// The container's own changes of its root.
    #[serde(default)]
    pub layer: KeptLayer,
    /// Every file beside the manifest, by path.
    pub files: Vec<KeptFile>,
    /// The rounds before the freeze, the first one first: directories of the checkpoint.
    #[serde(default)]
    pub parents: Vec<String>,
    /// How long what took, in order.
    #[serde(default)]
    pub timing: Vec<Phase>,
    /// What the engine says of its own phases and amounts, by metric name.
    #[serde(default)]
    pub engine: BTreeMap<String, f64>,
}

/// What a checkpoint was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSource {
    /// Who ran it.
    pub backend: Option<BackendName>,
    /// The container's id, or the machine's name.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The image it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The first process, on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The runtime's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The runtime's state directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_root: Option<String>,
    /// The bundle's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The root file system, as the host sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<String>,
    /// Versions of the programs that took part, by name.
    #[serde(default)]
    pub tools: BTreeMap<String, String>,
}

/// Where a checkpoint was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHost {
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture, as the kernel names it.
    pub architecture: String,
    /// The processor's name.
    pub processor: String,
    /// What the processor can do, as the kernel lists it.
    #[serde(default)]
    pub processor_flags: Vec<String>,
}

/// How big files are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compressed {
    /// Zstandard frames; the name ends in `.zst`.
    Zstd,
    /// LZ4 frames; the name ends in `.lz4`.
    Lz4,
}

impl Compressed {
    /// What a packed file's name ends in, with the dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Lz4 => ".lz4",
        }
    }
}

/// How a checkpoint was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOptions {
    /// Whether it ran on.
    pub leave_running: bool,
    /// Whether established TCP connections are in it.
    pub tcp_established: bool,
    /// Whether locks of files are in it.
    pub file_locks: bool,
    /// How many rounds there were before the freeze.
    pub rounds: u32,
    /// How its big files are packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compressed>,
}

/// Something mounted inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMount {
    /// Where, inside.
    pub destination: String,
    /// What: a path of the host's for a bind mount.
    pub source: String,
    /// The file system's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The mount's options.
    #[serde(default)]
    pub options: Vec<String>,
    /// Whether it comes from outside, so that the checkpoint does not hold its content.
    pub external: bool,
    /// Whether an external source is a directory.
    #[serde(default)]
    pub directory: bool,
    /// Whether the engine makes the source by itself (`/etc/hosts`, `/dev/shm`), so that the user's own mount it is not.
    #[serde(default)]
    pub managed: bool,
}

/// How the container's own changes of its root are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerForm {
    /// Not at all.
    #[default]
    None,
    /// What differs from the image, with OCI whiteouts.
    Changes,
    /// The whole root.
    Whole,
}

/// The container's own changes of its root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLayer {
    /// How they are kept.
    pub form: LayerForm,
    /// Why in this way, in words.
    pub why: String,
    /// How many entries the layer has.
    #[serde(default)]
    pub entries: u64,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its path in the checkpoint.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// What it takes on the disk.
    pub allocated_bytes: u64,
    /// XXH3-128 of its bytes, in hexadecimal: it finds damage, not forgery.
    pub xxh3_128: String,
    /// Its length before it was packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked_bytes: Option<u64>,
}

/// How long something took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// What.
    pub phase: String,
    /// How long, in nanoseconds.
    pub ns: u64,
    /// Whether it went on beside the phase before it, so that it is no part of the sum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

/// Why a manifest is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON of this shape.
    #[error("is not a manifest: {0}")]
    Malformed(String),
    /// It belongs to something else.
    #[error("has the schema `{0}`, and a checkpoint has `{SCHEMA}`")]
    OtherSchema(String),
    /// It was written by a newer version of this program.
    #[error("has version {0}, and this program reads version {VERSION}: take a newer isodyne")]
    OtherVersion(u32),
    /// A path in it is none.
    #[error("lists `{path}`, which {problem}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// A file is listed twice.
    #[error("lists `{0}` twice")]
    Twice(String),
    /// It has more in it than any checkpoint.
    #[error("lists more than {FILE_LIMIT} files")]
    TooMany,
    /// A digest is none.
    #[error("has no valid digest for `{0}`")]
    Digest(String),
}

impl Manifest {
    /// Reads a manifest and checks everything that can be checked without its files.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Head {
            schema: String,
            version: u32,
        }
        let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.schema != SCHEMA {
            return Err(ManifestError::OtherSchema(head.schema.chars().take(100).collect()));
        }
        if head.version != VERSION {
            return Err(ManifestError::OtherVersion(head.version));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.files.len() > FILE_LIMIT {
            return Err(ManifestError::TooMany);
        }
        let paths = self.files.iter().map(|file| &file.path).chain(&self.parents);
        for path in paths {
            check_path(path).map_err(|problem| ManifestError::Path { path: path.clone(), problem })?;
        }
        let mut seen = BTreeSet::new();
        for file in &self.files {
            if !seen.insert(&file.path) {
                return Err(ManifestError::Twice(file.path.clone()));
            }
            if file.xxh3_128.len() != 32 || !file.xxh3_128.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ManifestError::Digest(file.path.clone()));
            }
        }
        Ok(())
    }

    /// The bytes of all files, as they are and as the disk has them.
    pub fn bytes(&self) -> (u64, u64) {
        // A manifest from elsewhere may claim anything.
        self.files.iter().fold((0, 0), |(bytes, allocated): (u64, u64), file| {
            (bytes.saturating_add(file.bytes), allocated.saturating_add(file.allocated_bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest() -> Value {
        json!({
            "schema": SCHEMA, "version": 1, "kind": "container", "name": "one",
            "created": "2026-01-01T00:00:00Z", "boot_id": "x",
            "source": { "backend": "runc", "id": "a", "name": "a" },
            "host": { "kernel": "6.1", "architecture": "x86_64", "processor": "p" },
            "options": { "leave_running": true, "tcp_established": false, "file_locks": false, "rounds": 0 },
            "files": [{
                "path": "images/core-1.img", "bytes": 3, "allocated_bytes": 4096,
                "xxh3_128": "00112233445566778899aabbccddeeff",
            }],
        })
    }

    fn read(value: &Value) -> Result<Manifest, ManifestError> {
        Manifest::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_survives_the_way_to_text_and_back() {
        let read_once = read(&manifest()).unwrap();
        assert_eq!(read(&serde_json::to_value(&read_once).unwrap()).unwrap(), read_once);
        assert_eq!(read_once.bytes(), (3, 4096));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut value = manifest();
            change(&mut value);
            read(&value).unwrap_err()
        };
        assert!(matches!(Manifest::read(b"{"), Err(ManifestError::Malformed(_))));
        assert!(matches!(changed(&|value| value["schema"] = "other".into()), ManifestError::OtherSchema(_)));
        assert_eq!(changed(&|value| value["version"] = 2.into()), ManifestError::OtherVersion(2));
        let out = changed(&|value| value["files"][0]["path"] = "../x".into());
        assert_eq!(out, ManifestError::Path { path: "../x".into(), problem: PathProblem::Out });
        assert!(matches!(changed(&|value| value["files"][0]["xxh3_128"] = "12".into()), ManifestError::Digest(_)));
        assert!(matches!(changed(&|value| value["parents"] = json!(["/x"])), ManifestError::Path { .. }));
        let twice = changed(&|value| {
            let file = value["files"][0].clone();
            value["files"].as_array_mut().unwrap().push(file);
        });
        assert_eq!(twice, ManifestError::Twice("images/core-1.img".into()));
    }
}
