//! A real application for tests: nginx from Debian's packages, serving one page, as an OCI image of two layers.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The page that it serves.
pub const PAGE: &str = "isodyne was here\n";

/// The packages, each with other names that releases have for it.
const PACKAGES: &[&[&str]] =
    &[&["nginx"], &["libc6"], &["libcrypt1"], &["libpcre2-8-0"], &["libssl3", "libssl3t64"], &["zlib1g"]];

const CONFIG: &str = "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log stderr notice;\n\
                      events { worker_connections 64; }\n\
                      http { access_log off; server { listen 80; root /srv; } }\n";

/// The image's OCI layout, made once a target directory; `None`, with the reason shown, if this host cannot make it.
pub fn image() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nginx-image-1");
    if made.is_dir() {
        return Some(made);
    }
    match make(&made) {
        Ok(()) => Some(made),
        // Another test was faster.
        Err(_) if made.is_dir() => Some(made),
        Err(reason) => {
            eprintln!("skipped: no image of nginx: {reason}");
            None
        }
    }
}

fn make(target: &Path) -> Result<(), String> {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    let (packages, libraries, server) = (work.path().join("debs"), work.path().join("libs"), work.path().join("nginx"));
    for directory in [&packages, &libraries, &server] {
        std::fs::create_dir(directory).map_err(|error| error.to_string())?;
    }
    for names in PACKAGES {
        let before = debs(&packages).len();
        let found = names.iter().any(|name| {
            let got = run(Command::new("apt-get").args(["-qq", "download", name]).current_dir(&packages));
            got.is_ok() && debs(&packages).len() > before
        });
        if !found {
            return Err(format!("cannot download the package {}", names.join(" or ")));
        }
    }
    for deb in debs(&packages) {
        let is_server = deb.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nginx"));
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(if is_server { &server } else { &libraries }))?;
    }
    for rest in ["usr/share", "usr/lib/x86_64-linux-gnu/gconv"] {
        let _ = std::fs::remove_dir_all(libraries.join(rest));
        let _ = std::fs::remove_dir_all(server.join(rest));
    }
    for directory in ["etc/nginx", "var/lib/nginx", "var/log/nginx", "run", "srv", "tmp"] {
        std::fs::create_dir_all(server.join(directory)).map_err(|error| error.to_string())?;
    }
    let files = [
        ("etc/nginx/nginx.conf", CONFIG),
        ("etc/passwd", "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n"),
        ("etc/group", "root:x:0:\nwww-data:x:33:\n"),
        ("srv/index.html", PAGE),
    ];
    for (path, content) in files {
        std::fs::write(server.join(path), content).map_err(|error| error.to_string())?;
    }
    let layout = work.path().join("layout");
    write_layout(&layout, &[&libraries, &server])?;
    std::fs::rename(&layout, target).map_err(|error| error.to_string())
}

fn debs(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "deb")).collect()
}

/// Writes an OCI layout whose layers are these directories.
fn write_layout(layout: &Path, layers: &[&Path]) -> Result<(), String> {
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| error.to_string())?;
    let put = |file: &Path, media_type: &str| -> Result<Value, String> {
        let line = run(Command::new("sha256sum").arg(file))?;
        let digest = line.split_whitespace().next().unwrap_or_default().to_owned();
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        std::fs::rename(file, blobs.join(&digest)).map_err(|error| error.to_string())?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size}))
    };
    let document = |content: Value, media_type: &str| -> Result<Value, String> {
        let file = layout.join("document");
        std::fs::write(&file, content.to_string()).map_err(|error| error.to_string())?;
        put(&file, media_type)
    };
    let mut descriptors = Vec::new();
    for layer in layers {
        let tar = layout.join("layer");
        let fixed = ["--sort=name", "--mtime=@1000000000", "--owner=0", "--group=0", "--numeric-owner"];
        run(Command::new("tar").args(fixed).arg("-cf").arg(&tar).arg("-C").arg(layer).arg("."))?;
        descriptors.push(put(&tar, "application/vnd.oci.image.layer.v1.tar")?);
    }
    let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let diff_ids: Vec<&Value> = descriptors.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": architecture, "os": "linux",
        "config": {
            "Entrypoint": ["nginx"], "Cmd": ["-g", "daemon off;"], "Env": ["PATH=/usr/sbin:/usr/bin"],
            "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT",
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = document(config, "application/vnd.oci.image.config.v1+json")?;
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = document(
        json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": descriptors}),
        manifest_type,
    )?;
    let write =
        |name: &str, content: String| std::fs::write(layout.join(name), content).map_err(|error| error.to_string());
    write("index.json", json!({"schemaVersion": 2, "manifests": [manifest]}).to_string())?;
    write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned())
}

fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
