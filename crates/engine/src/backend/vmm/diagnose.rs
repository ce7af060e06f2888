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

/// A console line without the kernel's time stamp, cut to a length for people.
fn without_time(line: &str) -> String {
    let line = line.trim();
    let rest = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(line, |(_, rest)| rest.trim());
    let printable: String = rest.chars().filter(|c| !c.is_control()).collect();
    printable.chars().take(200).collect()
}

/// The last line of a monitor's log that says something, without QEMU's path in front.
pub fn last_words(log: &str) -> Option<String> {
    let line = log.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let words =
        line.split_once(": ").filter(|(program, _)| program.contains("qemu-system")).map_or(line, |(_, rest)| rest);
    Some(words.chars().filter(|c| !c.is_control()).take(300).collect())
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
    fn the_last_words_of_qemu_are_found() {
        assert_eq!(
            last_words("a\nqemu-system-x86_64: could not load kernel\n\n").as_deref(),
            Some("could not load kernel")
        );
        assert_eq!(last_words("\n \n"), None);
    }
}
