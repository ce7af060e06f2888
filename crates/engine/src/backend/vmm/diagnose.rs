//! What a console and a log say about a failure. Pure over text.

use isodyne_core::failure::FailureClass;

/// The guest's own words on why it died, if the console has any.
pub fn read_console(console: &str) -> Option<(FailureClass, String)> {
    let find = |needle: &str| console.lines().find(|line| line.contains(needle)).map(without_time);
    if let Some(line) = find("Out of memory: Killed process").or_else(|| find("oom-kill:")) {
        return Some((FailureClass::OomGuest, format!("the guest ran out of memory: {line}")));
    }
    let panic = find("Kernel panic - not syncing")?;
    let out_of_memory = panic.contains("deadlocked on memory") || panic.contains("Out of memory");
    // A root that cannot be unpacked in what little memory there is looks like a missing init.
    let out_of_memory = out_of_memory || console.contains("Initramfs unpacking failed: write error");
    if out_of_memory {
        return Some((FailureClass::OomGuest, format!("the guest ran out of memory: {panic}")));
    }
    Some((FailureClass::Crash, format!("the guest's kernel panicked: {panic}")))
}

/// What the agent inside says on the console of why it could not reach its host: modules that the kernel refused, and the
/// channel that could not be opened. Of no meaning once it has reached it.
pub fn agents_complaints(console: &str) -> Option<String> {
    const MOST: usize = 4;
    let complaint = |line: &str| {
        let (_, text) = line.split_once("isodyne-agent: ")?;
        let concerns =
            ["failed to load module", "failed to open the channel"].iter().any(|what| text.starts_with(what));
        concerns.then(|| without_time(text))
    };
    let complaints: Vec<String> = console.lines().filter_map(complaint).take(MOST).collect();
    (!complaints.is_empty()).then(|| complaints.join("; "))
}

/// A console line without the kernel's time stamp, cut to a length for people.
fn without_time(line: &str) -> String {
    let line = line.trim();
    let rest = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(line, |(_, rest)| rest.trim());
    let printable: String = rest.chars().filter(|c| !c.is_control()).collect();
    printable.chars().take(200).collect()
}

/// What a monitor's log says about its end: Cloud Hypervisor's chain of causes, Firecracker's last line of an error, or
/// the last line that says something, without QEMU's path in front.
pub fn last_words(log: &str) -> Option<String> {
    let words = causes(log).or_else(|| error_line(log)).or_else(|| {
        let line = log.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        let behind_program = line.split_once(": ").filter(|(program, _)| program.contains("qemu-system"));
        Some(behind_program.map_or(line, |(_, rest)| rest).to_owned())
    })?;
    Some(words.chars().filter(|c| !c.is_control()).take(300).collect())
}

/// The numbered causes behind Cloud Hypervisor's last line about them.
fn causes(log: &str) -> Option<String> {
    let (_, behind) = log.rsplit_once("exited with the following chain of errors:")?;
    let cause = |(number, line): (usize, &str)| {
        line.trim().strip_prefix(&number.to_string())?.strip_prefix(": ").map(str::to_owned)
    };
    let causes: Vec<String> = behind.lines().skip(1).enumerate().map_while(cause).collect();
    (!causes.is_empty()).then(|| causes.join(": "))
}

/// Firecracker's last error that is more than its exit code. The forms for debugging, which it prints to standard error as
/// well, say the same with less words.
fn error_line(log: &str) -> Option<String> {
    let mut errors = log.lines().filter_map(|line| line.split_once(":ERROR] ").map(|(_, text)| text.trim()));
    errors.rfind(|text| !text.contains("exiting with error")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_memory_are_told_apart() {
        let panic =
            "[    0.5] x\r\n[    2.1] Kernel panic - not syncing: No working init found.  Try passing init=\r\n";
        let (class, message) = read_console(panic).unwrap();
        assert_eq!(class, FailureClass::Crash);
        assert_eq!(
            message,
            "the guest's kernel panicked: Kernel panic - not syncing: No working init found.  Try passing init="
        );
        let oom = "[ 1.0] Kernel panic - not syncing: System is deadlocked on memory\n";
        assert_eq!(read_console(oom).unwrap().0, FailureClass::OomGuest);
        let killed = "[ 9.0] Out of memory: Killed process 77 (x) total-vm:1kB\n";
        assert_eq!(read_console(killed).unwrap().0, FailureClass::OomGuest);
        assert_eq!(read_console("Linux version 6.1\n"), None);
    }

    #[test]
    fn an_agent_without_its_driver_says_so() {
        let console = "[    0.9] Linux version\r\nisodyne-agent: failed to bring loopback up: busy\r\n\
                       isodyne-agent: failed to load module vsock.ko: permission denied\r\n\
                       [    9.1] x isodyne-agent: failed to open the channel on /dev/ttyS1: not found\r\n";
        let expected =
            "failed to load module vsock.ko: permission denied; failed to open the channel on /dev/ttyS1: not found";
        assert_eq!(agents_complaints(console).as_deref(), Some(expected));
        assert_eq!(agents_complaints("isodyne-agent: failed to bring loopback up: busy\n"), None);
    }

    #[test]
    fn the_last_words_of_qemu_are_found() {
        assert_eq!(
            last_words("a\nqemu-system-x86_64: could not load kernel\n\n").as_deref(),
            Some("could not load kernel")
        );
        assert_eq!(last_words("\n \n"), None);
    }

    #[test]
    fn the_last_words_of_firecracker_are_the_ones_for_people() {
        let log = "2026-11-22T11:04:56.1 [m:main:INFO] Running Firecracker v1.16.1\n\
                   2026-11-22T11:04:56.2 [m:main:ERROR] RunWithApiError error: Failed to open the API socket at: P.\n\
                   Error: RunWithApi(FailedToBindSocket(\"P\"))\n\
                   2026-11-22T11:04:56.3 [m:main:ERROR] Firecracker exiting with error. exit_code=1\n";
        assert_eq!(last_words(log).unwrap(), "RunWithApiError error: Failed to open the API socket at: P.");
    }

    #[test]
    fn the_last_words_of_cloud_hypervisor_are_its_chain_of_causes() {
        let log = "cloud-hypervisor:   0.0s: <main> ERROR:lib.rs:24 -- Fatal error: CreateHypervisor(x\n\nStack backtrace:\n  \
                   0: <unknown>\nError: Cloud Hypervisor exited with the following chain of errors:\n  0: Failed to open \
                   hypervisor interface\n  1: Failed to create Vm\n  2: No such device (os error 19)\n";
        let expected = "Failed to open hypervisor interface: Failed to create Vm: No such device (os error 19)";
        assert_eq!(last_words(log).unwrap(), expected);
    }
}
