//! The default guest: a kernel with an initramfs around the agent of this very program.

use crate::image::cache::{Cache, CacheError, Stored, sha256_hex};
use crate::image::kernel::{self, KernelFormat};
use crate::image::modules::{self, Modules};
use crate::image::package::{self, KernelFiles};
use crate::image::{KernelSource, SetupError, SetupEvent, SetupOptions, asset, initramfs, installed};
use isodyne_core::record::Asset;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file of the cache that says what the default guest is.
const INDEX: &str = "guest.json";
const INDEX_VERSION: u32 = 1;

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
    /// In the order of loading; `None` if virtio-serial cannot be had from this kernel, with the reason beside it.
    modules: Option<Vec<Stored>>,
    modules_missing: Option<String>,
}

/// Everything a guest boots from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestAssets {
    /// The kernel.
    pub kernel: Kernel,
    /// The kernel image's path.
    pub image: PathBuf,
    /// The path of the ELF that boots by PVH, if there is one. For an ELF kernel it is the image itself.
    pub pvh_elf: Option<PathBuf>,
    /// The initramfs with the agent alone.
    pub initramfs: (PathBuf, Stored),
    /// The initramfs with the modules for virtio-serial too, or why there is none.
    pub initramfs_with_modules: Result<(PathBuf, Stored), String>,
    /// The modules' files in the order of loading.
    pub modules: Vec<String>,
}

impl GuestAssets {
    /// The files that take part in a boot.
    pub fn assets(&self, with_modules: bool, pvh: bool) -> Vec<Asset> {
        let kernel = self.kernel.elf.as_ref().filter(|_| pvh).unwrap_or(&self.kernel.image);
        let initramfs = match &self.initramfs_with_modules {
            Ok((_, stored)) if with_modules => stored,
            _ => &self.initramfs.1,
        };
        let agent = crate::channel::agent_binary();
        vec![
            asset("kernel", self.kernel.source.to_string(), kernel),
            asset("initramfs", "made by isodyne".to_owned(), initramfs),
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
    let built_in = |name: &str| files.built_in.contains(name);
    let (modules, modules_missing) = match modules::order(modules::VIRTIO_SERIAL, &files.modules, &built_in) {
        Ok(names) => (Some(store_modules(&cache, &files.modules, &names)?), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let index = Index { version: INDEX_VERSION, kernel, modules, modules_missing };
    progress(SetupEvent::Building);
    let found = assemble(&cache, &index)?;
    cache.write_index(INDEX, &index)?;
    Ok(found)
}

/// The default guest as the cache has it; `None` before the first `isodyne setup`. Every digest is checked, and the
/// initramfs is built again if this program carries another agent.
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
    let missing = Some("modules come only with the distribution's kernel".to_owned());
    assemble(&cache, &Index { version: INDEX_VERSION, kernel, modules: None, modules_missing: missing })
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

fn store_modules(cache: &Cache, modules: &Modules, names: &[String]) -> Result<Vec<Stored>, SetupError> {
    let found = names.iter().filter_map(|name| Some((name, modules.get(name)?)));
    found.map(|(name, module)| Ok(cache.put(&format!("{name}.ko"), module)?)).collect()
}

/// Checks what the index names and puts the initramfs together; that is cheap, and follows the agent.
fn assemble(cache: &Cache, index: &Index) -> Result<GuestAssets, SetupError> {
    let image = cache.verify(&index.kernel.image)?;
    let pvh_elf = match (&index.kernel.elf, index.kernel.format) {
        (Some(elf), _) => Some(cache.verify(elf)?),
        (None, KernelFormat::PvhElf) => Some(image.clone()),
        (None, KernelFormat::BzImage) => None,
    };
    let agent = crate::channel::agent_binary();
    let store = |modules: &Modules, names: &[String]| -> Result<(PathBuf, Stored), SetupError> {
        let stored = cache.put("initramfs.cpio", &initramfs::build(agent, modules, names)?)?;
        Ok((cache.path(&stored), stored))
    };
    let mut module_files = Vec::new();
    let initramfs_with_modules = match &index.modules {
        Some(stored) => {
            let (mut modules, mut names) = (Modules::new(), Vec::new());
            for file in stored {
                let name = modules::name_of_file(&file.name).unwrap_or_else(|| file.name.clone());
                modules.insert(name.clone(), cache.get(file)?);
                module_files.push(file.name.clone());
                names.push(name);
            }
            Ok(store(&modules, &names)?)
        }
        None => Err(index.modules_missing.clone().unwrap_or_else(|| "the kernel has no modules".to_owned())),
    };
    Ok(GuestAssets {
        kernel: index.kernel.clone(),
        image,
        pvh_elf,
        initramfs: store(&Modules::new(), &[])?,
        initramfs_with_modules,
        modules: module_files,
    })
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
        assert!(first.initramfs_with_modules.is_err());
        assert_eq!(guest(&cache).unwrap().as_ref(), Some(&first));
        // Asked again without a name, the cache answers.
        let mut events = Vec::new();
        assert_eq!(setup(&cache, &SetupOptions::default(), &mut |event| events.push(event)).unwrap(), first);
        assert!(matches!(events[..], [SetupEvent::Cached { .. }]));

        std::fs::write(&first.image, "changed").unwrap();
        assert!(matches!(guest(&cache), Err(SetupError::Cache(CacheError::Mismatch { .. }))));
        assert!(matches!(setup(&cache, &SetupOptions::default(), &mut |_| {}), Err(SetupError::Cache(_))));
        // Removed, as the message says, it is got again.
        std::fs::remove_file(&first.image).unwrap();
        assert!(matches!(guest(&cache), Err(SetupError::Cache(CacheError::Io { .. }))));
        assert_eq!(setup(&cache, &options, &mut |_| {}).unwrap(), first);
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
