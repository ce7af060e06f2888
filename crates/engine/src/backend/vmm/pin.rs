//! Virtual processors that stay on processors of the host.
//!
//! The threads that run virtual processors are pinned and nothing else: the monitor's other threads, and the lab, stay
//! free. Firecracker makes these threads while it starts the guest, so they are pinned right after (`unpinned_ns` is the
//! longest that a guest can have run anywhere); QEMU before it lets the guest run; Cloud Hypervisor pins them itself.

use super::factors::Reader;
use crate::backend::{PrepareError, Step};
use crate::host::accounting;
use isodyne_core::failure::{Failure, FailureClass};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::ops::RangeInclusive;

/// The processor of the host for each virtual processor, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin(Vec<usize>);

impl Pin {
    /// Reads `pin`: as many processors of the host as the guest has, in their order (`0,1`, `4-7`), or one for all.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn from_factors(reader: Reader<'_>, cpus: u64) -> Result<Option<Self>, PrepareError> {
        let Some(list) = reader.word("pin") else { return Ok(None) };
        let invalid = |message: String| {
            let hint = "name a processor of the host for each of the guest's, or one for all (`pin = \"0,1\"`)";
            reader.invalid("pin", message, hint)
        };
        let processors = members(list).map_err(&invalid)?;
        match u64::try_from(processors.len()) {
            Ok(named) if named == cpus => Ok(Some(Self(processors))),
            Ok(1) => Ok(Some(Self(processors.repeat(usize::try_from(cpus).unwrap_or(1))))),
            _ => Err(invalid(format!("it names {} processors, and the guest has {cpus}", processors.len()))),
        }
    }

    /// Refuses processors that this program may not use.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] names the first one, and those that are there.
    pub fn check(pin: Option<&Self>) -> Result<(), PrepareError> {
        let Some(Self(wanted)) = pin else { return Ok(()) };
        let here = processors_of(None).unwrap_or_default();
        match wanted.iter().find(|processor| !here.contains(processor)) {
            None => Ok(()),
            Some(missing) => Err(PrepareError::Unavailable {
                reason: format!("the host has no processor {missing}, or this program may not use it"),
                hint: format!("pin to some of {}", words(&here)),
            }),
        }
    }

    /// Each virtual processor on one of these, in their order.
    #[cfg(test)]
    pub(crate) fn each_on(processors: &[usize]) -> Self {
        Self(processors.to_vec())
    }

    /// The processors, in the order of the virtual ones.
    pub fn processors(&self) -> &[usize] {
        &self.0
    }

    /// What is done, for a description.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.0
            .iter()
            .enumerate()
            .map(|(number, processor)| Step::Pin { virtual_processor: number, processor: *processor })
    }

    /// Pins these threads, of which the first one runs the first virtual processor, and makes sure that they are.
    ///
    /// # Errors
    /// A failure of class `launch`.
    pub fn apply(&self, threads: &[u32]) -> Result<(), Failure> {
        self.agrees(threads)?;
        for (number, (thread, processor)) in threads.iter().zip(&self.0).enumerate() {
            let mut set = CpuSet::new();
            set.set(*processor);
            let pinned = sched_setaffinity(pid(*thread), &set);
            pinned.map_err(|errno| refused(format!("virtual processor {number} to processor {processor}: {errno}")))?;
        }
        self.verify(threads)
    }

    /// Makes sure that these threads are pinned.
    ///
    /// # Errors
    /// A failure of class `launch` says where a thread may run instead.
    pub fn verify(&self, threads: &[u32]) -> Result<(), Failure> {
        self.agrees(threads)?;
        for (number, (thread, processor)) in threads.iter().zip(&self.0).enumerate() {
            let found = processors_of(pid(*thread));
            if found.as_deref() != Some(&[*processor]) {
                let found =
                    found.map_or_else(|| "it is gone".to_owned(), |found| format!("it may use {}", words(&found)));
                return Err(refused(format!("virtual processor {number} to processor {processor}: {found}")));
            }
        }
        Ok(())
    }

    fn agrees(&self, threads: &[u32]) -> Result<(), Failure> {
        if threads.len() == self.0.len() {
            return Ok(());
        }
        Err(refused(format!("{} threads run {} virtual processors", threads.len(), self.0.len())))
    }
}

/// The threads of a process whose names are this beginning and a number, in the order of the numbers.
pub fn threads_numbered(process: u32, beginning: &str) -> Vec<u32> {
    let numbered = |thread: accounting::ThreadUsage| {
        let number: u32 = thread.name.strip_prefix(beginning)?.trim_start().parse().ok()?;
        Some((number, thread.tid))
    };
    let mut threads: Vec<(u32, u32)> = accounting::threads(process).into_iter().filter_map(numbered).collect();
    threads.sort_unstable();
    threads.into_iter().map(|(_, thread)| thread).collect()
}

fn refused(what: String) -> Failure {
    Failure::new(FailureClass::Launch, format!("failed to pin {what}"))
}

fn pid(thread: u32) -> Option<Pid> {
    i32::try_from(thread).ok().and_then(Pid::from_raw)
}

/// Where a thread (the caller's own without one) may run; `None` if it is gone.
fn processors_of(thread: Option<Pid>) -> Option<Vec<usize>> {
    let set = sched_getaffinity(thread).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect())
}

fn words(processors: &[usize]) -> String {
    processors.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The numbers of a list, in its order.
fn members(list: &str) -> Result<Vec<usize>, String> {
    let number = |text: &str| {
        let number: usize = text.trim().parse().map_err(|_| format!("`{}` is no processor's number", text.trim()))?;
        if number < CpuSet::MAX_CPU { Ok(number) } else { Err(format!("{number} is beyond what the kernel counts to")) }
    };
    let range = |part: &str| -> Result<RangeInclusive<usize>, String> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first <= last { Ok(first..=last) } else { Err(format!("`{part}` runs backwards")) }
    };
    // One number for each part at least, and no more parts than a command line has bytes.
    let ranges: Vec<RangeInclusive<usize>> = list.split(',').map(range).collect::<Result<_, _>>()?;
    Ok(ranges.into_iter().flatten().take(CpuSet::MAX_CPU).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::cell::BackendName;
    use isodyne_core::factor::{FactorValue, Factors};

    fn pin(list: &str, cpus: u64) -> Result<Option<Pin>, PrepareError> {
        let factors = Factors::from([("pin".to_owned(), FactorValue::Text(list.to_owned()))]);
        Pin::from_factors(Reader { backend: BackendName::Qemu, factors: &factors }, cpus)
    }

    #[test]
    fn each_virtual_processor_has_one_of_the_host() {
        assert_eq!(pin("", 2).unwrap(), None);
        assert_eq!(pin("1,0", 2).unwrap(), Some(Pin(vec![1, 0])));
        assert_eq!(pin("0-1, 4", 3).unwrap(), Some(Pin(vec![0, 1, 4])));
        assert_eq!(pin("3", 2).unwrap(), Some(Pin(vec![3, 3])), "one for all");
        for (list, words) in [
            ("0,1", "it names 2 processors, and the guest has 3"),
            ("0,x,2", "`x` is no processor's number"),
            ("0,,2", "`` is no processor's number"),
            ("2-0", "`2-0` runs backwards"),
            ("0-99999999999", "beyond what the kernel counts to"),
            ("-1", "`` is no processor's number"),
        ] {
            let error = pin(list, 3).unwrap_err().to_string();
            assert!(error.starts_with("backend.qemu.pin: ") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused() {
        let PrepareError::Unavailable { reason, hint } = Pin::check(Some(&Pin(vec![1023]))).unwrap_err() else {
            panic!("a plan for a larger host is not wrong");
        };
        assert!(reason.contains("no processor 1023") && hint.contains(&words(&processors_of(None).unwrap())), "{hint}");
        Pin::check(None).unwrap();
    }

    #[test]
    fn threads_are_pinned_by_their_numbers_and_nothing_else_is() {
        let before = processors_of(None).unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = std::sync::Arc::new(std::sync::Mutex::new(stopped));
        let (ready, made) = std::sync::mpsc::channel();
        // Made in the wrong order, and one of another kind.
        let threads: Vec<_> = ["fc_vcpu 1", "fc_vcpu 0", "fc_api"]
            .into_iter()
            .map(|name| {
                let (stopped, ready) = (std::sync::Arc::clone(&stopped), ready.clone());
                let work = move || {
                    ready.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
                    let _ = stopped.lock().unwrap().recv();
                };
                let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
                (made.recv().unwrap(), thread)
            })
            .collect();
        let found = threads_numbered(std::process::id(), "fc_vcpu");
        assert_eq!(found, [threads[1].0, threads[0].0]);
        let last = *before.last().unwrap();
        let pin = Pin(vec![before[0], last]);
        pin.apply(&found).unwrap();
        assert_eq!(processors_of(pid(threads[0].0)), Some(vec![last]));
        assert_eq!(processors_of(pid(threads[2].0)), Some(before.clone()));
        assert_eq!(processors_of(None), Some(before));
        let failure = pin.apply(&found[..1]).unwrap_err();
        assert!(failure.message.contains("1 threads run 2 virtual processors"), "{failure}");
        let failure = Pin(vec![1023, last]).apply(&found).unwrap_err();
        assert!(failure.class == FailureClass::Launch && failure.message.contains("processor 1023"), "{failure}");
        drop(stop);
        for (_, thread) in threads {
            thread.join().unwrap();
        }
    }
}
