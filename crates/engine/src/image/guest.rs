//! The default guest: a kernel with an initramfs around the agent of this very program.

use crate::image::cache::{Cache, CacheError, Stored, sha256_hex};
use crate::image::driver::{self, Driver, Transport};
use crate::image::kernel::{self, KernelFormat};
use crate::image::modules::{self, Modules};
use crate::image::package::{self, KernelFiles};
use crate::image::{KernelSource, SetupError, SetupEvent, SetupOptions, asset, initramfs, installed};
use isodyne_core::record::Asset;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The file of the cache that says what the default guest is.
const INDEX: &str = "guest.json";
const INDEX_VERSION: u32 = 3;

/// A kernel in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// The file as it was found.
    pub image: Stored,
    /// What it is.
    pub format: KernelFormat,
    /// The ELF inside a bzImage, if it can be booted by PVH.
    pub elf: Option<Stored>,
    /// Its release, if it says.
    pub release: Option<String>,
    /// Where it comes from.
    pub source: KernelSource,
}

/// The kernel of the default guest with its modules, as the index holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    version: u32,
    kernel: Kernel,
    /// `None` if nothing is known of the kernel's modules.
    modules: Option<ModuleIndex>,
}

/// The modules that guests may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ModuleIndex {
    /// By their names.
    files: BTreeMap<String, Stored>,
    /// Of what they and the drivers need, what is built into the kernel.
    built_in: BTreeSet<String>,
}

/// An initramfs in the cache: the agent, and the modules of a list of drivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initramfs {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub stored: Stored,
    /// The modules' files in the order of loading, for `isodyne.modules=`.
    pub modules: Vec<String>,
}

/// Everything a guest boots from.
#[derive(Clone, Debug)]
pub struct GuestAssets {
    /// The kernel.
    pub kernel: Kernel,
    /// The kernel image's path.
    pub image: PathBuf,
    /// The path of the ELF that boots by PVH, if there is one. For an ELF kernel it is the image itself.
    pub pvh_elf: Option<PathBuf>,
    modules: Option<ModuleIndex>,
    cache: Cache,
}

impl GuestAssets {
    /// The initramfs for a guest that uses these drivers: made if the cache has none, and always around the agent of this
    /// very program. For no drivers it is the agent alone.
    ///
    /// # Errors
    /// [`SetupError::Drivers`] if the kernel has no such driver, or nothing is known of its modules (a kernel that the
    /// user named: it may have them built in, and then boots with the initramfs for no drivers). Others if the cache is
    /// damaged or cannot be written.
    pub fn initramfs(&self, transport: Transport, drivers: &[Driver]) -> Result<Initramfs, SetupError> {
        let names = self.order(transport, drivers)?;
        let modules = match &self.modules {
            Some(index) => names
                .iter()
                .filter_map(|name| Some((name, index.files.get(name)?)))
                .map(|(name, stored)| Ok((name.clone(), self.cache.get(stored)?)))
                .collect::<Result<Modules, SetupError>>()?,
            None => Modules::new(),
        };
        let contents = initramfs::build(crate::channel::agent_binary(), &modules, &names)?;
        let stored = self.cache.put("initramfs.cpio", &contents)?;
        let modules = names.iter().map(|name| format!("{name}.ko")).collect();
        Ok(Initramfs { path: self.cache.path(&stored), stored, modules })
    }

    /// The drivers that this kernel has, built in or as modules.
    pub fn drivers(&self, transport: Transport) -> Vec<Driver> {
        Driver::ALL.iter().copied().filter(|driver| self.order(transport, &[*driver]).is_ok()).collect()
    }

    /// The modules' names in the order of loading.
    fn order(&self, transport: Transport, drivers: &[Driver]) -> Result<Vec<String>, SetupError> {
        let wanted = driver::wanted(transport, drivers);
        let refused = |reason: String| SetupError::Drivers {
            drivers: drivers.iter().map(Driver::to_string).collect::<Vec<_>>().join(", "),
            reason,
        };
        match &self.modules {
            _ if wanted.is_empty() => Ok(Vec::new()),
            None => Err(refused("modules come only with the distribution's kernel".to_owned())),
            Some(index) => {
                let mut available = Modules::new();
                for (name, stored) in &index.files {
                    available.insert(name.clone(), self.cache.get(stored)?);
                }
                modules::order(&wanted, &available, &|name| index.built_in.contains(name))
                    .map_err(|error| refused(error.to_string()))
            }
        }
    }

    /// The files that take part in a boot.
    pub fn assets(&self, initramfs: &Initramfs, pvh: bool) -> Vec<Asset> {
        let kernel = self.kernel.elf.as_ref().filter(|_| pvh).unwrap_or(&self.kernel.image);
        let agent = crate::channel::agent_binary();
        vec![
            asset("kernel", self.kernel.source.to_string(), kernel),
            asset("initramfs", "made by isodyne".to_owned(), &initramfs.stored),
            Asset {
                role: "agent".to_owned(),
                name: "isodyne-agent".to_owned(),
                sha256: sha256_hex(agent),
                size_bytes: agent.len() as u64,
            },
        ]
    }
}

/// Gets or builds the default guest into the cache. Takes what the cache has, if it is whole.
///
/// # Errors
/// [`SetupError`] says what is missing and what to do.
pub fn setup(
    cache: &Path,
    options: &SetupOptions,
    progress: &mut dyn FnMut(SetupEvent),
) -> Result<GuestAssets, SetupError> {
    let cache = Cache::open(cache)?;
    let _lock = cache.lock()?;
    if options.kernel.is_none()
        && !options.refresh
        && let Some(index) = read_index(&cache)?
    {
        match assemble(&cache, &index) {
            Ok(found) => {
                progress(SetupEvent::Cached { source: index.kernel.source.to_string() });
                return Ok(found);
            }
            // Something was removed, perhaps because it had changed: it is got again.
            Err(SetupError::Cache(CacheError::Io { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let (source, files) = find_kernel(&cache, options, progress)?;
    progress(SetupEvent::Extracting);
    let kernel = store_kernel(&cache, &files.kernel, Some(files.release.clone()), source)?;
    let modules = (!files.modules.is_empty() || !files.built_in.is_empty()).then(|| store_modules(&cache, &files));
    let index = Index { version: INDEX_VERSION, kernel, modules: modules.transpose()? };
    progress(SetupEvent::Building);
    let found = assemble(&cache, &index)?;
    cache.write_index(INDEX, &index)?;
    Ok(found)
}

/// The default guest as the cache has it; `None` before the first `isodyne setup`. Every digest is checked.
///
/// # Errors
/// [`SetupError`] if something in the cache is damaged.
pub fn guest(cache: &Path) -> Result<Option<GuestAssets>, SetupError> {
    let cache = Cache::open(cache)?;
    match read_index(&cache)? {
        Some(index) => Ok(Some(assemble(&cache, &index)?)),
        None => Ok(None),
    }
}

/// A guest with a kernel that the user names: no modules, so the kernel must have a serial port built in.
///
/// # Errors
/// [`SetupError`] if the file cannot be read or booted.
pub fn guest_with_kernel(cache: &Path, path: &Path) -> Result<GuestAssets, SetupError> {
    let cache = Cache::open(cache)?;
    let kernel = admit_kernel(&cache, path)?;
    assemble(&cache, &Index { version: INDEX_VERSION, kernel, modules: None })
}

/// Takes a kernel that the user names into the cache.
///
/// # Errors
/// [`SetupError`] if the file cannot be read or booted.
pub fn admit_kernel(cache: &Cache, path: &Path) -> Result<Kernel, SetupError> {
    let image = read_limited(path)?;
    let release = kernel::release_of_bzimage(&image);
    store_kernel(cache, &image, release, KernelSource::File { path: path.to_string_lossy().into_owned() })
}

fn read_limited(path: &Path) -> Result<Vec<u8>, SetupError> {
    let error = |source| SetupError::Io { action: "read the kernel", path: path.to_owned(), source };
    let status = path.metadata().map_err(error)?;
    if !status.is_file() || status.len() > kernel::SIZE_LIMIT {
        let found = if status.is_file() { "it is larger than 512 MiB" } else { "it is not a file" };
        return Err(SetupError::Package { path: path.to_owned(), message: found.to_owned() });
    }
    std::fs::read(path).map_err(error)
}

fn read_index(cache: &Cache) -> Result<Option<Index>, SetupError> {
    // An index of another version is as good as none: setup writes a new one.
    let version = cache.read_index::<serde_json::Value>(INDEX)?.and_then(|value| value["version"].as_u64());
    if version == Some(u64::from(INDEX_VERSION)) { Ok(cache.read_index(INDEX)?) } else { Ok(None) }
}

fn find_kernel(
    cache: &Cache,
    options: &SetupOptions,
    progress: &mut dyn FnMut(SetupEvent),
) -> Result<(KernelSource, KernelFiles), SetupError> {
    if let Some(path) = &options.kernel {
        let kernel = read_limited(path)?;
        let release = kernel::release_of_bzimage(&kernel).unwrap_or_default();
        let files = KernelFiles { kernel, release, ..KernelFiles::default() };
        return Ok((KernelSource::File { path: path.to_string_lossy().into_owned() }, files));
    }
    if !options.skip_installed
        && let Some((path, files)) = installed::find(Path::new("/boot"), Path::new("/lib/modules"), progress)
    {
        return Ok((KernelSource::Installed { path: path.to_string_lossy().into_owned() }, files));
    }
    // The lock is held: nobody else uses this directory, and what an interrupted setup left in it goes first.
    let work = cache.root().join("download");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work).map_err(|source| SetupError::Io { action: "make", path: work.clone(), source })?;
    let obtained = package::obtain(&work, progress);
    let _ = std::fs::remove_dir_all(&work);
    let (package, files) = obtained?;
    Ok((KernelSource::Package { name: package.name, version: package.version }, files))
}

fn store_kernel(
    cache: &Cache,
    image: &[u8],
    release: Option<String>,
    source: KernelSource,
) -> Result<Kernel, SetupError> {
    let format = kernel::recognise(image).map_err(|error| SetupError::Kernel { path: source.to_string(), error })?;
    let elf = match format {
        KernelFormat::PvhElf => None,
        // A bzImage whose payload cannot be had boots by itself.
        KernelFormat::BzImage => match kernel::elf_of_bzimage(image) {
            Ok(elf) => Some(cache.put("vmlinux", &elf)?),
            Err(_) => None,
        },
    };
    let name = if format == KernelFormat::PvhElf { "vmlinux" } else { "vmlinuz" };
    let release = release.filter(|release| !release.is_empty());
    Ok(Kernel { image: cache.put(name, image)?, format, elf, release, source })
}

fn store_modules(cache: &Cache, found: &KernelFiles) -> Result<ModuleIndex, SetupError> {
    let files =
        found.modules.iter().map(|(name, module)| Ok((name.clone(), cache.put(&format!("{name}.ko"), module)?)));
    let files = files.collect::<Result<BTreeMap<_, _>, SetupError>>()?;
    let transports = [Transport::Pci, Transport::Mmio];
    let mut needed: BTreeSet<String> =
        transports.iter().flat_map(|transport| driver::wanted(*transport, Driver::ALL)).map(str::to_owned).collect();
    needed.extend(found.modules.values().flat_map(|module| modules::depends_of(module)));
    Ok(ModuleIndex { files, built_in: needed.intersection(&found.built_in).cloned().collect() })
}

/// Checks what the index names.
fn assemble(cache: &Cache, index: &Index) -> Result<GuestAssets, SetupError> {
    let image = cache.verify(&index.kernel.image)?;
    let pvh_elf = match (&index.kernel.elf, index.kernel.format) {
        (Some(elf), _) => Some(cache.verify(elf)?),
        (None, KernelFormat::PvhElf) => Some(image.clone()),
        (None, KernelFormat::BzImage) => None,
    };
    for stored in index.modules.iter().flat_map(|modules| modules.files.values()) {
        cache.verify(stored)?;
    }
    let (kernel, modules, cache) = (index.kernel.clone(), index.modules.clone(), cache.clone());
    Ok(GuestAssets { kernel, image, pvh_elf, modules, cache })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::kernel::tests::{bzimage, elf};

    #[test]
    fn a_named_kernel_is_set_up_once_and_checked_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        assert!(guest(&cache).unwrap().is_none());
        let file = directory.path().join("my-kernel");
        std::fs::write(&file, bzimage(&elf(18))).unwrap();
        let options = SetupOptions { kernel: Some(file), ..SetupOptions::default() };
        let first = setup(&cache, &options, &mut |_| {}).unwrap();
        assert_eq!(first.kernel.release.as_deref(), Some("6.1.0-9"));
        assert!(first.pvh_elf.as_ref().is_some_and(|path| path.is_file()));
        // Nothing is known of its modules; without any it boots all the same.
        let refused = first.initramfs(Transport::Pci, &[Driver::VirtioSerial]).unwrap_err().to_string();
        assert!(refused.contains("virtio-serial") && refused.contains("distribution's kernel"), "{refused}");
        assert!(first.initramfs(Transport::Mmio, &[]).unwrap().modules.is_empty());
        assert!(first.drivers(Transport::Pci).is_empty());
        assert_eq!(guest(&cache).unwrap().unwrap().kernel, first.kernel);
        // Asked again without a name, the cache answers.
        let mut events = Vec::new();
        let again = setup(&cache, &SetupOptions::default(), &mut |event| events.push(event)).unwrap();
        assert_eq!((again.kernel, again.image), (first.kernel.clone(), first.image.clone()));
        assert!(matches!(events[..], [SetupEvent::Cached { .. }]));

        std::fs::write(&first.image, "changed").unwrap();
        assert!(matches!(guest(&cache), Err(SetupError::Cache(CacheError::Mismatch { .. }))));
        assert!(matches!(setup(&cache, &SetupOptions::default(), &mut |_| {}), Err(SetupError::Cache(_))));
        // Removed, as the message says, it is got again.
        std::fs::remove_file(&first.image).unwrap();
        assert!(matches!(guest(&cache), Err(SetupError::Cache(CacheError::Io { .. }))));
        assert_eq!(setup(&cache, &options, &mut |_| {}).unwrap().kernel, first.kernel);
    }

    #[test]
    fn an_initramfs_has_what_its_drivers_need_in_the_order_of_loading() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let module = |depends: &str| format!("\0depends={depends}\0").into_bytes();
        let mut files = KernelFiles { kernel: bzimage(&elf(18)), ..KernelFiles::default() };
        for (name, depends) in [
            ("virtio", "virtio_ring"),
            ("virtio_ring", ""),
            ("virtio_pci", "virtio"),
            ("virtio_net", "virtio,net_failover"),
            ("net_failover", "failover"),
            ("failover", ""),
            ("virtio_blk", "virtio"),
            ("virtio_rng", "rng_core"),
        ] {
            files.modules.insert(name.to_owned(), module(depends));
        }
        files.built_in = ["virtio_console", "rng_core", "ext4"].map(str::to_owned).into();
        let source = KernelSource::File { path: "k".to_owned() };
        let kernel = store_kernel(&cache, &files.kernel, None, source).unwrap();
        let modules = store_modules(&cache, &files).unwrap();
        assert!(!modules.built_in.contains("ext4"));
        let guest = assemble(&cache, &Index { version: INDEX_VERSION, kernel, modules: Some(modules) }).unwrap();
        let made = guest.initramfs(Transport::Pci, &[Driver::Network, Driver::VirtioSerial]).unwrap();
        assert_eq!(
            made.modules,
            ["virtio_ring.ko", "virtio.ko", "virtio_pci.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"]
        );
        let contents = String::from_utf8_lossy(&std::fs::read(&made.path).unwrap()).into_owned();
        assert!(contents.contains("virtio_net.ko") && !contents.contains("virtio_blk.ko"));
        let (entropy, vsock) = ([Driver::Entropy], [Driver::Vsock]);
        assert_eq!(guest.initramfs(Transport::Pci, &entropy).unwrap().modules.last().unwrap(), "virtio_rng.ko");
        let refused = guest.initramfs(Transport::Pci, &vsock).unwrap_err().to_string();
        assert!(refused.contains("give a guest vsock") && refused.contains("vmw_vsock_virtio_transport"), "{refused}");
        assert!(guest.initramfs(Transport::Mmio, &[Driver::Block]).is_err());
        assert_eq!(
            guest.drivers(Transport::Pci),
            [Driver::VirtioSerial, Driver::Network, Driver::Block, Driver::Entropy]
        );
    }

    #[test]
    fn what_is_no_kernel_is_refused_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("script");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let error = guest_with_kernel(&directory.path().join("cache"), &file).unwrap_err().to_string();
        assert!(error.contains("script") && error.contains("neither a bzImage nor an ELF"), "{error}");
        let missing = guest_with_kernel(&directory.path().join("cache"), Path::new("/nonexistent/k")).unwrap_err();
        assert!(matches!(missing, SetupError::Io { .. }));
    }
}
