//! The exact command line of QEMU and of the guest's kernel, from a resolved configuration. Pure, golden-tested.

use crate::backend::qemu::config::{Accelerator, Channel, Config, Machine};
use crate::backend::qemu::ivshmem::DeviceConfig;
use crate::backend::vmm::command_line::{self, AgentWords};
use crate::backend::vmm::disk;
use crate::backend::{Place, text};
use crate::network::{INSIDE, NetworkKind, SANDBOX_CARD, Subnet, UserNetwork};
use std::path::PathBuf;

/// The descriptors that QEMU inherits, connected by socket pairs: no socket file, no polling for one, no path limit.
/// The numbers are high so that they meet none that the standard library opens while it starts a program.
pub mod descriptor {
    /// The control socket.
    pub const QMP: i32 = 200;
    /// The first serial port: the kernel's console.
    pub const CONSOLE: i32 = 201;
    /// The agent's channel.
    pub const AGENT: i32 = 202;
    /// The debug port that the agent's first instruction writes to.
    pub const INIT: i32 = 203;
    /// The firmware's debug port.
    pub const FIRMWARE: i32 = 204;
    /// The tap of the guest's network card.
    pub const TAP: i32 = 205;
    /// The socket to passt.
    pub const PASST: i32 = 206;
    /// The memory of the device that shares it, or the connection to its server.
    pub const IVSHMEM: i32 = 207;
    /// The file that holds the guest's memory.
    pub const MEMORY: i32 = 208;
    /// The kept state of a machine that comes back.
    pub const STATE: i32 = 209;
}

/// The name of the guest's memory where it is an object of its own.
const MEMORY_ID: &str = "ram";

/// Where a machine begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At its reset.
    Boot,
    /// At a state that was kept.
    Kept {
        /// Whether its memory is a file that is mapped, with copies of what the guest changes; else it is in the state.
        template: bool,
        /// A kernel for the machine to be made with, which never runs.
        stub: Option<PathBuf>,
    },
}

/// The name of the agent's port on virtio-serial.
pub const PORT_NAME: &str = "isodyne";

/// QEMU's arguments for a guest that boots, the program first. Subnet and hardware address follow from the sandbox's name.
pub fn argv(config: &Config, program: &str, place: &Place) -> Vec<String> {
    argv_from(config, &Begin::Boot, program, place)
}

/// As [`argv`], for a guest that begins anywhere.
pub fn argv_from(config: &Config, begin: &Begin, program: &str, place: &Place) -> Vec<String> {
    let (name, agent_patience_s) = (place.name.as_str(), place.agent_patience_s);
    let mut argv: Vec<String> = vec![program.to_owned()];
    let mut add = |arguments: &[&str]| argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));

    // No host configuration file and no default device: the guest is what is written here.
    add(&["-no-user-config", "-nodefaults", "-display", "none"]);
    let interrupts = config.ivshmem.as_ref().is_some_and(DeviceConfig::has_interrupts);
    // An IOMMU that remaps interrupts cannot stand behind an interrupt controller that is all in KVM.
    let split = if interrupts && config.accelerator == Accelerator::Kvm { ",kernel_irqchip=split" } else { "" };
    let memory = memory(config, begin);
    let backend = if memory.is_some() { format!(",memory-backend={MEMORY_ID}") } else { String::new() };
    if let Some(memory) = &memory {
        add(&["-object", memory]);
    }
    add(&["-machine", &format!("{}{split}{backend}", machine(config.machine))]);
    match config.accelerator {
        Accelerator::Kvm => add(&["-accel", "kvm"]),
        Accelerator::Tcg => add(&["-accel", "tcg"]),
    }
    match (&config.cpu, config.accelerator) {
        (Some(model), _) => add(&["-cpu", model]),
        (None, Accelerator::Kvm) => add(&["-cpu", "host"]),
        (None, Accelerator::Tcg) => {}
    }
    add(&["-smp", &config.cpus.to_string()]);
    add(&["-m", &format!("{}M", config.memory_bytes >> 20)]);

    // The guest waits for `cont`, so that QEMU's own start and the guest's are two phases.
    add(&["-S"]);
    // A guest that resets, by a panic or because its platform has no other way to end, ends QEMU.
    add(&["-no-reboot"]);

    if interrupts {
        // VFIO gives a device to a program only where the machine can keep the device's interrupts in bounds. It comes
        // before the devices that are behind it.
        add(&["-device", "intel-iommu,intremap=on"]);
    }

    let chardev = |id: &str, fd: i32| format!("socket,id={id},fd={fd}");
    add(&["-chardev", &chardev("qmp", descriptor::QMP), "-mon", "chardev=qmp,mode=control"]);
    add(&["-chardev", &chardev("console", descriptor::CONSOLE)]);
    add(&["-device", "isa-serial,chardev=console,index=0"]);
    add(&["-chardev", &chardev("agent", descriptor::AGENT)]);
    match config.channel {
        Channel::Serial => add(&["-device", "isa-serial,chardev=agent,index=1"]),
        Channel::VirtioSerial => {
            add(&["-device", "virtio-serial-pci"]);
            add(&["-device", &format!("virtserialport,chardev=agent,name={PORT_NAME}")]);
        }
    }
    // The agent's first act is a byte on this port: it needs no driver and no configuration.
    add(&["-chardev", &chardev("init", descriptor::INIT), "-device", "isa-debugcon,iobase=0xe9,chardev=init"]);
    if config.machine.has_seabios() {
        add(&["-chardev", &chardev("firmware", descriptor::FIRMWARE)]);
        add(&["-device", "isa-debugcon,iobase=0x402,chardev=firmware"]);
    }

    match config.network {
        NetworkKind::None => {}
        NetworkKind::Own { .. } => add(&["-netdev", &format!("tap,id=net,fd={}", descriptor::TAP)]),
        NetworkKind::Passt => {
            add(&["-netdev", &format!("stream,id=net,server=off,addr.type=fd,addr.str={}", descriptor::PASST)]);
        }
        NetworkKind::User => {
            let network = UserNetwork::of(name);
            let forward = |port: &u16| format!(",hostfwd=tcp:{}:{port}-:{port}", network.loopback());
            let forwards: String = network.ports().iter().map(forward).collect();
            // The guest may speak to the host's end and to nobody else.
            add(&["-netdev", &format!("user,id=net,restrict=on,ipv6=off{forwards}")]);
        }
    }
    if config.network != NetworkKind::None {
        // Without the option ROM: nothing boots from the network, and SeaBIOS would try.
        add(&["-device", &format!("virtio-net-pci,netdev=net,romfile=,mac={}", Subnet::of(name).guest_mac())]);
    }

    if let Some(disk) = &config.disk {
        // A comma in a path is written twice.
        let file = text(&disk::path(&place.directory)).replace(',', ",,");
        add(&["-drive", &format!("if=none,id=app,format={},file={file}", disk.format())]);
        add(&["-device", "virtio-blk-pci,drive=app"]);
    }

    if config.vmgenid {
        // Each start makes a new number, which a guest that comes back is told of.
        add(&["-device", "vmgenid,guid=auto"]);
    }

    if let Some(device) = &config.ivshmem {
        add(&device.arguments(descriptor::IVSHMEM).each_ref().map(String::as_str));
    }

    match begin {
        Begin::Kept { stub: Some(stub), .. } => add(&["-kernel", &text(stub)]),
        _ => {
            add(&["-kernel", &text(&config.kernel), "-initrd", &text(&config.initramfs)]);
            add(&["-append", &kernel_command_line(config, name, agent_patience_s)]);
        }
    }
    if let Begin::Kept { .. } = begin {
        // What the state has, and what it has not, is said over the control socket first.
        add(&["-incoming", "defer"]);
    }
    argv
}

/// The guest's memory, if it is an object of its own: a machine that comes back has an object of the same name.
fn memory(config: &Config, begin: &Begin) -> Option<String> {
    // QEMU opens what it has inherited once more, by its number.
    let file = |share: &str| {
        let (bytes, number) = (config.memory_bytes, descriptor::MEMORY);
        format!("memory-backend-file,id={MEMORY_ID},share={share},size={bytes},mem-path=/proc/self/fd/{number}")
    };
    match begin {
        _ if !config.memory_file => None,
        Begin::Boot => Some(file("on")),
        Begin::Kept { template: true, .. } => Some(file("off")),
        Begin::Kept { .. } => Some(format!("memory-backend-ram,id={MEMORY_ID},size={}", config.memory_bytes)),
    }
}

fn machine(machine: Machine) -> &'static str {
    match machine {
        Machine::Q35 => "q35",
        Machine::Pc => "pc",
        // Without PIT and PIC a kernel under TCG has nothing to calibrate its clock by, and without the RTC it waits two
        // seconds for one. Without ACPI it needs no help to calibrate; it ends by a reset instead of a power-off.
        Machine::Microvm => "microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off",
    }
}

/// The guest's kernel command line.
pub fn kernel_command_line(config: &Config, name: &str, agent_patience_s: u32) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| words.push(word.to_owned());
    command_line::console(config.console).iter().for_each(|word| add(word));
    add(command_line::PANIC_RESETS);
    // A reset by triple fault works on every machine, with or without ACPI and a keyboard controller.
    add("reboot=t");
    add(command_line::NO_SELF_TESTS);
    if config.accelerator == Accelerator::Tcg {
        // The timer's check counts ticks in a busy loop; it can fail on a loaded host, and then panics. KVM guests skip it.
        add("no_timer_check");
    }
    if config.ivshmem.as_ref().is_some_and(DeviceConfig::has_interrupts) {
        // Some kernels leave an IOMMU alone that they are not told to use.
        add("intel_iommu=on");
    }
    let virtio = format!("virtio:{PORT_NAME}");
    let agent = AgentWords {
        channel: if config.channel == Channel::Serial { "serial:/dev/ttyS1" } else { &virtio },
        modules: &config.modules,
        network: network_word(config, name),
        end: if config.machine.ends_by_reset() { "reboot" } else { "poweroff" },
        patience_s: agent_patience_s,
        ..AgentWords::default()
    };
    words.extend(agent.words());
    // The user's words come last, where the kernel lets them win.
    words.extend(config.command_line.split_whitespace().map(str::to_owned));
    words.join(" ")
}

/// The guest's network card, as the agent is told of it.
fn network_word(config: &Config, name: &str) -> Option<String> {
    match config.network {
        NetworkKind::None => None,
        NetworkKind::Own { nat } => Some(Subnet::of(name).agent_word(nat)),
        // The same in every guest: the subnet is inside of QEMU, or of passt.
        NetworkKind::User | NetworkKind::Passt => {
            let [address, length, gateway] = INSIDE;
            Some(format!("{SANDBOX_CARD},{address}/{length},{gateway}"))
        }
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
