//! Images: kernels, initramfs, root file systems.

pub mod rootfs;
