//! Getting an image into the cache.

use super::digest::Digest;
use super::error::{ImageError, host};
use super::layer::Flattening;
use super::limits::Limits;
use super::oci::Descriptor;
use super::source::ImageSource;
use super::spool::spool;
use super::supply::{self, Layers, Place, Supply};
use super::tree::{Kind, Tree};
use super::{AppImage, ImageConfig, ImageLayer, ImageRecord, flat};
use crate::image::cache::{Cache, CacheError};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Raised whenever the canonical form changes.
const FORM: u32 = 1;
const TREE_NAME: &str = "image.tar";

/// How an image is got.
#[derive(Clone, Debug)]
pub struct ObtainOptions {
    /// What it may be at most.
    pub limits: Limits,
    /// Speak HTTP without TLS to any registry; without this only to one on this host.
    pub plain_http: bool,
    /// How long everything that a registry is asked for may take together.
    pub deadline: Duration,
}

impl Default for ObtainOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), plain_http: false, deadline: Duration::from_secs(900) }
    }
}

/// A step on the way, for whoever shows progress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageEvent {
    /// A registry is asked what there is.
    Asking {
        /// Its host.
        registry: String,
    },
    /// A directory is read.
    Walking {
        /// Which.
        directory: PathBuf,
    },
    /// The cache has the image already.
    Cached {
        /// Its identity.
        digest: Digest,
    },
    /// A layer is read, unpacked and checked.
    Layer {
        /// Its number from 1 on.
        number: usize,
        /// How many there are.
        count: usize,
        /// Its size as it comes, where it is known.
        packed_bytes: Option<u64>,
    },
    /// The flattened tree is written.
    Flattening {
        /// How many paths it has.
        entries: usize,
    },
}

/// Gets an image into the cache, and checks everything about it: digests, sizes, paths. One that is there is taken from
/// it; its canonical tar is checked again.
///
/// # Errors
/// [`ImageError`] says what is wrong with the image, and what would help.
pub fn obtain(
    cache: &Path,
    source: &ImageSource,
    options: &ObtainOptions,
    progress: &mut dyn FnMut(ImageEvent),
) -> Result<AppImage, ImageError> {
    let cache = Cache::open(cache)?;
    let _lock = cache.lock()?;
    let work = Work::make(&cache)?;
    let record = match supply::open(source, work.path(), options, progress)? {
        Supply::Tree(tree) => store(&cache, &work, &tree, ImageConfig::default(), progress)?,
        Supply::Layers(layers) => {
            let index = format!("image-{}-{FORM}.json", layers.key.hex());
            match cached(&cache, &index)? {
                Some(record) => {
                    progress(ImageEvent::Cached { digest: record.digest });
                    record
                }
                None => {
                    let record = from_layers(&cache, &work, layers, options, progress)?;
                    cache.write_index(&index, &record)?;
                    record
                }
            }
        }
    };
    Ok(AppImage { record, source: source.to_string(), cache })
}

/// An image that is in the cache, if its tree is there and whole.
fn cached(cache: &Cache, index: &str) -> Result<Option<ImageRecord>, ImageError> {
    let Some(record) = cache.read_index::<ImageRecord>(index)? else { return Ok(None) };
    match cache.verify(&record.tree) {
        Ok(_) => Ok(Some(record)),
        Err(CacheError::Io { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn from_layers(
    cache: &Cache,
    work: &Work,
    layers: Box<Layers>,
    options: &ObtainOptions,
    progress: &mut dyn FnMut(ImageEvent),
) -> Result<ImageRecord, ImageError> {
    let limits = &options.limits;
    let count = layers.layers.len();
    if count > limits.layers {
        return Err(ImageError::Limit { what: "layers", limit: limits.layers as u64 });
    }
    let mut flattening = Flattening::new(limits);
    let (mut left, mut found) = (limits.unpacked_bytes, Vec::new());
    for (number, (layer, diff_id)) in layers.layers.iter().zip(&layers.diff_ids).enumerate() {
        let promised = match &layer.place {
            Place::Blob(descriptor) => Some(descriptor),
            Place::Path(_) => None,
        };
        let packed_bytes = promised.map(|promised| promised.size);
        progress(ImageEvent::Layer { number: number + 1, count, packed_bytes });
        // One byte more than is promised is enough to see that there is more.
        let stream = std::io::Read::take(layers.open(layer)?, packed_bytes.unwrap_or(u64::MAX - 1).saturating_add(1));
        let spooled = spool(stream, layer.packing, &layer.what, work.path(), &mut left, limits.unpacked_bytes);
        // What does not unpack is most likely not what was promised, and that is the better thing to say.
        let spooled = match (spooled, promised) {
            (Err(ImageError::Compression { .. }), Some(promised)) => {
                let raw = std::io::Read::take(layers.open(layer)?, promised.size.saturating_add(1));
                let mut all = u64::MAX;
                let raw = spool(raw, super::spool::Packing::None, &layer.what, work.path(), &mut all, u64::MAX)?;
                check(&raw.packed, raw.packed_bytes, promised, &layer.what)?;
                let stream = layers.open(layer)?;
                spool(stream, layer.packing, &layer.what, work.path(), &mut left, limits.unpacked_bytes)?
            }
            (spooled, _) => spooled?,
        };
        if let Some(promised) = promised {
            check(&spooled.packed, spooled.packed_bytes, promised, &layer.what)?;
        }
        if spooled.unpacked != *diff_id {
            let what = format!("{} (unpacked)", layer.what);
            return Err(ImageError::Mismatch { what, expected: *diff_id, found: spooled.unpacked });
        }
        let place = || format!("{} is refused", layer.what);
        flattening.apply(&spooled.store).map_err(|source| ImageError::Layer { place: place(), source })?;
        found.push(ImageLayer { diff_id: *diff_id, packed_bytes: spooled.packed_bytes });
    }
    let record = store(cache, work, &flattening.tree, layers.config, progress)?;
    Ok(ImageRecord { manifest: layers.manifest, layers: found, ..record })
}

fn check(found: &Digest, found_bytes: u64, promised: &Descriptor, what: &str) -> Result<(), ImageError> {
    if found_bytes != promised.size {
        return Err(ImageError::Length { what: what.to_owned(), expected_bytes: promised.size, found_bytes });
    }
    if *found == promised.digest {
        return Ok(());
    }
    Err(ImageError::Mismatch { what: what.to_owned(), expected: promised.digest, found: *found })
}

/// Writes the canonical tar.
fn store(
    cache: &Cache,
    work: &Work,
    tree: &Tree,
    config: ImageConfig,
    progress: &mut dyn FnMut(ImageEvent),
) -> Result<ImageRecord, ImageError> {
    progress(ImageEvent::Flattening { entries: tree.len() });
    let file = work.path().join(TREE_NAME);
    let digest = flat::write_file(tree, &file)?;
    let stored = cache.adopt(TREE_NAME, &digest.hex(), &file)?;
    let text = serde_json::to_string(&config)
        .map_err(|error| ImageError::Document { what: "configuration".to_owned(), problem: error.to_string() })?;
    let mut seen = HashSet::new();
    let sizes = tree.iter().filter_map(|(_, number, inode)| match &inode.kind {
        Kind::File(content) if seen.insert(number) => Some(content.size),
        _ => None,
    });
    Ok(ImageRecord {
        digest: Digest::of(format!("isodyne image {FORM}\n{digest}\n{text}\n").as_bytes()),
        content_bytes: sizes.sum(),
        entries: tree.len() as u64,
        tree: stored,
        config,
        manifest: None,
        layers: Vec::new(),
    })
}

/// A private directory in the cache, on the same file system, removed at the end.
#[derive(Debug)]
pub(super) struct Work(PathBuf);

impl Work {
    /// Makes one. Whoever calls holds the cache's lock, so what others have left behind can be removed.
    pub(super) fn make(cache: &Cache) -> Result<Self, ImageError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let all = cache.root().join("work");
        std::fs::create_dir_all(&all).map_err(host("make", &all))?;
        for left in std::fs::read_dir(&all).map_err(host("read", &all))?.filter_map(Result::ok) {
            remove(&left.path());
        }
        let path = all.join(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&path).map_err(host("make", &path))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a tree, directories that their owner may not write to as well.
fn remove(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::remove_dir_all(path).is_ok() {
        return;
    }
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let _ = std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700));
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        waiting.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    let _ = std::fs::remove_dir_all(path);
}
