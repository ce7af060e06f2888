//! Builds the agent and hands it to the crate as one file to embed.
//!
//! A cargo inside the cargo: the agent needs its own profile and compiler flags (no C library, no relocation, size
//! first), which a dependency cannot have. It has its own target directory under `OUT_DIR`, so the two never wait for
//! each other's lock, and it needs nothing from the network that the outer build did not need: its only foreign crate is
//! one that the engine's own dependencies bring.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The agent must stay small: it is copied into every image and unpacked by every boot.
const LIMIT_BYTES: u64 = 1 << 20;

/// Settings of the outer cargo that are about where things come from and hold for the inner one too. Everything else of
/// it (flags, wrappers such as clippy's, profiles, this package's own variables) must not reach the inner one.
const KEPT: &[&str] = &["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_BUILD_JOBS"];
const KEPT_PREFIXES: &[&str] = &["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_"];
const DROPPED: &[&str] = &["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOCFLAGS", "CLIPPY_ARGS"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Cargo shows these lines when a build script fails.
            println!("cargo::error=failed to build the agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let workspace = variable("CARGO_MANIFEST_DIR")?.join("../..").canonicalize()?;
    let parts =
        ["proto", "shm", "subject"].map(|part| [format!("crates/{part}/src"), format!("crates/{part}/Cargo.toml")]);
    let others = ["crates/agent", "Cargo.toml", "Cargo.lock"].map(str::to_owned);
    for input in parts.as_flattened().iter().chain(&others) {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");

    let target = env::var("TARGET")?;
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    if !matches!(architecture.as_str(), "x86_64" | "aarch64") {
        return Err(format!("it knows x86_64 and aarch64, not {architecture}").into());
    }
    let out = variable("OUT_DIR")?;
    let directory = out.join("agent");
    run_cargo(&workspace, &directory, &target)?;

    let built = directory.join(&target).join("agent").join("isodyne-agent");
    let size = fs::metadata(&built).map_err(|error| format!("{} is not there: {error}", built.display()))?.len();
    if size >= LIMIT_BYTES {
        return Err(format!("it has {size} bytes, and must stay under {LIMIT_BYTES}").into());
    }
    fs::copy(&built, out.join("isodyne-agent"))?;
    Ok(())
}

fn run_cargo(workspace: &Path, directory: &Path, target: &str) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--package", "isodyne-agent", "--bin", "isodyne-agent"])
        .args(["--profile", "agent", "--target", target, "--target-dir"])
        .arg(directory);
    for (key, _) in env::vars_os() {
        let Some(name) = key.to_str() else { continue };
        let is_linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
        let is_kept = is_linker || KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if DROPPED.contains(&name) || (name.starts_with("CARGO_") && !is_kept) {
            cargo.env_remove(&key);
        }
    }
    // The unit separator is cargo's own way to give flags that may hold spaces; it wins over every configuration file.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace).join("\x1f"));
    let output = cargo.output().map_err(|error| format!("cargo did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    // Cargo shows the output of a build script that failed.
    text.lines().for_each(|line| println!("{line}"));
    let hint = if text.contains("linker `") && text.contains("not found") {
        "; it needs a linker driver: install gcc (Debian, Ubuntu: `apt install gcc`)"
    } else {
        ""
    };
    let reason = text.lines().find(|line| line.starts_with("error")).unwrap_or("cargo says no more").to_owned();
    Err(format!("{reason}{hint}").into())
}

fn flags(workspace: &Path) -> Vec<String> {
    let mut flags = vec!["--cfg".to_owned(), "isodyne_freestanding".to_owned()];
    // No machine's paths in the file: the same source gives the same bytes wherever it lies.
    flags.push(format!("--remap-path-prefix={}=isodyne", workspace.display()));
    let settings = [
        "panic=abort",
        "target-feature=+crt-static",
        "relocation-model=static",
        "link-arg=-nostartfiles",
        "link-arg=-nostdlib",
        "link-arg=-static",
        "link-arg=-Wl,--build-id=none",
        // Nothing unwinds, so the tables for it are dead weight.
        "force-unwind-tables=no",
    ];
    flags.extend(settings.iter().map(|setting| format!("-C{setting}")));
    flags
}

fn variable(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set").into())
}
