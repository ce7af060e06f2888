//! The program of a command: where it lies, what it is given, and how a forked child becomes it.

use crate::sys::file::{self, Fd};
use crate::sys::{Errno, Result, process};
use crate::variable;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

/// Where programs are looked up if the environment does not say.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The exit code of a child whose program could not be executed; the reason goes through a pipe.
const NOT_EXECUTED: u8 = 127;

/// Everything that exec needs, made before the fork: the child must not allocate.
pub(crate) struct Program {
    candidates: Vec<CString>,
    /// Own the strings that the pointers below point to.
    _strings: Vec<CString>,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    confinement: Option<Confinement>,
}

/// Where and as whom a program runs, if not as the agent itself does.
pub(crate) struct Confinement {
    /// The directory that becomes its root.
    root: Option<CString>,
    working_directory: CString,
    user: u32,
    group: u32,
}

impl Confinement {
    /// An empty root is the agent's own, an empty working directory is the root.
    pub(crate) fn new(root: &[u8], working_directory: &[u8], user: u32, group: u32) -> Result<Self> {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
        Ok(Self {
            root: if root.is_empty() { None } else { Some(text(root)?) },
            working_directory: text(if working_directory.is_empty() { b"/" } else { working_directory })?,
            user,
            group,
        })
    }

    /// In the child: nothing but system calls.
    fn enter(&self) -> Result<()> {
        if let Some(root) = &self.root {
            process::change_root(root)?;
        }
        process::change_directory(&self.working_directory)?;
        process::become_user(self.user, self.group)
    }
}

impl Program {
    /// A program with the entries of `env` on top of those that it inherits.
    pub(crate) fn new(
        argv: &[Vec<u8>],
        env: &[Vec<u8>],
        inherited: &[&CStr],
        confinement: Option<Confinement>,
    ) -> Result<Self> {
        let name = argv.first().filter(|name| !name.is_empty()).ok_or(Errno::NOENT)?;
        let path = env
            .iter()
            .find_map(|entry| entry.strip_prefix(b"PATH="))
            .or_else(|| variable(inherited, "PATH"))
            .unwrap_or(DEFAULT_PATH);
        let candidates = if name.contains(&b'/') {
            c_strings([name.clone()])?
        } else {
            c_strings(path.split(|byte| *byte == b':').map(|directory| [directory, name].join(&b'/')))?
        };
        let arguments = c_strings(argv.iter().cloned())?;
        let added = c_strings(env.iter().cloned())?;
        let kept = inherited.iter().filter(|entry| !env.iter().any(|new| same_key(entry.to_bytes(), new)));
        let environment = kept.map(|entry| entry.as_ptr()).chain(added.iter().map(|entry| entry.as_ptr()));
        let environment = environment.chain([core::ptr::null()]).collect();
        let pointers = arguments.iter().map(|argument| argument.as_ptr()).chain([core::ptr::null()]).collect();
        let strings = arguments.into_iter().chain(added).collect();
        Ok(Self { candidates, _strings: strings, arguments: pointers, environment, confinement })
    }

    /// In the child: puts everything in place and executes the program.
    pub(crate) fn become_it(&self, agent: i32, streams: [&Fd; 3], status: &Fd) -> ! {
        process::lead_group(0);
        let confined = self.confinement.as_ref().map_or(Ok(()), Confinement::enter);
        // After the change of user, which takes the wish back.
        process::die_with_parent();
        // In a container's own process namespace the first process has the number 1, and no parent has 0.
        let errno = match confined {
            Err(errno) => errno,
            Ok(()) if process::parent_pid() == agent => self.execute(streams),
            Ok(()) => Errno::INVAL,
        };
        let _ = status.write(&errno.0.to_ne_bytes());
        process::exit(NOT_EXECUTED)
    }

    fn execute(&self, streams: [&Fd; 3]) -> Errno {
        for (number, fd) in (0..3).zip(streams) {
            if let Err(errno) = file::duplicate_to(fd, number) {
                return errno;
            }
        }
        file::close_rest_on_exec();
        process::default_signals();
        let mut reason = Errno::NOENT;
        for candidate in &self.candidates {
            // SAFETY: both lists end in a null pointer and point into strings that `self` and the agent's own start
            // keep alive.
            match unsafe { process::execute(candidate, &self.arguments, &self.environment) } {
                Errno::NOENT | Errno::NOTDIR => {}
                // As a shell does: another directory may hold one that may be executed.
                Errno::ACCES => reason = Errno::ACCES,
                errno => return errno,
            }
        }
        reason
    }
}

fn c_strings(strings: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>> {
    strings.into_iter().map(|string| CString::new(string).map_err(|_| Errno::INVAL)).collect()
}

/// Whether two environment entries set the same variable.
fn same_key(one: &[u8], other: &[u8]) -> bool {
    fn key(entry: &[u8]) -> &[u8] {
        entry.split(|byte| *byte == b'=').next().unwrap_or_default()
    }
    key(one) == key(other)
}
