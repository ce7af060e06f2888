//! Images: what a guest boots from. `isodyne setup` gets it once; runs take it from the cache and check its digests.

use isodyne_core::record::Asset;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

pub mod app;
pub mod cache;
pub mod compression;
pub mod cpio;
pub mod driver;
mod guest;
pub mod initramfs;
mod installed;
pub mod kernel;
pub mod lz4;
pub mod modules;
pub mod package;
pub mod rootfs;
pub(crate) mod tool;

pub use cache::{Cache, CacheError, Stored};
pub use driver::{Driver, Transport};
pub use guest::{GuestAssets, Initramfs, admit_kernel, guest, guest_with_kernel, setup};

/// What `isodyne setup` was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupOptions {
    /// A kernel that the user names, instead of the distribution's.
    pub kernel: Option<PathBuf>,
    /// Look for the kernel again although the cache has one.
    pub refresh: bool,
    /// Do not take a kernel that is installed on this host.
    pub skip_installed: bool,
}

/// Where a kernel comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum KernelSource {
    /// It is installed on this host.
    Installed {
        /// Its path.
        path: String,
    },
    /// It was taken out of a package.
    Package {
        /// The package's name.
        name: String,
        /// The package's version.
        version: String,
    },
    /// The user named it.
    File {
        /// Its path.
        path: String,
    },
}

impl std::fmt::Display for KernelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Installed { path } => write!(f, "{path} (installed)"),
            Self::Package { name, version } => write!(f, "{name} {version}"),
            Self::File { path } => f.write_str(path),
        }
    }
}

/// A step of `isodyne setup`, for whoever shows progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupEvent {
    /// The cache has a whole kernel already.
    Cached {
        /// Where it once came from.
        source: String,
    },
    /// A kernel that is installed here is used.
    Installed {
        /// Its path.
        path: PathBuf,
    },
    /// The host has no lists of packages: they are fetched into a place of our own.
    UpdatingLists,
    /// A package is fetched.
    Downloading {
        /// Its name and version.
        package: String,
        /// Its size.
        size_bytes: u64,
    },
    /// A package is opened.
    Unpacking {
        /// Its name and version.
        package: String,
    },
    /// The kernel is taken out of its bzImage.
    Extracting,
    /// The initramfs is put together.
    Building,
}

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The host refused.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// The file that the user named, or that was found, is no kernel.
    #[error("`{path}` cannot be booted: {error}; name a bzImage or an ELF vmlinux with `--kernel FILE`")]
    Kernel {
        /// The file or package.
        path: String,
        /// What is wrong with it.
        error: kernel::KernelError,
    },
    /// The tools of the package manager are not there.
    #[error(
        "there is no `{tool}` to get a kernel's package with; install your distribution's kernel \
         or name one with `isodyne setup --kernel FILE`"
    )]
    NoPackages {
        /// The missing tool.
        tool: &'static str,
    },
    /// apt knows none of the packages.
    #[error(
        "the package sources of this host have no kernel (tried {tried}); \
         name one with `isodyne setup --kernel FILE`"
    )]
    NoKernelPackage {
        /// The packages that were asked for.
        tried: String,
    },
    /// Something could not be fetched.
    #[error(
        "failed to fetch {what}: {message}; connect this host and repeat, install `linux-image-cloud-amd64`, \
         or name a kernel with `isodyne setup --kernel FILE`"
    )]
    Offline {
        /// What was fetched.
        what: &'static str,
        /// What apt said.
        message: String,
    },
    /// A downloaded file is not the one that the package lists promise.
    #[error(
        "`{}` is not what the package lists promise: expected SHA-256 {expected}, found {found}; \
         run `apt-get update` and `isodyne setup` again", path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What the lists say.
        expected: String,
        /// What was fetched.
        found: String,
    },
    /// A package is refused.
    #[error("`{}`: {message}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The archive in a package cannot be read.
    #[error("failed to open the package: {message}")]
    Archive {
        /// Why.
        message: String,
    },
    /// No kernel in the packages.
    #[error("there is no kernel in {packages}; name one with `isodyne setup --kernel FILE`")]
    EmptyPackage {
        /// The packages.
        packages: String,
    },
    /// The kernel cannot drive what the guest is to use.
    #[error("this kernel cannot give a guest {drivers}: {reason}")]
    Drivers {
        /// What was asked for.
        drivers: String,
        /// Why not.
        reason: String,
    },
    /// A tool could not be run to its end.
    #[error(transparent)]
    Tool(#[from] tool::ToolError),
    /// The initramfs cannot be written.
    #[error("failed to build the initramfs")]
    Initramfs(#[from] cpio::CpioError),
}

/// A file of the cache, as it takes part in a measurement.
pub(crate) fn asset(role: &str, name: String, stored: &Stored) -> Asset {
    Asset { role: role.to_owned(), name, sha256: stored.sha256.clone(), size_bytes: stored.size_bytes }
}

/// What is wrong with a cache or kernel, for a skip's reason: the whole chain of causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}
