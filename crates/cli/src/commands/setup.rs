//! `isodyne setup`: guest kernel and initramfs into the cache, without root.

use crate::arguments::SetupOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::unit::DisplayBytes;
use isodyne_engine::image::{self, Driver, SetupEvent, Transport};
use serde_json::json;

/// Gets or builds what VMs boot from.
pub fn setup(options: &SetupOptions, output: &Output) -> Result<Exit, Trouble> {
    let wanted =
        image::SetupOptions { kernel: options.kernel.clone(), refresh: options.refresh, skip_installed: false };
    let cache = paths::cache();
    let guest = image::setup(&cache, &wanted, &mut |event| output.say(&said(&event))).map_err(Trouble::unexpected)?;
    // Made now, so that a run finds it: the smallest, which every kernel can boot.
    let initramfs = guest.initramfs(Transport::Pci, &[]).map_err(Trouble::unexpected)?;
    let assets = guest.assets(&initramfs, false);
    let words = |transport| guest.drivers(transport).iter().map(Driver::to_string).collect::<Vec<_>>();
    let (pci, mmio) = (words(Transport::Pci), words(Transport::Mmio));
    if options.json {
        return output.json(&json!({
            "schema": "isodyne-setup", "version": 2, "cache": cache, "release": guest.kernel.release,
            "source": guest.kernel.source, "drivers": { "pci": pci, "mmio": mmio }, "assets": assets,
        }));
    }
    let release = guest.kernel.release.as_deref().unwrap_or("of unknown release");
    let mut text = format!("guest kernel {release}, from {}\n", guest.kernel.source);
    for asset in &assets {
        let size = DisplayBytes(asset.size_bytes as f64).to_string();
        text.push_str(&format!("  {:10} {:>9}  sha256 {}  {}\n", asset.role, size, asset.sha256, asset.name));
    }
    if pci.is_empty() && mmio.is_empty() {
        text.push_str("  no drivers known: modules come only with the distribution's kernel\n");
    } else {
        text.push_str(&format!("  drivers    on PCI {}; on MMIO {}\n", pci.join(", "), mmio.join(", ")));
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
