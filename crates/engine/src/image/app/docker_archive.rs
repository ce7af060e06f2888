//! The image as an archive for `docker load` and `podman load`: one layer, the same bytes from the same image.

use super::digest::Digest;
use super::error::{ImageError, host};
use super::obtain::Work;
use super::oci::host_architecture;
use super::store::{Content, Piece, Store};
use super::tar::Writer;
use super::tree::Meta;
use super::{AppImage, ImageConfig, flat};
use crate::image::cache::{CacheError, Stored};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

const NAME: &str = "docker.tar";

pub(super) fn make(image: &AppImage, name: &str) -> Result<PathBuf, ImageError> {
    let _lock = image.cache.lock()?;
    let agent = Digest::of(crate::channel::agent_binary());
    let key = Digest::of(format!("archive 1 {} {agent} {name}", image.record.digest).as_bytes());
    let index = format!("archive-{}.json", key.hex());
    if let Some(stored) = image.cache.read_index::<Stored>(&index)? {
        match image.cache.verify(&stored) {
            Ok(path) => return Ok(path),
            Err(CacheError::Io { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let work = Work::make(&image.cache)?;
    let layer = work.path().join("layer.tar");
    let diff_id = flat::write_file(&image.tree_with_agent()?, &layer)?;
    let config = document(&image.record.config, &diff_id);
    let manifest = json!([{
        "Config": format!("{}.json", Digest::of(config.as_bytes()).hex()),
        "RepoTags": if name.is_empty() { Value::Null } else { json!([name]) },
        "Layers": [format!("{}/layer.tar", diff_id.hex())],
    }]);
    let store = File::open(&layer).and_then(Store::file).map_err(host("read", &layer))?;
    let size = store.len();
    let layer_content = Content { store, size, pieces: vec![Piece { offset: 0, length: size, at: 0 }] };
    let file = work.path().join(NAME);
    let written = || -> std::io::Result<()> {
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, File::create_new(&file)?));
        let (directory, plain) = (Meta::plain(0o755), Meta::plain(0o644));
        let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
        writer.file(config_name.as_bytes(), &Content::memory(config.as_bytes()), &plain)?;
        writer.directory(diff_id.hex().as_bytes(), &directory)?;
        // As it is: readers of these archives do not expect a sparse file here.
        writer.plain(format!("{}/layer.tar", diff_id.hex()).as_bytes(), &layer_content, &plain)?;
        writer.file(b"manifest.json", &Content::memory(manifest.to_string().as_bytes()), &plain)?;
        writer.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    };
    written().map_err(host("write", &file))?;
    let digest = digest_of(&file)?;
    let stored = image.cache.adopt(NAME, &digest.hex(), &file)?;
    image.cache.write_index(&index, &stored)?;
    Ok(image.cache.path(&stored))
}

pub(super) fn digest_of(file: &std::path::Path) -> Result<Digest, ImageError> {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    let mut file_read = File::open(file).map_err(host("read", file))?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        match std::io::Read::read(&mut file_read, &mut buffer).map_err(host("read", file))? {
            0 => return Ok(Digest::finish(hash)),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The configuration, with the names that Docker has for its parts.
fn document(config: &ImageConfig, diff_id: &Digest) -> String {
    let mut section = Map::new();
    let mut put = |key: &str, value: Value| {
        let empty = matches!(&value, Value::Null) || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            section.insert(key.to_owned(), value);
        }
    };
    put("Entrypoint", json!(config.entrypoint));
    put("Cmd", json!(config.command));
    put("Env", json!(config.environment));
    put("WorkingDir", json!(config.working_directory));
    put("User", json!(config.user));
    put("StopSignal", json!(config.stop_signal));
    let ports: Map<String, Value> = config.exposed_ports.iter().map(|port| (port.clone(), json!({}))).collect();
    put("ExposedPorts", if ports.is_empty() { Value::Null } else { Value::Object(ports) });
    let epoch = "1970-01-01T00:00:00Z";
    json!({
        "architecture": host_architecture(),
        "os": "linux",
        "created": epoch,
        "config": section,
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": epoch, "created_by": "isodyne" }],
    })
    .to_string()
}
