//! The exact command line and API requests, from a resolved configuration. Pure, golden-tested, and checked against
//! Firecracker's own description of its API.

use super::config::{Config, HugePages};
use super::metadata;
use super::version::{Feature, Version};
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::command_line::{self, AgentWords};
use crate::backend::vmm::disk;
use crate::backend::vmm::factors::Channel;
use crate::backend::vmm::vsock::{AGENT_CHANNEL, GUEST_CID};
use crate::backend::{Place, text};
use crate::network::{LAB_CARD, NetworkKind, Subnet};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Where the boot timer is mapped on x86-64: the first page of the space for devices.
fn boot_timer(version: Version) -> u64 {
    if version >= Feature::DevicesAtThreeGibibytes.since() { 0xc000_0000 } else { 0xd000_0000 }
}

/// The name of the vsock's socket.
const VSOCK: &str = "vsock";

/// The files of one machine, as Firecracker sees them: with the jailer, below its own root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The control socket.
    pub api: PathBuf,
    /// The vsock's socket.
    pub vsock: PathBuf,
    /// Firecracker's log: a pipe that the lab reads.
    pub log: PathBuf,
    /// Its metrics.
    pub metrics: PathBuf,
    /// The configuration, where a file is used.
    pub config: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The disk of an application.
    pub disk: PathBuf,
    /// The document of the metadata service, where a file describes the machine.
    pub metadata: PathBuf,
}

impl Paths {
    /// In a directory of the host, with kernel and initramfs where they lie and the metrics in the run's logs.
    pub fn under(place: &Place, config: &Config) -> Self {
        Self {
            kernel: config.kernel.clone(),
            initramfs: config.initramfs.clone(),
            metrics: place.log("metrics"),
            ..Self::inside(&place.directory)
        }
    }

    /// All in one directory: the jail's root.
    pub fn inside(directory: &Path) -> Self {
        let file = |name: &str| directory.join(name);
        Self {
            api: file("api"),
            vsock: file(VSOCK),
            log: file("log"),
            metrics: file("metrics"),
            config: file("config.json"),
            kernel: file("kernel"),
            initramfs: file("initramfs"),
            disk: disk::path(directory),
            metadata: file("metadata.json"),
        }
    }
}

/// Firecracker's own arguments, without the program.
pub fn arguments(config: &Config, paths: &Paths, name: &str) -> Vec<String> {
    let mut arguments: Vec<String> = vec!["--api-sock".to_owned(), text(&paths.api)];
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["--id", name]);
    // From its first line on: without a file the log goes to standard output, which is the guest's console.
    add(&["--log-path", &text(&paths.log), "--level", "Info", "--show-level"]);
    add(&["--metrics-path", &text(&paths.metrics)]);
    if config.boot_timer {
        add(&["--boot-timer"]);
    }
    if config.pci {
        add(&["--enable-pci"]);
    }
    if !config.seccomp {
        add(&["--no-seccomp"]);
    }
    if config.setup == super::config::Setup::File {
        add(&["--config-file", &text(&paths.config)]);
        if config.metadata.is_some() {
            add(&["--metadata", &text(&paths.metadata)]);
        }
    }
    arguments
}

/// The sections of the machine's description, in the order in which they are sent. A file holds the same.
pub fn sections(config: &Config, paths: &Paths, place: &Place) -> Vec<(&'static str, Value)> {
    let mut machine = json!({
        "vcpu_count": config.cpus,
        "mem_size_mib": config.memory_bytes >> 20,
        "smt": config.smt,
        "track_dirty_pages": config.track_dirty_pages,
    });
    match config.huge_pages {
        HugePages::None => {}
        HugePages::Transparent => machine["huge_pages"] = json!("Transparent"),
        HugePages::TwoMebibytes => machine["huge_pages"] = json!("2M"),
    }
    if let Some(template) = &config.cpu_template {
        machine["cpu_template"] = json!(template);
    }
    let mut sections = vec![
        ("machine-config", machine),
        (
            "boot-source",
            json!({
                "kernel_image_path": paths.kernel,
                "initrd_path": paths.initramfs,
                "boot_args": kernel_command_line(config, place),
            }),
        ),
    ];
    if config.channel == Channel::Vsock {
        // Relative to the directory that Firecracker runs in: a snapshot keeps the path, and is brought back elsewhere.
        sections.push(("vsock", json!({ "guest_cid": GUEST_CID, "uds_path": VSOCK })));
    }
    if config.network != NetworkKind::None {
        let mac = Subnet::of(&place.name).guest_mac();
        let card = json!({ "iface_id": metadata::CARD, "host_dev_name": LAB_CARD, "guest_mac": mac });
        sections.push(("network-interfaces", json!([card])));
    }
    sections.extend(metadata::section(config).map(|service| ("mmds-config", service)));
    if config.disk.is_some() {
        let disk = json!({
            "drive_id": "app",
            "path_on_host": paths.disk,
            "is_root_device": false,
            "is_read_only": false,
        });
        sections.push(("drives", json!([disk])));
    }
    if config.entropy {
        sections.push(("entropy", json!({})));
    }
    if let Some(bytes) = config.balloon_bytes {
        sections.push(("balloon", json!({ "amount_mib": bytes >> 20, "deflate_on_oom": true })));
    }
    sections
}

/// The requests that make the machine.
pub fn configure(config: &Config, paths: &Paths, place: &Place) -> Vec<ApiCall> {
    let mut calls = Vec::new();
    for (section, body) in sections(config, paths, place) {
        match body {
            // Several of a kind, each by its own name.
            Value::Array(items) => calls.extend(items.into_iter().map(|item| {
                let id = ["drive_id", "iface_id"].iter().find_map(|key| item[*key].as_str()).unwrap_or_default();
                ApiCall::put(format!("/{section}/{id}"), item)
            })),
            body => calls.push(ApiCall::put(format!("/{}", section.replace("mmds-config", "mmds/config")), body)),
        }
    }
    calls.extend(config.metadata.as_ref().map(metadata::put));
    calls
}

/// The request that starts it.
pub fn start() -> ApiCall {
    ApiCall::put("/actions", json!({ "action_type": "InstanceStart" }))
}

/// The request that asks for the machine's state.
pub fn instance() -> ApiCall {
    ApiCall::get("/")
}

/// The request that presses the keys which end a guest with a keyboard driver.
pub fn control_alt_delete() -> ApiCall {
    ApiCall::put("/actions", json!({ "action_type": "SendCtrlAltDel" }))
}

/// The text of a configuration file.
pub fn file(config: &Config, paths: &Paths, place: &Place) -> String {
    let mut document: Map<String, Value> =
        sections(config, paths, place).into_iter().map(|(name, body)| (name.to_owned(), body)).collect();
    // Firecracker takes a file only with this section, empty or not.
    document.entry("drives").or_insert_with(|| json!([]));
    let mut text = format!("{:#}", Value::Object(document));
    text.push('\n');
    text
}

/// The guest's kernel command line.
pub fn kernel_command_line(config: &Config, place: &Place) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(command_line::console(config.console).iter().map(|word| (*word).to_owned()));
    words.extend([command_line::PANIC_RESETS, command_line::NO_SELF_TESTS].map(str::to_owned));
    // Firecracker ends when the guest resets itself by the keyboard controller, which is all that it has of one; probing
    // for keyboards and mice would take a second.
    words.extend(["reboot=k", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd"].map(str::to_owned));
    if !config.pci {
        words.push("pci=off".to_owned());
    }
    let agent = AgentWords {
        channel: match config.channel {
            Channel::Vsock => AGENT_CHANNEL,
            Channel::Serial => "serial:/dev/ttyS0",
        },
        modules: &config.modules,
        network: network_word(config, place),
        end: "reboot",
        patience_s: place.agent_patience_s,
        // A restored guest has lost its connection.
        comes_back: config.channel == Channel::Vsock,
        boot_timer: config.boot_timer.then(|| boot_timer(config.version)),
    };
    words.extend(agent.words());
    // The user's words come last, where the kernel lets them win.
    words.extend(config.command_line.split_whitespace().map(str::to_owned));
    words.join(" ")
}

/// The guest's network card, as the agent is told of it: with the metadata service beside its subnet, if there is one.
fn network_word(config: &Config, place: &Place) -> Option<String> {
    let NetworkKind::Own { nat } = config.network else { return None };
    let word = Subnet::of(&place.name).agent_word(nat);
    Some(if config.metadata.is_some() { format!("{word},{}", metadata::ADDRESS) } else { word })
}

/// Whether the kernel may be given as a bzImage.
pub fn takes_bzimage(config: &Config) -> bool {
    config.version >= Feature::BzImage.since()
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
