//! Registries: the pull half of the OCI distribution protocol.

mod challenge;

use super::{Blobs, Layers, missing, read_within, resolve};
use crate::clock::Clock;
use crate::image::app::ObtainOptions;
use crate::image::app::digest::Digest;
use crate::image::app::error::ImageError;
use crate::image::app::limits::DOCUMENT_LIMIT;
use crate::image::app::oci::{Descriptor, Document, accepted};
use crate::image::app::reference::Reference;
use crate::image::app::tar::shown;
use challenge::Challenge;
use isodyne_core::unit::HostInstant;
use serde::Deserialize;
use std::cell::RefCell;
use std::io::Read;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

const CONNECT: Duration = Duration::from_secs(15);
/// How long a registry may think before it answers.
const ANSWER: Duration = Duration::from_secs(60);
const TOKEN_LIMIT: u64 = 64 << 10;
/// What a message of a registry is cut to.
const MESSAGE_LIMIT: usize = 300;
/// Docker's own registry has one name in references and another for its API, and a directory that may be left out.
const DOCKER: (&str, &str, &str) = ("docker.io", "registry-1.docker.io", "library/");

/// A connection to one repository.
struct Client {
    agent: Agent,
    base: String,
    registry: String,
    repository: String,
    plain: bool,
    token: RefCell<Option<String>>,
    clock: Clock,
    deadline: HostInstant,
}

pub(super) fn open(reference: &Reference, options: &ObtainOptions) -> Result<Layers, ImageError> {
    let client = Client::new(reference, options);
    let url = format!("{}/manifests/{}", client.base, reference.manifest());
    let response = client.get(&url, Some(&accepted()))?;
    if response.status().as_u16() == 404 {
        return Err(client.said(format!("there is no image {reference}")));
    }
    let body = client.body(response)?;
    let bytes = read_within(body, DOCUMENT_LIMIT, "manifest")?;
    if bytes.len() as u64 > DOCUMENT_LIMIT {
        let problem = format!("it has more than {DOCUMENT_LIMIT} bytes");
        return Err(ImageError::Document { what: "manifest".to_owned(), problem });
    }
    let found = Digest::of(&bytes);
    if let Some(expected) = reference.digest.filter(|expected| *expected != found) {
        return Err(ImageError::Mismatch { what: "manifest".to_owned(), expected, found });
    }
    let document = Document::parse(&bytes, "manifest")?;
    resolve(Box::new(client), document, found)
}

impl Client {
    fn new(reference: &Reference, options: &ObtainOptions) -> Self {
        let (host, repository) = match reference.registry.as_str() {
            registry if registry == DOCKER.0 && !reference.repository.contains('/') => {
                (DOCKER.1, format!("{}{}", DOCKER.2, reference.repository))
            }
            registry if registry == DOCKER.0 => (DOCKER.1, reference.repository.clone()),
            registry => (registry, reference.repository.clone()),
        };
        let local = is_loopback(host);
        let plain = options.plain_http || local;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!plain)
            .max_redirects(5)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("isodyne/", env!("CARGO_PKG_VERSION")));
        if local {
            config = config.proxy(None);
        }
        let scheme = if plain { "http" } else { "https" };
        Self {
            agent: config.build().into(),
            base: format!("{scheme}://{host}/v2/{repository}"),
            registry: reference.registry.clone(),
            repository,
            plain,
            token: RefCell::new(None),
            clock: Clock,
            deadline: Clock.after(options.deadline),
        }
    }

    fn said(&self, problem: String) -> ImageError {
        let problem = shown(problem.as_bytes());
        ImageError::Registry { registry: self.registry.clone(), problem }
    }

    /// Asks, and asks again with a token if the registry wants one.
    fn get(&self, url: &str, accept: Option<&str>) -> Result<Response<Body>, ImageError> {
        let response = self.ask(url, accept)?;
        if response.status().as_u16() != 401 {
            return Ok(response);
        }
        let header = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let challenge = header.and_then(Challenge::parse).ok_or_else(|| {
            let copy = "`skopeo copy docker://… oci:DIRECTORY` can log in, and the directory can be given here";
            self.said(format!("it wants credentials, and only public images can be had from here; {copy}"))
        })?;
        let token = self.token(&challenge)?;
        *self.token.borrow_mut() = Some(token);
        self.ask(url, accept)
    }

    fn ask(&self, url: &str, accept: Option<&str>) -> Result<Response<Body>, ImageError> {
        let left = self.clock.until(self.deadline);
        if left.is_zero() {
            return Err(self.said("the image did not come within the deadline".to_owned()));
        }
        let mut request = self.agent.get(url).config().timeout_global(Some(left)).build();
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        if let Some(token) = &*self.token.borrow() {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| self.said(error.to_string()))
    }

    /// An anonymous token.
    fn token(&self, challenge: &Challenge) -> Result<String, ImageError> {
        #[derive(Deserialize)]
        struct Reply {
            token: Option<String>,
            access_token: Option<String>,
        }
        let allowed = challenge.realm.starts_with("https://") || self.plain && challenge.realm.starts_with("http://");
        if !allowed {
            return Err(self.said("it names a place for tokens that is not reached by HTTPS".to_owned()));
        }
        let left = self.clock.until(self.deadline).min(ANSWER);
        let mut request = self.agent.get(&challenge.realm).config().timeout_global(Some(left)).build();
        if let Some(service) = &challenge.service {
            request = request.query("service", service);
        }
        request = request.query("scope", format!("repository:{}:pull", self.repository));
        let response = request.call().map_err(|error| self.said(error.to_string()))?;
        let bytes = read_within(self.body(response)?, TOKEN_LIMIT, "token")?;
        let reply: Reply =
            serde_json::from_slice(&bytes).map_err(|error| self.said(format!("its token cannot be read: {error}")))?;
        let token = reply
            .token
            .or(reply.access_token)
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        token.ok_or_else(|| self.said("it gives no token".to_owned()))
    }

    /// The body of a reply that says yes.
    fn body(&self, response: Response<Body>) -> Result<Box<dyn Read>, ImageError> {
        let status = response.status();
        if status.is_success() {
            return Ok(Box::new(response.into_body().into_reader()));
        }
        let mut text = Vec::new();
        let _ = response.into_body().into_reader().take(TOKEN_LIMIT).read_to_end(&mut text);
        let what = match status.as_u16() {
            401 | 403 => "it refuses access, and only public images can be had from here",
            404 => "it does not have what was asked for",
            429 => "it has been asked too often; wait, or use a copy of the image",
            500.. => "it has a fault",
            _ => "it does not answer as expected",
        };
        let message = message_of(&text).map(|message| format!(": {message}")).unwrap_or_default();
        Err(self.said(format!("{what} (HTTP {}){message}", status.as_u16())))
    }
}

impl Blobs for Client {
    fn place(&self) -> String {
        format!("registry {}", self.registry)
    }

    fn open(&self, blob: &Descriptor, what: &str) -> Result<Box<dyn Read>, ImageError> {
        let (kind, accept) = if blob.is_document() { ("manifests", Some(accepted())) } else { ("blobs", None) };
        let response = self.get(&format!("{}/{kind}/{}", self.base, blob.digest), accept.as_deref())?;
        if response.status().as_u16() == 404 {
            return Err(missing(what, blob.digest.to_string(), self.place()));
        }
        self.body(response)
    }
}

/// The first message in a registry's list of errors.
fn message_of(text: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(text).ok()?;
    let message = document.get("errors")?.get(0)?.get("message")?.as_str()?;
    Some(message.chars().take(MESSAGE_LIMIT).collect())
}

/// Whether a host, perhaps with a port, is this one.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_challenge(header: &str) {
    if let Some(challenge) = Challenge::parse(header) {
        assert!(!challenge.realm.is_empty() && challenge.realm.len() <= 4096);
    }
}

#[cfg(test)]
mod tests;
