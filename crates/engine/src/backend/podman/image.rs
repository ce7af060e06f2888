//! The image of an application in the run's own store: loaded once, removed before the store goes.

use super::store::Store;
use crate::application::Application;
use crate::backend::oci::command as call;
use crate::backend::oci::launcher::command;
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

/// Loads the image of an application, if the store has not got it yet. The store is open.
pub(super) fn load(store: &Store, app: &Application, lab: &Lab) -> Result<Arc<Image>, String> {
    let digest = app.image.digest().hex();
    let tag = format!("localhost/isodyne-app:load-{}", digest.get(..12).unwrap_or(&digest));
    let mut load = store.argv();
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    images.retain(|image| image.strong_count() > 0);
    let known = |image: &Arc<Image>| image.tag == tag && image.load.starts_with(&load);
    if let Some(image) = images.iter().filter_map(Weak::upgrade).find(known) {
        return Ok(image);
    }
    // The same archive as Docker gets; what has no host in its name belongs to `localhost` here.
    let archive: PathBuf = app
        .image
        .docker_archive(tag.trim_start_matches("localhost/"))
        .map_err(|error| crate::backend::chain(&error))?;
    load.extend(["load", "--quiet", "--input"].map(str::to_owned));
    load.push(crate::backend::text(&archive));
    let guard = lab.owner.own(Resource::PodmanImage { command: store.portable_argv(), tag: tag.clone() });
    let mut run = command(&load);
    store.configure(&mut run);
    let finished = call::run(run, LOAD).map_err(|error| format!("podman: {error}"))?;
    if !finished.is_success() {
        return Err(format!("the image cannot be loaded: {}", finished.complaint()));
    }
    let image = Arc::new(Image { tag, asset: app.asset(), load, _guard: Some(guard) });
    images.push(Arc::downgrade(&image));
    Ok(image)
}
