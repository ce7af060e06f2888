//! The real agent on every channel that a host has without a VM.

mod agent_support;

use agent_support::{Agent, channel_on, greeted, on_socketpair, program, request, serve, soon};
use isodyne_engine::channel::{
    AgentChannel, ConnectingTransport, FdTransport, ListeningTransport, Outcome, ShutdownHow, Transport, agent_binary,
};
use isodyne_engine::clock::Clock;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

/// Says hello, echoes, answers a ping and shuts down.
fn works(mut channel: AgentChannel, mut agent: Agent) {
    let (hello, at) = channel.hello(soon()).unwrap();
    assert_eq!(hello.pid, agent.0.id());
    assert!(!hello.is_init);
    assert!(hello.uptime_ns > hello.prepared_ns && hello.prepared_ns > 0);
    assert_eq!(hello.agent_version, env!("CARGO_PKG_VERSION"));
    let executed = channel.exec(&request(&["/proc/self/exe", "echo", "a nonce"]), soon());
    // That path names the child's own program only once it runs; before, it is the agent's, which is what we want.
    let executed = executed.unwrap();
    executed.succeeded().unwrap();
    assert_eq!(executed.reply.stdout, b"a nonce\n");
    assert!(at < executed.asked && executed.asked < executed.at);
    assert!(executed.reply.elapsed_ns <= executed.at.ns_since(executed.asked));
    let pinged = channel.ping(soon()).unwrap();
    assert!(pinged.asked < pinged.at);
    channel.shutdown(ShutdownHow::Exit, soon()).unwrap();
    assert!(agent.end().success());
}

#[test]
fn the_embedded_program_is_one_small_static_file() {
    let bytes = agent_binary();
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    assert_eq!(bytes.get(..5), Some(b"\x7fELF\x02".as_slice()));
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let offset = usize::try_from(u64::from_le_bytes(bytes[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (usize::from(word(54)), usize::from(word(56)));
    assert!(count > 0);
    for header in (0..count).map(|index| offset + index * size) {
        let kind = u32::from_le_bytes(bytes[header..header + 4].try_into().unwrap());
        assert!(kind != 2 && kind != 3, "it has a dynamic section or an interpreter");
    }
    let machine_path = env!("CARGO_MANIFEST_DIR").as_bytes();
    assert!(!bytes.windows(machine_path.len()).any(|window| window == machine_path));
}

#[test]
fn over_a_socket_pair() {
    let (agent, channel) = on_socketpair(30);
    works(channel, agent);
}

#[test]
fn over_pipes() {
    let mut agent = Agent::start(serve("stdio", 30).stdin(Stdio::piped()).stdout(Stdio::piped()));
    let (writer, reader) = (agent.0.stdin.take().unwrap(), agent.0.stdout.take().unwrap());
    let transport = FdTransport::new(reader.into(), writer.into(), Clock).unwrap();
    works(AgentChannel::new(Box::new(transport), Clock), agent);
}

#[test]
fn over_a_unix_socket_that_we_listen_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent");
    let transport = ListeningTransport::unix(UnixListener::bind(&path).unwrap(), Clock).unwrap();
    let agent = Agent::start(&mut serve(&format!("unix:{}", path.display()), 30));
    works(AgentChannel::new(Box::new(transport), Clock), agent);
}

#[test]
fn over_a_unix_socket_that_the_agent_listens_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent");
    let transport = ConnectingTransport::new(&path, Clock);
    let agent = Agent::start(&mut serve(&format!("unix-listen:{}", path.display()), 30));
    works(AgentChannel::new(Box::new(transport), Clock), agent);
}

#[test]
fn over_tcp_with_the_channel_from_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = format!("tcp:{}", listener.local_addr().unwrap());
    let transport = ListeningTransport::tcp(listener, Clock).unwrap();
    let mut command = Command::new(program());
    command.arg("serve").env("ISODYNE_CHANNEL", channel).env("ISODYNE_PATIENCE", "30");
    works(AgentChannel::new(Box::new(transport), Clock), Agent::start(&mut command));
}

#[test]
fn over_a_serial_line_that_others_write_to_first() {
    let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&host).unwrap();
    unlockpt(&host).unwrap();
    let line = ptsname(&host, Vec::new()).unwrap().into_string().unwrap();
    let mut firmware = std::fs::OpenOptions::new().read(true).write(true).open(&line).unwrap();
    firmware.write_all(b"SeaBIOS (version 1.16)\nBooting from ROM..\x1b[0m").unwrap();
    let agent = Agent::start(&mut serve(&format!("serial:{line}"), 30));
    let transport = FdTransport::from_socket(host, Clock).unwrap();
    works(AgentChannel::after_stray_bytes(Box::new(transport), Clock, 4096), agent);
    // Held until here: a terminal whose last user closes it hangs up.
    drop(firmware);
}

#[test]
fn commands_get_neither_the_channel_nor_what_a_runtime_left_open() {
    let (mut agent, mut channel) = greeted();
    let executed =
        channel.exec(&agent_support::shell("cd /proc/self/fd; for f in *; do readlink $f; done; :"), soon()).unwrap();
    executed.succeeded().unwrap();
    let text = String::from_utf8(executed.reply.stdout).unwrap();
    let mut kinds: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    kinds.retain(|kind| !kind.starts_with("/proc/"));
    assert_eq!(kinds, ["/dev/null", "pipe", "pipe"], "{text}");
    channel.shutdown(ShutdownHow::PowerOff, soon()).unwrap();
    assert!(agent.end().success());
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says why")]
fn as_the_first_process_of_a_container_it_reaps_and_exits() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program());
    command.args(["serve", "--channel", "stdio", "--patience", "30"]);
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let mut agent = Agent::start(&mut command);
    let mut channel = channel_on(ours);
    let hello = match channel.hello(soon()) {
        Ok((hello, _)) => hello,
        Err(failure) => {
            println!("skipped: no process namespace here: {failure}");
            return;
        }
    };
    assert_eq!((hello.pid, hello.is_init), (1, false));
    // A grandchild in a session of its own is nobody's but the first process's.
    channel.exec(&agent_support::shell("setsid sh -c 'sleep 0.05' & :"), soon()).unwrap().succeeded().unwrap();
    let check = agent_support::shell("sleep 0.3; cat /proc/[0-9]*/stat");
    let executed = channel.exec(&check, soon()).unwrap();
    let zombies = String::from_utf8_lossy(&executed.reply.stdout).lines().filter(|line| line.contains(") Z ")).count();
    assert_eq!((executed.reply.outcome, zombies), (Outcome::Exited(0), 0));
    channel.shutdown(ShutdownHow::Reboot, soon()).unwrap();
    assert!(agent.end().success());
}

#[test]
fn a_connection_that_never_comes_is_a_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent");
    let deadline = agent_support::in_ms(50);
    let transports: [Box<dyn Transport>; 2] = [
        Box::new(ConnectingTransport::new(directory.path().join("nobody"), Clock)),
        Box::new(ListeningTransport::unix(UnixListener::bind(&path).unwrap(), Clock).unwrap()),
    ];
    for transport in transports {
        let failure = AgentChannel::new(transport, Clock).hello(deadline).unwrap_err();
        assert_eq!(failure.message, "no hello from the agent in time; nothing was received");
        assert_eq!(failure.class.as_str(), "timeout");
    }
}
