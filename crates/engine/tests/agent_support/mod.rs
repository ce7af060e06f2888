//! What the tests of the agent share: the embedded program on disk, and ways to start it.
#![allow(dead_code, reason = "each test program uses its own part of this")]

use isodyne_core::unit::HostInstant;
use isodyne_engine::channel::{AgentChannel, ExecRequest, FdTransport, agent_binary};
use isodyne_engine::clock::Clock;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

/// Written before anything is spawned, and moved into place: a file that is open for writing cannot be executed.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("isodyne-agent");
    if !fs::read(&path).is_ok_and(|bytes| bytes == agent_binary()) {
        let fresh = path.with_extension(std::process::id().to_string());
        fs::write(&fresh, agent_binary()).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&fresh, &path).unwrap();
    }
    path
});

pub fn program() -> &'static Path {
    &PROGRAM
}

pub fn soon() -> HostInstant {
    Clock.after(Duration::from_secs(20))
}

pub fn in_ms(milliseconds: u64) -> HostInstant {
    Clock.after(Duration::from_millis(milliseconds))
}

/// A child that does not outlive its test.
pub struct Agent(pub Child);

impl Agent {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Waits for its end, which must come.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = soon();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Clock.now() < deadline, "the agent goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn serve(channel: &str, patience_s: u32) -> Command {
    let mut command = Command::new(program());
    command.args(["serve", "--channel", channel, "--patience", &patience_s.to_string()]);
    command
}

pub fn channel_on(socket: UnixStream) -> AgentChannel {
    AgentChannel::new(Box::new(FdTransport::from_socket(socket.into(), Clock).unwrap()), Clock)
}

/// An agent with its standard streams on a socket pair, before its hello.
pub fn on_socketpair(patience_s: u32) -> (Agent, AgentChannel) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = serve("stdio", patience_s);
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs)).stderr(Stdio::inherit());
    let agent = Agent::start(&mut command);
    (agent, channel_on(ours))
}

/// As above, after its hello.
pub fn greeted() -> (Agent, AgentChannel) {
    let (agent, mut channel) = on_socketpair(30);
    channel.hello(soon()).unwrap();
    (agent, channel)
}

pub fn request(argv: &[&str]) -> ExecRequest {
    ExecRequest {
        argv: argv.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
        timeout_ms: 10_000,
        output_limit: 64 << 10,
        ..ExecRequest::default()
    }
}

pub fn shell(script: &str) -> ExecRequest {
    request(&["sh", "-c", script])
}
