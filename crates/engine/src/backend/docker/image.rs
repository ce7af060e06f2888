//! The image of a run: imported from a tar that is made on the spot, removed at the end of the run.
//!
//! Its tag carries the run's name and not a digest of the content: so it belongs to exactly one run, and no other run on
//! the same daemon can lose it when this one ends.

use super::api::{Daemon, call, success};
use crate::backend::oci::asset;
use crate::channel::agent_binary;
use crate::http::Request;
use crate::image::rootfs::Rootfs;
use crate::lab::Lab;
use crate::ownership::{Owned, Resource};
use isodyne_core::record::Asset;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

const IMPORT: Duration = Duration::from_secs(60);

/// An image in a daemon; removed when the last launcher that uses it is dropped.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) tag: String,
    pub(super) asset: Asset,
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
    // Errors after the first byte come in the body of a 200.
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    if text.contains("\"error\"") {
        return Err(format!("the image cannot be imported: {}", text.chars().take(300).collect::<String>()));
    }
    let image = Arc::new(Image { tag, asset, _guard: Some(guard) });
    images.push(Arc::downgrade(&image));
    Ok(image)
}

/// `POST /images/create` from the request's body.
pub(super) fn import_target(run_id: &str) -> String {
    format!("/images/create?fromSrc=-&repo=isodyne-agent&tag={run_id}&changes=LABEL%20isodyne.run%3D{run_id}")
}
