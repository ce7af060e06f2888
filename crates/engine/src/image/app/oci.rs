//! The documents of OCI: index and manifest, with Docker's names for them.

use super::digest::Digest;
use super::error::{ImageError, short};
use super::spool::Packing;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A reference from one document to another, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The machine that a manifest is for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
}

/// A reference from one document to another.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) platform: Option<Platform>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// An index or a manifest.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    /// Other documents.
    Index(Vec<Descriptor>),
    /// An image.
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
}

const INDEXES: &[&str] =
    &["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: &[&str] =
    &["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIGS: &[&str] =
    &["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// What a registry is asked for.
pub(super) fn accepted() -> String {
    [MANIFESTS, INDEXES].concat().join(", ")
}

impl Document {
    /// Reads an index or a manifest. What it calls itself must be what it is: a document that is both could be taken for
    /// one by us and for the other by somebody else.
    pub(crate) fn parse(bytes: &[u8], what: &str) -> Result<Self, ImageError> {
        let invalid = |problem: String| ImageError::Document { what: what.to_owned(), problem };
        let raw: RawDocument = serde_json::from_slice(bytes).map_err(|error| invalid(short(&error)))?;
        if raw.schema_version == Some(1) {
            let found = "Docker schema 1".to_owned();
            let hint = "push the image again with a Docker of this decade";
            return Err(ImageError::MediaType { what: what.to_owned(), found, hint });
        }
        let unknown = |found: &str| ImageError::MediaType {
            what: what.to_owned(),
            found: found.chars().take(100).collect(),
            hint: "an index or a manifest of OCI or Docker (version 2) is needed",
        };
        let is = |known: &[&str]| raw.media_type.as_deref().is_none_or(|found| known.contains(&found));
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if is(INDEXES) => {
                let entries = manifests.into_iter().map(|raw| Descriptor::of(raw, what));
                Ok(Self::Index(entries.collect::<Result<_, _>>()?))
            }
            (None, Some(config), Some(layers)) if is(MANIFESTS) => {
                let layers = layers.into_iter().map(|raw| Descriptor::of(raw, what));
                Ok(Self::Manifest { config: Descriptor::of(config, what)?, layers: layers.collect::<Result<_, _>>()? })
            }
            (Some(_), None, None) | (None, Some(_), Some(_)) => Err(unknown(raw.media_type.as_deref().unwrap_or(""))),
            (Some(_), ..) => Err(invalid("it is an index and a manifest at once".to_owned())),
            _ => Err(invalid("it has neither `manifests` nor `config` and `layers`".to_owned())),
        }
    }
}

impl Descriptor {
    fn of(raw: RawDescriptor, what: &str) -> Result<Self, ImageError> {
        let digest =
            Digest::parse(&raw.digest).map_err(|source| ImageError::NoDigest { what: what.to_owned(), source })?;
        Ok(Self {
            media_type: raw.media_type.unwrap_or_default(),
            digest,
            size: raw.size,
            platform: raw.platform,
            annotations: raw.annotations.unwrap_or_default(),
        })
    }

    /// Whether it leads to an index or a manifest; other things may stand in an index too.
    pub(crate) fn is_document(&self) -> bool {
        self.media_type.is_empty() || [INDEXES, MANIFESTS].concat().contains(&self.media_type.as_str())
    }

    /// Refuses what is not the configuration of an image.
    pub(crate) fn check_config(&self) -> Result<(), ImageError> {
        if CONFIGS.contains(&self.media_type.as_str()) {
            return Ok(());
        }
        Err(ImageError::MediaType {
            what: "configuration".to_owned(),
            found: self.media_type.chars().take(100).collect(),
            hint: "this may be an artifact (a signature, a chart) and no image",
        })
    }

    /// How a layer is packed, by its type.
    pub(crate) fn packing(&self, what: &str) -> Result<Packing, ImageError> {
        match self.media_type.as_str() {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Ok(Packing::None)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                Ok(Packing::Gzip)
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Ok(Packing::Zstd)
            }
            other => Err(ImageError::MediaType {
                what: what.to_owned(),
                found: other.chars().take(100).collect(),
                hint: "layers are tars, plain or packed by gzip or zstd",
            }),
        }
    }
}

/// The architecture of this host, in OCI's words.
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
