//! The calls of an OCI runtime that have CRIU keep a container and bring it back.

use crate::backend::text;
use isodyne_core::checkpoint::KeptOptions;
use std::path::Path;

/// A runtime's program and how it finds its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeProgram {
    /// The program, and its options in front of the command.
    pub argv: Vec<String>,
}

/// Where a dump goes, and on what it builds.
#[derive(Clone, Copy, Debug)]
pub struct DumpPlace<'a> {
    /// The directory of the images.
    pub images: &'a Path,
    /// The directory of log and statistics.
    pub work: &'a Path,
    /// The round before, relative to the images.
    pub parent: Option<&'a str>,
}

impl RuntimeProgram {
    /// A runtime that keeps its state in `root`.
    pub fn of(program: &str, root: &Path) -> Self {
        Self { argv: vec![program.to_owned(), "--root".to_owned(), text(root)] }
    }

    fn call(&self, parts: &[&str]) -> Vec<String> {
        self.argv.iter().cloned().chain(parts.iter().map(|part| (*part).to_owned())).collect()
    }

    /// The call that stops the container for the last time and writes what the rounds before have not. It runs on
    /// afterwards if asked.
    pub fn dump(&self, id: &str, place: DumpPlace<'_>, options: &KeptOptions) -> Vec<String> {
        let mut argv = self.common("checkpoint", place, options);
        if options.leave_running {
            argv.push("--leave-running".to_owned());
        }
        argv.push(id.to_owned());
        argv
    }

    /// The call of a round before: memory is copied while the container runs.
    pub fn pre_dump(&self, id: &str, place: DumpPlace<'_>, options: &KeptOptions) -> Vec<String> {
        let mut argv = self.common("checkpoint", place, options);
        argv.extend(["--pre-dump".to_owned(), id.to_owned()]);
        argv
    }

    fn common(&self, command: &str, place: DumpPlace<'_>, options: &KeptOptions) -> Vec<String> {
        let mut argv = self.call(&[command, "--image-path", &text(place.images), "--work-path", &text(place.work)]);
        if let Some(parent) = place.parent {
            argv.extend(["--parent-path".to_owned(), parent.to_owned()]);
        }
        argv.extend(flags(options));
        argv
    }

    /// The call that brings a container back from the images under a name, as the bundle describes it. Attached, it stands
    /// between the container's streams and its own until the container ends.
    pub fn restore(
        &self,
        id: &str,
        bundle: &Path,
        place: DumpPlace<'_>,
        detached: Option<&Path>,
        options: &KeptOptions,
    ) -> Vec<String> {
        let mut argv = self.common("restore", DumpPlace { parent: None, ..place }, options);
        argv.extend(["--bundle".to_owned(), text(bundle)]);
        if let Some(pid_file) = detached {
            argv.extend(["--detach".to_owned(), "--pid-file".to_owned(), text(pid_file)]);
        }
        argv.push(id.to_owned());
        argv
    }

    /// The call that ends and removes a container.
    pub fn delete(&self, id: &str) -> Vec<String> {
        self.call(&["delete", "--force", id])
    }
}

/// What has to be the same at both ends.
fn flags(options: &KeptOptions) -> impl Iterator<Item = String> {
    // Sockets of the host's at the other end (a log daemon's) come back unconnected, as podman and Docker have it.
    let given = [("--tcp-established", options.tcp_established), ("--file-locks", options.file_locks)];
    given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_exact() {
        let runtime = RuntimeProgram::of("runc", Path::new("/run/runc"));
        let place =
            DumpPlace { images: Path::new("/k/images"), work: Path::new("/k/logs"), parent: Some("../pre-dump-1") };
        let options = KeptOptions { leave_running: true, tcp_established: true, ..KeptOptions::default() };
        let joined = |argv: Vec<String>| argv.join(" ");
        assert_eq!(
            joined(runtime.dump("web", place, &options)),
            "runc --root /run/runc checkpoint --image-path /k/images --work-path /k/logs --parent-path ../pre-dump-1 \
             --tcp-established --leave-running web"
        );
        assert_eq!(
            joined(runtime.pre_dump("web", DumpPlace { parent: None, ..place }, &KeptOptions::default())),
            "runc --root /run/runc checkpoint --image-path /k/images --work-path /k/logs --pre-dump web"
        );
        let locks = KeptOptions { file_locks: true, ..KeptOptions::default() };
        assert_eq!(
            joined(runtime.restore("web-2", Path::new("/b"), place, Some(Path::new("/b/pid")), &locks)),
            "runc --root /run/runc restore --image-path /k/images --work-path /k/logs --file-locks --bundle /b --detach \
             --pid-file /b/pid web-2"
        );
        assert_eq!(joined(runtime.delete("web-2")), "runc --root /run/runc delete --force web-2");
    }
}
