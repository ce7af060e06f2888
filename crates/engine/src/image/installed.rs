//! Kernels that are installed on this host.

use crate::image::package::{KernelFiles, add_module_file};
use crate::image::{SetupEvent, driver, kernel};
use std::path::{Path, PathBuf};

/// Takes the first installed kernel that can be read and booted: cloud kernels before others, the newest first.
pub(super) fn find(
    boot: &Path,
    modules: &Path,
    progress: &mut dyn FnMut(SetupEvent),
) -> Option<(PathBuf, KernelFiles)> {
    let mut candidates: Vec<(bool, Vec<u64>, String, PathBuf)> = std::fs::read_dir(boot)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let release = name.strip_prefix("vmlinuz-")?.to_owned();
            let cloud = release.contains("cloud") || release.contains("virtual") || release.contains("kvm");
            Some((cloud, version_key(&release), release, entry.path()))
        })
        .collect();
    candidates.sort();
    while let Some((_, _, release, path)) = candidates.pop() {
        let Some(image) = read_kernel(&path) else { continue };
        let mut files = KernelFiles { kernel: image, release: release.clone(), ..KernelFiles::default() };
        add_directory(&modules.join(&release), &mut files);
        // Without its list of built-in modules nothing is known of what the guest can load.
        if files.built_in.is_empty() {
            continue;
        }
        progress(SetupEvent::Installed { path: path.clone() });
        return Some((path, files));
    }
    None
}

fn read_kernel(path: &Path) -> Option<Vec<u8>> {
    if path.metadata().ok()?.len() > kernel::SIZE_LIMIT {
        return None;
    }
    let image = std::fs::read(path).ok()?;
    kernel::recognise(&image).is_ok().then_some(image)
}

/// The numbers in a release, in order, for comparing.
fn version_key(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Reads the modules of one kernel that matter for a guest.
fn add_directory(root: &Path, files: &mut KernelFiles) {
    let mut paths = vec![root.join("modules.builtin")];
    for directory in driver::places() {
        let Ok(entries) = std::fs::read_dir(root.join("kernel").join(directory)) else { continue };
        paths.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    for path in paths.into_iter().filter(|path| path.is_file()) {
        // A module that cannot be read is as good as missing: whoever needs it will name it.
        let _ = add_module_file(&path.to_string_lossy(), || std::fs::read(&path), files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::kernel::tests::{bzimage, elf};

    #[test]
    fn a_cloud_kernel_with_modules_wins_and_the_unusable_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let (boot, modules) = (directory.path().join("boot"), directory.path().join("modules"));
        std::fs::create_dir_all(&boot).unwrap();
        assert!(find(&boot, &modules, &mut |_| {}).is_none());
        for release in ["6.1.0-9-cloud", "6.1.0-10-cloud", "6.12.0-1"] {
            std::fs::write(boot.join(format!("vmlinuz-{release}")), bzimage(&elf(18))).unwrap();
            let virtio = modules.join(release).join("kernel/drivers/virtio");
            std::fs::create_dir_all(&virtio).unwrap();
            std::fs::write(virtio.join("virtio.ko"), b"\x7fELF").unwrap();
            std::fs::write(modules.join(release).join("modules.builtin"), "kernel/x.ko\n").unwrap();
        }
        std::fs::write(boot.join("vmlinuz-7.0-cloud"), "garbage").unwrap();
        let (path, files) = find(&boot, &modules, &mut |_| {}).unwrap();
        assert_eq!(path, boot.join("vmlinuz-6.1.0-10-cloud"));
        assert_eq!(files.modules.keys().collect::<Vec<_>>(), ["virtio"]);
        assert!(files.built_in.contains("x"));
    }
}
