//! The exact command line and API requests, from a resolved configuration. Pure, golden-tested, and checked against Cloud
//! Hypervisor's own description of its API.

use super::config::{Config, HugePages};
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::command_line::{self, AgentWords};
use crate::backend::vmm::disk;
use crate::backend::vmm::factors::{Channel, Console};
use crate::backend::vmm::vsock::{AGENT_CHANNEL, GUEST_CID};
use crate::backend::{Place, text};
use crate::network::{LAB_CARD, NetworkKind, Subnet};
use serde_json::json;
use std::path::PathBuf;

/// The port of the debug console, to which the agent's first instruction writes.
const DEBUG_PORT: u32 = 0xe9;

/// The names of files, relative to the directory that Cloud Hypervisor runs in: a snapshot keeps the paths, and is brought
/// back elsewhere.
mod name {
    pub(super) const VSOCK: &str = "vsock";
    pub(super) const SERIAL: &str = "serial";
    pub(super) const CONSOLE: &str = "console";
    pub(super) const DEBUG: &str = "debug";
}

/// The files of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The control socket.
    pub api: PathBuf,
    /// The vsock's socket.
    pub vsock: PathBuf,
    /// The socket of the serial port, where it is the agent's.
    pub serial: PathBuf,
    /// The pipe of the serial port, where it is the console.
    pub console: PathBuf,
    /// The pipe of the debug console.
    pub debug: PathBuf,
}

impl Paths {
    /// The files of a sandbox.
    pub fn under(place: &Place) -> Self {
        let file = |name: &str| place.directory.join(name);
        Self {
            api: file("api"),
            vsock: file(name::VSOCK),
            serial: file(name::SERIAL),
            console: file(name::CONSOLE),
            debug: file(name::DEBUG),
        }
    }
}

/// The whole command.
pub fn argv(config: &Config, program: &str, paths: &Paths) -> Vec<String> {
    let mut argv = vec![program.to_owned(), "--api-socket".to_owned(), format!("path={}", text(&paths.api))];
    // The log goes to standard error, which has one writer: a file of its own would be written over.
    argv.extend(["--seccomp".to_owned(), config.seccomp.to_string()]);
    argv
}

/// The request that describes the machine.
pub fn create(config: &Config, place: &Place) -> ApiCall {
    let mut memory = json!({ "size": config.memory_bytes, "prefault": config.prefault });
    match config.huge_pages {
        HugePages::None => memory["thp"] = json!(false),
        HugePages::Transparent => memory["thp"] = json!(true),
        HugePages::Reserved => memory["hugepages"] = json!(true),
    }
    // The guest's console goes into a pipe; the agent's line needs both directions.
    let serial = match (config.channel, config.console) {
        (Channel::Serial, _) => json!({ "mode": "Socket", "socket": name::SERIAL }),
        (Channel::Vsock, Console::Off) => json!({ "mode": "Null" }),
        (Channel::Vsock, _) => json!({ "mode": "File", "file": name::CONSOLE }),
    };
    let mut cpus = json!({ "boot_vcpus": config.cpus, "max_vcpus": config.cpus });
    if let Some(pin) = &config.pin {
        let place = |(number, processor)| json!({ "vcpu": number, "host_cpus": [processor] });
        cpus["affinity"] = pin.processors().iter().enumerate().map(place).collect();
    }
    let mut machine = json!({
        "cpus": cpus,
        "memory": memory,
        "payload": {
            "kernel": config.kernel,
            "initramfs": config.initramfs,
            "cmdline": kernel_command_line(config, place),
        },
        "serial": serial,
        "console": { "mode": "Off" },
        "debug_console": { "mode": "File", "file": name::DEBUG, "iobase": DEBUG_PORT },
    });
    if config.channel == Channel::Vsock {
        machine["vsock"] = json!({ "cid": GUEST_CID, "socket": name::VSOCK });
    }
    if config.network != NetworkKind::None {
        let subnet = Subnet::of(&place.name);
        // Older versions give a tap an address of their own where they are not told one.
        machine["net"] = json!([{
            "tap": LAB_CARD,
            "mac": subnet.guest_mac(),
            "ip": subnet.host_v4(),
            "mask": Subnet::mask_v4(),
        }]);
    }
    if config.disk.is_some() {
        // Of a disk whose format it has to guess, it lets nobody write the first sector.
        machine["disks"] = json!([{ "path": disk::path(&place.directory), "image_type": "Raw" }]);
    }
    if config.entropy {
        machine["rng"] = json!({ "src": "/dev/urandom" });
    }
    if let Some(bytes) = config.balloon_bytes {
        machine["balloon"] = json!({ "size": bytes, "deflate_on_oom": true });
    }
    ApiCall::put("/api/v1/vm.create", machine)
}

/// The request that starts it.
pub fn boot() -> ApiCall {
    ApiCall::put_nothing("/api/v1/vm.boot")
}

/// The request that ends Cloud Hypervisor, with or without its guest.
pub fn shut_down() -> ApiCall {
    ApiCall::put_nothing("/api/v1/vmm.shutdown")
}

/// The guest's kernel command line.
pub fn kernel_command_line(config: &Config, place: &Place) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(command_line::console(config.console).iter().map(|word| (*word).to_owned()));
    // A reset would start the machine anew, and a second boot would pass for a slow first one: a panic stays where it is.
    words.extend(["panic=0", command_line::NO_SELF_TESTS].map(str::to_owned));
    let agent = AgentWords {
        channel: match config.channel {
            Channel::Vsock => AGENT_CHANNEL,
            Channel::Serial => "serial:/dev/ttyS0",
        },
        modules: &config.modules,
        network: match config.network {
            NetworkKind::Own { nat } => Some(Subnet::of(&place.name).agent_word(nat)),
            _ => None,
        },
        // Cloud Hypervisor ends with its guest when that powers off; a reset would start it anew.
        end: "poweroff",
        patience_s: place.agent_patience_s,
        comes_back: config.channel == Channel::Vsock,
        boot_timer: None,
    };
    words.extend(agent.words());
    // The user's words come last, where the kernel lets them win.
    words.extend(config.command_line.split_whitespace().map(str::to_owned));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::config::DiskConfig;
    use super::*;
    use crate::backend::vmm::pin::Pin;
    use crate::image::app::OverlayMethod;

    fn config() -> Config {
        Config {
            memory_bytes: 128 << 20,
            cpus: 1,
            pin: None,
            huge_pages: HugePages::Transparent,
            prefault: false,
            seccomp: true,
            entropy: false,
            balloon_bytes: None,
            channel: Channel::Vsock,
            console: Console::Phases,
            own_kernel: None,
            kernel: "/cache/vmlinux".into(),
            initramfs: "/cache/initramfs.cpio".into(),
            modules: vec!["virtio_pci.ko".to_owned()],
            command_line: String::new(),
            network: NetworkKind::None,
            disk: None,
        }
    }

    fn lines(config: &Config) -> String {
        let place = Place {
            name: "isodyne-7f3a-1".into(),
            directory: "/s/1".into(),
            log_prefix: "/r/logs/1-cloud-hypervisor".into(),
            agent_patience_s: 30,
        };
        let paths = Paths::under(&place);
        let argv = argv(config, "cloud-hypervisor", &paths).join(" ").replace(" --", "\n--");
        let calls = [create(config, &place), boot(), shut_down()];
        let calls = calls.map(|call| format!("{} {} {:#}", call.method, call.target, call.body.unwrap_or_default()));
        std::iter::once(argv).chain(calls).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_default_machine() {
        insta::assert_snapshot!(lines(&config()));
    }

    #[test]
    fn a_machine_with_everything() {
        let config = Config {
            cpus: 2,
            pin: Some(Pin::each_on(&[1, 0])),
            huge_pages: HugePages::Reserved,
            prefault: true,
            seccomp: false,
            entropy: true,
            balloon_bytes: Some(16 << 20),
            channel: Channel::Serial,
            console: Console::Off,
            modules: Vec::new(),
            command_line: "loglevel=8".to_owned(),
            network: NetworkKind::Own { nat: true },
            disk: Some(DiskConfig { base: "/cache/disk".into(), method: OverlayMethod::SparseCopy }),
            ..config()
        };
        insta::assert_snapshot!(lines(&config));
    }
}
