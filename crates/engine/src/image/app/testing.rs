//! Images for tests: layers by hand, OCI layouts and archives around them.

use super::digest::Digest;
use super::oci::host_architecture;
use super::store::Content;
use super::tar::Writer;
use super::tree::Meta;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// A layer that is written entry by entry.
pub(crate) struct Layer(Writer<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    pub(crate) fn directory(mut self, path: &str, mode: u32) -> Self {
        self.0.directory(path.as_bytes(), &Meta::plain(mode)).unwrap();
        self
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.file_of(path, content, Meta { mtime: 1_000_000_000, ..Meta::plain(0o644) })
    }

    pub(crate) fn file_of(mut self, path: &str, content: &str, meta: Meta) -> Self {
        self.0.file(path.as_bytes(), &Content::memory(content.as_bytes()), &meta).unwrap();
        self
    }

    pub(crate) fn content(mut self, path: &str, content: &Content) -> Self {
        self.0.file(path.as_bytes(), content, &Meta::plain(0o600)).unwrap();
        self
    }

    pub(crate) fn symlink(mut self, path: &str, target: &str) -> Self {
        self.0.symlink(path.as_bytes(), target.as_bytes(), &Meta::plain(0o777)).unwrap();
        self
    }

    pub(crate) fn hard_link(mut self, path: &str, target: &str) -> Self {
        self.0.hard_link(path.as_bytes(), target.as_bytes(), &Meta::plain(0o644)).unwrap();
        self
    }

    pub(crate) fn device(mut self, path: &str, kind: tar::EntryType, major: u32, minor: u32) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header.set_cksum();
        self.0.raw(header.as_bytes()).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A configuration for layers, with a command.
pub(crate) fn config(layers: &[Vec<u8>]) -> Value {
    let ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    json!({
        "architecture": host_architecture(), "os": "linux",
        "config": {"Entrypoint": ["/app"], "Cmd": ["serve"], "Env": ["PATH=/bin"], "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": ids},
    })
}

/// An OCI layout on the disk. Every part of it can be spoilt before it is written.
pub(crate) struct Layout {
    pub(crate) manifest: Value,
    pub(crate) index: Value,
    pub(crate) blobs: Vec<(Digest, Vec<u8>)>,
}

impl Layout {
    /// A layout with layers packed by gzip.
    pub(crate) fn new(layers: &[Vec<u8>]) -> Self {
        Self::packed(layers, config(layers), "application/vnd.oci.image.layer.v1.tar+gzip", gzip)
    }

    pub(crate) fn packed(layers: &[Vec<u8>], config: Value, media_type: &str, pack: fn(&[u8]) -> Vec<u8>) -> Self {
        let packed: Vec<Vec<u8>> = layers.iter().map(|layer| pack(layer)).collect();
        let descriptors: Vec<Value> = packed.iter().map(|bytes| descriptor(bytes, media_type)).collect();
        let text = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(&text, "application/vnd.oci.image.config.v1+json"),
            "layers": descriptors,
        });
        let mut layout = Self { manifest, index: Value::Null, blobs: Vec::new() };
        layout.blobs = packed.into_iter().chain([text]).map(|bytes| (Digest::of(&bytes), bytes)).collect();
        layout.seal();
        layout
    }

    /// Makes the index fit the manifest.
    pub(crate) fn seal(&mut self) {
        let text = self.manifest.to_string().into_bytes();
        let mut entry = descriptor(&text, "application/vnd.oci.image.manifest.v1+json");
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "app:1"});
        self.index = json!({"schemaVersion": 2, "manifests": [entry]});
        self.blobs.push((Digest::of(&text), text));
    }

    /// Changes the manifest and makes everything else fit.
    pub(crate) fn with_manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.manifest);
        self.seal();
        self
    }

    pub(crate) fn write(&self, directory: &Path) {
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(directory.join("index.json"), self.index.to_string()).unwrap();
        for (digest, bytes) in &self.blobs {
            std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        }
    }

    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut layer = Layer::new().file("index.json", &self.index.to_string());
        for (digest, bytes) in &self.blobs {
            layer = layer.content(&format!("blobs/sha256/{}", digest.hex()), &Content::memory(bytes));
        }
        layer.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#).bytes()
    }
}

pub(crate) fn descriptor(bytes: &[u8], media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// An archive as `docker save` writes it.
pub(crate) fn docker_save(layers: &[Vec<u8>], config: &Value, tag: &str) -> Vec<u8> {
    let text = config.to_string();
    let name = format!("{}.json", Digest::of(text.as_bytes()).hex());
    let paths: Vec<String> = (0..layers.len()).map(|number| format!("layer{number}/layer.tar")).collect();
    let mut archive = Layer::new().file(&name, &text);
    for (path, layer) in paths.iter().zip(layers) {
        archive = archive.content(path, &Content::memory(layer));
    }
    let manifest = json!([{"Config": name, "RepoTags": [tag], "Layers": paths}]);
    archive.file("manifest.json", &manifest.to_string()).bytes()
}
