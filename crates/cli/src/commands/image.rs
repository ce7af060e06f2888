//! `isodyne image`: what an application image is, and what can be made of it.

use crate::arguments::{self, ImageOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::unit::DisplayBytes;
use isodyne_engine::image::app::{
    self, AppImage, DiskFormat, ImageError, ImageEvent, ImageSource, ObtainOptions, OverlayKind,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Something that was made of an image.
struct Made {
    what: String,
    path: PathBuf,
    sha256: Option<String>,
    tool: Option<String>,
}

/// Gets an image into the cache, shows it, and makes what is asked for.
pub fn image(options: &ImageOptions, output: &Output) -> Result<Exit, Trouble> {
    if options.output.is_some() && options.disk.is_none() && options.archive.is_none() {
        return Err(Trouble::usage(
            "`--output` needs something to put there",
            "add `--disk ext4` or `--archive NAME:TAG`",
        ));
    }
    let source = ImageSource::parse(&options.image).map_err(trouble)?;
    let how = ObtainOptions { plain_http: options.plain_http, ..ObtainOptions::default() };
    let image = app::obtain(&paths::cache(), &source, &how, &mut |event| output.say(&said(&event))).map_err(trouble)?;
    let mut made = make(options, &image)?;
    if let (Some(made), Some(to)) = (&mut made, &options.output) {
        app::overlay(&made.path, to, OverlayKind::Raw).map_err(trouble)?;
        made.path.clone_from(to);
    }
    let record = &image.record;
    if options.json {
        let made =
            made.map(|made| json!({"what": made.what, "path": made.path, "sha256": made.sha256, "tool": made.tool}));
        return output.json(&json!({
            "schema": "isodyne-image", "version": 1, "source": image.source, "digest": record.digest,
            "manifest": record.manifest, "config": record.config, "layers": record.layers, "entries": record.entries,
            "content_bytes": record.content_bytes, "tree": record.tree, "tree_path": image.tar(), "made": made,
        }));
    }
    output.data(&text(&image, made.as_ref()))
}

fn make(options: &ImageOptions, image: &AppImage) -> Result<Option<Made>, Trouble> {
    if let Some(format) = options.disk {
        let format = match format {
            arguments::DiskFormat::Ext4 => DiskFormat::Ext4,
            arguments::DiskFormat::Squashfs => DiskFormat::Squashfs,
            arguments::DiskFormat::Erofs => DiskFormat::Erofs,
        };
        let disk = image.disk(format, options.size).map_err(trouble)?;
        let what = format!("{} disk, {}", format.name(), bytes(disk.stored.size_bytes));
        return Ok(Some(Made { what, path: disk.path, sha256: Some(disk.stored.sha256), tool: Some(disk.tool) }));
    }
    let Some(name) = &options.archive else { return Ok(None) };
    let path = image.docker_archive(name).map_err(trouble)?;
    Ok(Some(Made { what: format!("archive of {name}"), path, sha256: None, tool: None }))
}

fn text(image: &AppImage, made: Option<&Made>) -> String {
    let record = &image.record;
    let mut lines = vec![("digest", record.digest.to_string())];
    lines.extend(record.manifest.map(|digest| ("manifest", digest.to_string())));
    lines.push(("contents", format!("{} in {} entries", bytes(record.content_bytes), record.entries)));
    let config = &record.config;
    // What an image says of itself is foreign: nothing in it may reach the terminal as it is.
    let shown =
        |words: &[String]| words.iter().map(|word| word.escape_debug().to_string()).collect::<Vec<_>>().join(" ");
    let argv = config.argv();
    lines.push(("command", if argv.is_empty() { "none".to_owned() } else { shown(&argv) }));
    lines.extend(config.environment.iter().map(|variable| ("variable", shown(std::slice::from_ref(variable)))));
    for (name, value) in
        [("directory", &config.working_directory), ("user", &config.user), ("stop signal", &config.stop_signal)]
    {
        lines.extend(value.iter().map(|value| (name, value.escape_debug().to_string())));
    }
    if !config.exposed_ports.is_empty() {
        lines.push(("ports", shown(&config.exposed_ports)));
    }
    for layer in &record.layers {
        lines.push(("layer", format!("{}  {}", layer.diff_id, bytes(layer.packed_bytes))));
    }
    lines.push(("tree", display(&image.tar())));
    if let Some(made) = made {
        lines.push(("made", made.what.clone()));
        lines.push(("", display(&made.path)));
        lines.extend(made.sha256.iter().map(|sha256| ("", format!("sha256 {sha256}"))));
    }
    let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("  {name:12}{value}\n")).collect();
    format!("{}\n{}", image.source, lines.concat())
}

fn bytes(count: u64) -> String {
    DisplayBytes(count as f64).to_string()
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// A wrong word on the command line is its user's to mend; everything else is the image's or the host's.
fn trouble(error: ImageError) -> Trouble {
    match error {
        error @ (ImageError::Reference { .. } | ImageError::TooSmall { .. } | ImageError::Several { .. }) => {
            Trouble { exit: Exit::Usage, message: error.to_string(), hint: None }
        }
        error => Trouble::unexpected(error),
    }
}

/// A step on the way, for people.
pub fn said(event: &ImageEvent) -> String {
    match event {
        ImageEvent::Asking { registry } => format!("asking {registry}"),
        ImageEvent::Walking { directory } => format!("reading {}", directory.display()),
        ImageEvent::Cached { digest } => format!("the cache has {digest}"),
        ImageEvent::Layer { number, count, packed_bytes } => {
            let size = packed_bytes.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
            format!("layer {number} of {count}{size}")
        }
        ImageEvent::Flattening { entries } => format!("writing the tree of {entries} entries"),
        _ => "working".to_owned(),
    }
}
