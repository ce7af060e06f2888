//! The words of a guest kernel's command line that do not depend on the monitor. Pure.

use super::factors::Console;

/// What makes the kernel print as much as is wanted, on the first serial port.
pub fn console(console: Console) -> &'static [&'static str] {
    match console {
        // What stands in front of `quiet` is printed before it takes effect: the banner, which is the first byte.
        Console::Phases => &["earlyprintk=ttyS0", "quiet", "console=ttyS0"],
        Console::Full => &["earlyprintk=ttyS0", "console=ttyS0"],
        Console::Off => &["quiet"],
    }
}

/// A panic resets the machine at once, where a reset ends the monitor: the failure is seen when it happens.
pub const PANIC_RESETS: &str = "panic=-1";
/// The self-tests of the kernel's ciphers cost up to 0.3 s and say nothing about a boot.
pub const NO_SELF_TESTS: &str = "cryptomgr.notests";

/// What the agent reads from the command line.
#[derive(Clone, Debug, Default)]
pub struct AgentWords<'a> {
    /// Its channel (`vsock:2:52`).
    pub channel: &'a str,
    /// Modules to load, in this order.
    pub modules: &'a [String],
    /// The network card and its addresses, if there is one.
    pub network: Option<String>,
    /// How the machine ends (`poweroff`, `reboot`).
    pub end: &'a str,
    /// Seconds that it waits for its host.
    pub patience_s: u32,
    /// Whether it opens its channel again when it is lost: after a restore.
    pub comes_back: bool,
    /// Where Firecracker's boot timer is mapped, if it is there.
    pub boot_timer: Option<u64>,
}

impl AgentWords<'_> {
    /// The words.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![format!("isodyne.channel={}", self.channel)];
        if !self.modules.is_empty() {
            words.push(format!("isodyne.modules={}", self.modules.join(",")));
        }
        words.extend(self.network.as_ref().map(|network| format!("isodyne.net={network}")));
        words.push(format!("isodyne.end={}", self.end));
        words.push(format!("isodyne.patience={}", self.patience_s));
        if self.comes_back {
            words.push("isodyne.comes_back=1".to_owned());
        }
        words.extend(self.boot_timer.map(|address| format!("isodyne.boot_timer={address:#x}")));
        words
    }
}
