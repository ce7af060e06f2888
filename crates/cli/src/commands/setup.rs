//! `isodyne setup`: guest kernel and initramfs into the cache, without root.

use crate::arguments::SetupOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::unit::DisplayBytes;
use isodyne_engine::image::{self, SetupEvent};
use serde_json::json;

/// Gets or builds what VMs boot from.
pub fn setup(options: &SetupOptions, output: &Output) -> Result<Exit, Trouble> {
    let wanted =
        image::SetupOptions { kernel: options.kernel.clone(), refresh: options.refresh, skip_installed: false };
    let cache = paths::cache();
    let guest = image::setup(&cache, &wanted, &mut |event| output.say(&said(&event))).map_err(Trouble::unexpected)?;
    let mut assets = guest.assets(false, false);
    if guest.initramfs_with_modules.is_ok() {
        let with_modules = guest.assets(true, false).into_iter().filter(|asset| asset.role == "initramfs");
        assets.extend(with_modules.filter(|asset| asset.sha256 != guest.initramfs.1.sha256));
    }
    if options.json {
        return output.json(&json!({
            "schema": "isodyne-setup", "version": 1, "cache": cache, "release": guest.kernel.release,
            "source": guest.kernel.source, "modules": guest.modules, "assets": assets,
        }));
    }
    let release = guest.kernel.release.as_deref().unwrap_or("of unknown release");
    let mut text = format!("guest kernel {release}, from {}\n", guest.kernel.source);
    for asset in &assets {
        let size = DisplayBytes(asset.size_bytes as f64).to_string();
        text.push_str(&format!("  {:10} {:>9}  sha256 {}  {}\n", asset.role, size, asset.sha256, asset.name));
    }
    match &guest.initramfs_with_modules {
        Ok(_) => text.push_str(&format!("  modules for virtio-serial: {}\n", guest.modules.join(" "))),
        Err(reason) => text.push_str(&format!("  no virtio-serial with this kernel: {reason}\n")),
    }
    text.push_str(&format!("  cache      {}\n", cache.display()));
    output.data(&text)
}

fn said(event: &SetupEvent) -> String {
    match event {
        SetupEvent::Cached { source } => format!("the cache has {source}"),
        SetupEvent::Installed { path } => format!("taking {}, which is installed", path.display()),
        SetupEvent::UpdatingLists => "fetching the lists of packages".to_owned(),
        SetupEvent::Downloading { package, size_bytes } => {
            format!("fetching {package}, {}", DisplayBytes(*size_bytes as f64))
        }
        SetupEvent::Unpacking { package } => format!("opening {package}"),
        SetupEvent::Extracting => "taking the kernel out of its image".to_owned(),
        SetupEvent::Building => "putting the initramfs together".to_owned(),
    }
}
