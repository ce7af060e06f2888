//! The open channel: bytes to and from the host, with deadlines on the guest's own clock.

use crate::options::ChannelSpec;
use crate::sys::file::{self, Access, Fd};
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, WRITABLE, interest, pause_us, wait};
use crate::sys::socket::{self, Address};
use crate::sys::{Errno, Result};
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as k;

/// The directory in which the kernel names virtio-serial ports.
const VIRTIO_PORTS: &[u8] = b"/sys/class/virtio-ports";

/// The open channel.
pub(crate) struct Link {
    input: Fd,
    /// Where to write, if that is another descriptor.
    output: Option<Fd>,
    /// A virtio port says that it hung up until the host's end has been announced, shortly after it was opened.
    may_be_early: bool,
    is_terminal: bool,
}

impl Link {
    /// Opens the channel, waiting for what must come first until the moment.
    pub(crate) fn open(spec: &ChannelSpec, until: Moment) -> core::result::Result<Self, String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (link, name) = match spec {
            ChannelSpec::Stdio => (stdio(), "the standard streams".into()),
            ChannelSpec::Serial(path) => (serial(path), lossy(path)),
            ChannelSpec::Virtio(name) => (virtio(name, until), format!("virtio port {}", lossy(name))),
            ChannelSpec::File(path) => (device(path), lossy(path)),
            ChannelSpec::Connect(address) => (connect(address, until), format!("{address:?}")),
            ChannelSpec::Listen(address) => (listen(address, until), format!("{address:?}")),
        };
        link.and_then(|link| {
            link.input.set_nonblocking()?;
            link.output().set_nonblocking()?;
            Ok(link)
        })
        .map_err(|errno| format!("failed to open the channel on {name}: {errno}"))
    }

    fn on(fd: Fd) -> Self {
        Self { input: fd, output: None, may_be_early: false, is_terminal: false }
    }

    fn output(&self) -> &Fd {
        self.output.as_ref().unwrap_or(&self.input)
    }

    /// What to poll for requests.
    pub(crate) fn input(&self) -> &Fd {
        &self.input
    }

    /// What came; nothing yet, or the end as no bytes.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.input.read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Writes everything before the moment.
    pub(crate) fn write_all(&self, mut bytes: &[u8], until: Moment) -> Result<()> {
        while !bytes.is_empty() {
            match self.output().write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::AGAIN) => self.wait_writable(until)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn wait_writable(&self, until: Moment) -> Result<()> {
        let mut interests = [interest(self.output(), WRITABLE)];
        if !wait(&mut interests, until)? {
            return Err(Errno::TIMEDOUT);
        }
        let came = interests[0].revents;
        if came & WRITABLE == 0 && came & HUNG_UP != 0 {
            if !self.may_be_early || until.has_passed() {
                return Err(Errno(linux_raw_sys::errno::EPIPE));
            }
            pause_us(500);
        }
        Ok(())
    }

    /// Waits until the device has sent what was written, so that the end of the machine does not cut it off.
    pub(crate) fn drain(&self) {
        if self.is_terminal {
            let mut nothing = 0_u8;
            // SAFETY: the argument of this request is a number; any that is not zero asks to wait only.
            let _ = unsafe { self.output().ioctl(linux_raw_sys::ioctl::TCSBRK, &mut nothing) };
        }
    }
}

/// Takes the standard streams for itself and puts `/dev/null` in their place, so that no command gets them.
fn stdio() -> Result<Link> {
    let (input, output) = (file::duplicate_high(0)?, file::duplicate_high(1)?);
    let null = match file::open(c"/dev/null", Access::ReadWrite) {
        Ok(null) => null,
        // An image without devices: a pipe that nobody writes to or reads from does as well.
        Err(_) => file::pipe()?.0,
    };
    file::duplicate_to(&null, 0)?;
    file::duplicate_to(&null, 1)?;
    Ok(Link { output: Some(output), ..Link::on(input) })
}

fn device(path: &[u8]) -> Result<Link> {
    file::open_bytes(path, Access::ReadWriteNonblocking).map(Link::on)
}

/// A serial line, raw: 115200 baud, 8 bits, no parity, no flow control, bytes as they come.
fn serial(path: &[u8]) -> Result<Link> {
    let link = device(path)?;
    let mut settings = k::termios {
        c_iflag: 0,
        c_oflag: 0,
        c_cflag: k::B115200 | k::CS8 | k::CREAD | k::CLOCAL,
        c_lflag: 0,
        c_line: 0,
        c_cc: [0; 19],
    };
    settings.c_cc[k::VMIN as usize] = 1;
    // SAFETY: the request reads this structure.
    unsafe { link.input.ioctl(linux_raw_sys::ioctl::TCSETS, &mut settings) }?;
    Ok(Link { is_terminal: true, ..link })
}

/// Waits for the port of this name. Ports are announced one by one after their device was found.
fn virtio(name: &[u8], until: Moment) -> Result<Link> {
    let notices = socket::device_notices();
    loop {
        if let Some(port) = find_port(name) {
            match device(&[b"/dev/".as_slice(), &port].concat()) {
                Ok(link) => return Ok(Link { may_be_early: true, ..link }),
                // The node follows the name within moments.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        if until.has_passed() {
            return Err(Errno::NODEV);
        }
        match &notices {
            Ok(notices) => {
                // A notice wakes the search; the bound covers one that was lost.
                let _ = wait(&mut [interest(notices, READABLE)], Moment::after_ms(50).min(until))?;
                while notices.read(&mut [0; 2048]).is_ok() {}
            }
            Err(_) => pause_us(5_000),
        }
    }
}

fn find_port(name: &[u8]) -> Option<Vec<u8>> {
    let directory = CString::new(VIRTIO_PORTS).ok()?;
    file::names(&directory).ok()?.into_iter().find(|port| {
        let path = [VIRTIO_PORTS, port.as_slice(), b"name"].join(&b'/');
        file::read_small(&path, 128).is_ok_and(|found| found.trim_ascii_end() == name)
    })
}

fn connect(address: &Address, until: Moment) -> Result<Link> {
    loop {
        match socket::connect(address) {
            Ok(fd) => return Ok(Link::on(fd)),
            // The other end, or the device to reach it, may come a moment later; nothing announces it.
            Err(Errno::CONNREFUSED | Errno::NETUNREACH | Errno::NODEV | Errno::TIMEDOUT) if !until.has_passed() => {
                pause_us(5_000);
            }
            Err(errno) => return Err(errno),
        }
    }
}

fn listen(address: &Address, until: Moment) -> Result<Link> {
    let listener = socket::listen(address)?;
    loop {
        if !wait(&mut [interest(&listener, READABLE | CLOSING)], until)? {
            return Err(Errno::TIMEDOUT);
        }
        match socket::accept(&listener) {
            Ok(fd) => return Ok(Link::on(fd)),
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
}
