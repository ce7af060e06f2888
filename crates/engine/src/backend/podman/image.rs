//! The image of an application in the run's own store: loaded once, removed before the store goes.

use super::store::Store;
use crate::application::Application;
use crate::backend::oci::launcher::command;
use crate::backend::oci::{asset, command as call};
use crate::channel::agent_binary;
use crate::image::rootfs::Rootfs;
use crate::lab::Lab;
use crate::ownership::{Owned, Resource};
use isodyne_core::record::Asset;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// A large image on a slow disk takes minutes.
const LOAD: Duration = Duration::from_secs(900);

/// An image in a store; removed when the last launcher that uses it is dropped.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) tag: String,
    pub(super) asset: Asset,
    /// The call that brought it.
    pub(super) load: Vec<String>,
    /// `None` in tests without podman.
    pub(super) _guard: Option<Owned>,
}

/// The images that live in this process.
static IMAGES: Mutex<Vec<Weak<Image>>> = Mutex::new(Vec::new());

/// The image with the agent alone, imported if the store has not got it yet. The store is open.
pub(super) fn of_agent(store: &Store, lab: &Lab) -> Result<Arc<Image>, String> {
    let made = |error: std::io::Error| format!("the image cannot be made: {error}");
    let rootfs = Rootfs::with_agent(agent_binary());
    let asset = asset(&rootfs).map_err(made)?;
    let tag = format!("localhost/isodyne-agent:{}", asset.sha256.get(..12).unwrap_or("import"));
    bring(store, tag.clone(), lab, || {
        let archive = lab.scratch.join("podman-agent.tar");
        std::fs::write(&archive, rootfs.to_tar().map_err(made)?).map_err(made)?;
        let import = ["import".to_owned(), "--quiet".to_owned(), crate::backend::text(&archive), tag];
        Ok((import.to_vec(), asset))
    })
}

/// Loads the image of an application, if the store has not got it yet. The store is open.
pub(super) fn load(store: &Store, app: &Application, lab: &Lab) -> Result<Arc<Image>, String> {
    let digest = app.image.digest().hex();
    let tag = format!("localhost/isodyne-app:load-{}", digest.get(..12).unwrap_or(&digest));
    bring(store, tag.clone(), lab, || {
        // The same archive as Docker gets; what has no host in its name belongs to `localhost` here.
        let archive: PathBuf = app
            .image
            .docker_archive(tag.trim_start_matches("localhost/"))
            .map_err(|error| crate::backend::chain(&error))?;
        let load = ["load", "--quiet", "--input"].map(str::to_owned).into_iter();
        Ok((load.chain([crate::backend::text(&archive)]).collect(), app.asset()))
    })
}

/// Brings an image by one call, if the store has not got it yet. `ready` makes what is brought, and says by which arguments.
fn bring(
    store: &Store,
    tag: String,
    lab: &Lab,
    ready: impl FnOnce() -> Result<(Vec<String>, Asset), String>,
) -> Result<Arc<Image>, String> {
    let mut load = store.argv();
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    images.retain(|image| image.strong_count() > 0);
    let known = |image: &Arc<Image>| image.tag == tag && image.load.starts_with(&load);
    if let Some(image) = images.iter().filter_map(Weak::upgrade).find(known) {
        return Ok(image);
    }
    let (arguments, asset) = ready()?;
    load.extend(arguments);
    let guard = lab.owner.own(Resource::PodmanImage { command: store.portable_argv(), tag: tag.clone() });
    let mut run = command(&load);
    store.configure(&mut run);
    let finished = call::run(run, LOAD).map_err(|error| format!("podman: {error}"))?;
    if !finished.is_success() {
        return Err(format!("the image cannot be loaded: {}", finished.complaint()));
    }
    let image = Arc::new(Image { tag, asset, load, _guard: Some(guard) });
    images.push(Arc::downgrade(&image));
    Ok(image)
}
