//! The image of a run: imported from a tar that is made on the spot, removed at the end of the run.
//!
//! Its tag carries the run's name and not a digest of the content: so it belongs to exactly one run, and no other run on
//! the same daemon can lose it when this one ends.

use super::api::{Daemon, call, success};
use crate::application::Application;
use crate::backend::oci::asset;
use crate::channel::agent_binary;
use crate::http::{Client, HttpError, Request};
use crate::image::rootfs::Rootfs;
use crate::lab::Lab;
use crate::ownership::{Owned, Resource};
use isodyne_core::record::Asset;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

const IMPORT: Duration = Duration::from_secs(60);
/// A large image on a slow disk takes minutes.
const LOAD: Duration = Duration::from_secs(900);
/// The name of applications' images.
const APP: &str = "isodyne-app";

/// An image in a daemon; removed when the last launcher that uses it is dropped.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) tag: String,
    pub(super) asset: Asset,
    /// The calls that bring it.
    pub(super) calls: Vec<String>,
    /// Whether a user's own application is in it.
    pub(super) app: bool,
    /// `None` in tests without a daemon.
    pub(super) _guard: Option<Owned>,
}

/// The images that live in this process.
static IMAGES: Mutex<Vec<Weak<Image>>> = Mutex::new(Vec::new());

/// The tag of a run's image.
pub(super) fn tag(run_id: &str) -> String {
    format!("isodyne-agent:{run_id}")
}

/// The image of this run, imported if it is not there yet.
pub(super) fn of_run(daemon: &Daemon, lab: &Lab) -> Result<Arc<Image>, String> {
    let tag = tag(&lab.run_id);
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    images.retain(|image| image.strong_count() > 0);
    if let Some(image) = images.iter().filter_map(Weak::upgrade).find(|image| image.tag == tag) {
        return Ok(image);
    }
    let rootfs = Rootfs::with_agent(agent_binary());
    let tar = rootfs.to_tar().map_err(|error| format!("the image cannot be made: {error}"))?;
    let asset = asset(&rootfs).map_err(|error| format!("the image cannot be made: {error}"))?;
    let guard = lab.owner.own(Resource::DockerImage { socket: daemon.socket.clone(), tag: tag.clone() });
    let target = import_target(&lab.run_id);
    let request = Request::new("POST", &target).with_body("application/x-tar", &tar);
    let reply = call(&daemon.socket, daemon.clock, &request, IMPORT).and_then(|reply| success(reply, &request.call()));
    let reply = reply.map_err(|error| format!("the image cannot be imported: {error}"))?;
    complaint(&reply.body, "imported")?;
    let calls = vec![request.call()];
    let image = Arc::new(Image { tag, asset, calls, app: false, _guard: Some(guard) });
    images.push(Arc::downgrade(&image));
    Ok(image)
}

/// The image of an application, loaded for this run if it is not there yet.
///
/// Its archive has the same bytes for every run, and so one name in it. The run tags it for itself and takes that name
/// away again, so that no other run can lose the image when this one ends.
pub(super) fn of_app(daemon: &Daemon, app: &Application, lab: &Lab) -> Result<Arc<Image>, String> {
    let digest = app.image.digest().hex();
    let short = digest.get(..12).unwrap_or(&digest);
    let tag = format!("{APP}:{}-{short}", lab.run_id);
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    images.retain(|image| image.strong_count() > 0);
    if let Some(image) = images.iter().filter_map(Weak::upgrade).find(|image| image.tag == tag) {
        return Ok(image);
    }
    let loaded = format!("{APP}:load-{short}");
    let archive = app.image.docker_archive(&loaded).map_err(|error| crate::backend::chain(&error))?;
    let own = |tag: &str| lab.owner.own(Resource::DockerImage { socket: daemon.socket.clone(), tag: tag.to_owned() });
    let (guard, passing) = (own(&tag), own(&loaded));
    let target = format!("/images/{loaded}/tag?repo={APP}&tag={}-{short}", lab.run_id);
    let (load, rename) = (Request::new("POST", "/images/load?quiet=1"), Request::new("POST", &target));
    let mut calls = vec![load.call(), rename.call()];
    let load = Request { content_type: "application/x-tar", ..load };
    let refused = |error: HttpError| format!("the image cannot be loaded: {}", crate::backend::chain(&error));
    let reply = Client::connect(&daemon.socket, daemon.clock)
        .and_then(|mut client| client.call_with_file(&load, &archive, daemon.clock.after(LOAD)))
        .and_then(|reply| success(reply, &load.call()))
        .map_err(refused)?;
    complaint(&reply.body, "loaded")?;
    call(&daemon.socket, daemon.clock, &rename, IMPORT)
        .and_then(|reply| success(reply, &rename.call()))
        .map_err(refused)?;
    passing.remove()?;
    calls.push(format!("DELETE /images/{loaded}?force=1"));
    let image = Arc::new(Image { tag, asset: app.asset(), calls, app: true, _guard: Some(guard) });
    images.push(Arc::downgrade(&image));
    Ok(image)
}

/// Errors after the first byte come in the body of a 200.
fn complaint(body: &[u8], what: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(body);
    if text.contains("\"error\"") {
        return Err(format!("the image cannot be {what}: {}", text.chars().take(300).collect::<String>()));
    }
    Ok(())
}

/// `POST /images/create` from the request's body.
pub(super) fn import_target(run_id: &str) -> String {
    format!("/images/create?fromSrc=-&repo=isodyne-agent&tag={run_id}&changes=LABEL%20isodyne.run%3D{run_id}")
}
