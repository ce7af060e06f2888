//! What the agent is told: on its command line as a process, on the kernel's as the first process of a machine.

use crate::Start;
use crate::sys::machine::MachineEnd;
use crate::sys::socket::{Address, Interface};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Seconds without a request after which the agent ends, if it is not told otherwise.
const DEFAULT_PATIENCE_S: u32 = 60;

/// The host's number on vsock has its own name in no specification: it is written as 2. Listening needs none.
const ANY_CID: u32 = u32::MAX;

/// How to reach the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelSpec {
    /// `stdio`: standard input and output.
    Stdio,
    /// `serial:/dev/ttyS1`: a serial line, made raw.
    Serial(Vec<u8>),
    /// `virtio:NAME`: the virtio-serial port of that name.
    Virtio(Vec<u8>),
    /// `file:/path`: a character device as it is.
    File(Vec<u8>),
    /// `unix:/path`, `tcp:IP:PORT`, `vsock:CID:PORT`.
    Connect(Address),
    /// `unix-listen:/path`, `tcp-listen:IP:PORT`, `vsock-listen:PORT`.
    Listen(Address),
}

impl ChannelSpec {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        parse_channel(text).ok_or_else(|| {
            format!(
                "`{}` is no channel: it takes stdio, serial:PATH, virtio:NAME, file:PATH, unix:PATH, tcp:IP:PORT, \
                 vsock:CID:PORT, unix-listen:PATH, tcp-listen:IP:PORT or vsock-listen:PORT",
                String::from_utf8_lossy(text)
            )
        })
    }
}

fn parse_channel(text: &[u8]) -> Option<ChannelSpec> {
    if text == b"stdio" {
        return Some(ChannelSpec::Stdio);
    }
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (kind, place) = (text.get(..colon)?, text.get(colon + 1..)?);
    if place.is_empty() {
        return None;
    }
    let tcp = || core::str::from_utf8(place).ok()?.parse().ok().map(Address::Tcp);
    Some(match kind {
        b"serial" => ChannelSpec::Serial(place.to_owned()),
        b"virtio" => ChannelSpec::Virtio(place.to_owned()),
        b"file" => ChannelSpec::File(place.to_owned()),
        b"unix" => ChannelSpec::Connect(Address::Unix(place.to_owned())),
        b"unix-listen" => ChannelSpec::Listen(Address::Unix(place.to_owned())),
        b"tcp" => ChannelSpec::Connect(tcp()?),
        b"tcp-listen" => ChannelSpec::Listen(tcp()?),
        b"vsock" => {
            let colon = place.iter().position(|byte| *byte == b':')?;
            let (cid, port) = (number(place.get(..colon)?)?, number(place.get(colon + 1..)?)?);
            ChannelSpec::Connect(Address::Vsock { cid, port })
        }
        b"vsock-listen" => ChannelSpec::Listen(Address::Vsock { cid: ANY_CID, port: number(place)? }),
        _ => return None,
    })
}

/// A decimal number.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    // `parse` takes a sign, which no number here has.
    text.first()?.is_ascii_digit().then(|| core::str::from_utf8(text).ok()?.parse().ok())?
}

/// A hexadecimal number with `0x` in front.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"0x").filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Where to serve and how long to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) channel: ChannelSpec,
    pub(crate) patience_ms: u64,
    /// Whether a channel that closes is opened again.
    pub(crate) comes_back: bool,
}

impl Service {
    fn new(channel: Option<&[u8]>, patience: Option<&[u8]>, where_to_say: &str) -> Result<Self, String> {
        let channel = ChannelSpec::parse(channel.ok_or_else(|| format!("no channel: {where_to_say}"))?)?;
        let patience_s = match patience {
            None => DEFAULT_PATIENCE_S,
            Some(text) => number(text).filter(|seconds| *seconds > 0).ok_or_else(|| {
                format!("`{}` is no patience: it takes whole seconds, 1 or more", String::from_utf8_lossy(text))
            })?,
        };
        Ok(Self { channel, patience_ms: u64::from(patience_s) * 1000, comes_back: false })
    }

    /// From the words after `serve`, and from the environment what they do not say.
    pub(crate) fn from_words(start: &Start<'_>, words: &[&[u8]]) -> Result<Self, String> {
        let (mut channel, mut patience) = (start.variable("ISODYNE_CHANNEL"), start.variable("ISODYNE_PATIENCE"));
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (key, value) = match word.iter().position(|byte| *byte == b'=') {
                Some(equals) => (word.get(..equals), word.get(equals + 1..)),
                None => (Some(*word), words.next().copied()),
            };
            match key {
                Some(b"--channel") => channel = value,
                Some(b"--patience") => patience = value,
                _ => return Err(format!("unknown argument `{}`", String::from_utf8_lossy(word))),
            }
            if value.is_none() {
                return Err(format!("`{}` needs a value", String::from_utf8_lossy(word)));
            }
        }
        Self::new(channel, patience, "give --channel or set ISODYNE_CHANNEL")
    }
}

/// What the kernel's command line tells the first process of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BootOptions<'a> {
    channel: Option<&'a [u8]>,
    patience: Option<&'a [u8]>,
    pub(crate) modules: Vec<&'a [u8]>,
    comes_back: bool,
    /// Where Firecracker's boot timer is mapped.
    pub(crate) boot_timer: Option<u64>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) end: MachineEnd,
}

impl<'a> BootOptions<'a> {
    /// Reads the keys that begin with `isodyne.`; the rest is the kernel's. The last one of a kind counts.
    pub(crate) fn parse(command_line: &'a [u8]) -> Self {
        let mut options = Self::default();
        for word in command_line.split(u8::is_ascii_whitespace) {
            let Some(setting) = word.strip_prefix(b"isodyne.") else { continue };
            let Some(equals) = setting.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) =
                (setting.get(..equals).unwrap_or_default(), setting.get(equals + 1..).unwrap_or_default());
            match key {
                b"channel" => options.channel = Some(value),
                b"patience" => options.patience = Some(value),
                b"boot_timer" => options.boot_timer = hexadecimal(value),
                b"comes_back" => options.comes_back = value == b"1",
                b"modules" => {
                    options.modules = value.split(|byte| *byte == b',').filter(|name| !name.is_empty()).collect();
                }
                b"net" => match parse_interface(value) {
                    Some(interface) => options.interfaces.push(interface),
                    None => {
                        crate::complain("isodyne.net takes IF,ADDRESS/LENGTH[,GATEWAY[,ADDRESS6/LENGTH[,NEIGHBOUR]]]");
                    }
                },
                b"end" => match value {
                    b"poweroff" => options.end = MachineEnd::PowerOff,
                    b"reboot" => options.end = MachineEnd::Reboot,
                    b"halt" => options.end = MachineEnd::Halt,
                    _ => crate::complain("isodyne.end takes poweroff, reboot or halt"),
                },
                _ => {}
            }
        }
        options
    }

    pub(crate) fn service(&self) -> Result<Service, String> {
        let service = Service::new(self.channel, self.patience, "give isodyne.channel on the kernel's command line")?;
        Ok(Service { comes_back: self.comes_back, ..service })
    }
}

/// `eth0,10.0.0.2/30,10.0.0.1,fd00::2/64,169.254.169.254`: the gateway may be empty, and what follows the IPv4 address may
/// be left out.
fn parse_interface(text: &[u8]) -> Option<Interface> {
    let mut parts = core::str::from_utf8(text).ok()?.split(',');
    let (name, v4) = (parts.next()?, parts.next()?);
    let (gateway, v6, neighbour) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let sound = !name.is_empty() && name.len() < 16 && !name.contains(['/', '.']) && parts.next().is_none();
    let prefixed = |text: &str, most: u32| -> Option<(String, u8)> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = number(prefix.as_bytes()).filter(|prefix| *prefix <= most)?;
        Some((address.to_owned(), u8::try_from(prefix).ok()?))
    };
    let (v4, prefix) = prefixed(v4, 32)?;
    let v6 = match v6 {
        None => None,
        Some(text) => {
            let (address, prefix) = prefixed(text, 128)?;
            Some((address.parse().ok()?, prefix))
        }
    };
    let gateway = if gateway.is_empty() { None } else { Some(gateway.parse().ok()?) };
    let neighbour = match neighbour {
        None => None,
        Some(text) => Some(text.parse().ok()?),
    };
    sound.then_some(Interface {
        name: name.as_bytes().to_vec(),
        v4: (v4.parse().ok()?, prefix),
        gateway,
        v6,
        neighbour,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_or_refused() {
        let full = parse_interface(b"eth0,10.0.0.2/30,10.0.0.1,fd00::2/64").unwrap();
        assert_eq!((full.name.as_slice(), full.v4), (b"eth0".as_slice(), ([10, 0, 0, 2].into(), 30)));
        assert_eq!(full.gateway, Some([10, 0, 0, 1].into()));
        assert_eq!(full.v6, Some(("fd00::2".parse().unwrap(), 64)));
        assert_eq!(parse_interface(b"eth0,10.0.0.2/30").unwrap().v6, None);
        let beside = parse_interface(b"eth0,10.0.0.2/30,,fd00::2/64,169.254.169.254").unwrap();
        assert_eq!((beside.gateway, beside.neighbour), (None, Some([169, 254, 169, 254].into())));
        assert_eq!(parse_interface(b"eth0,10.0.0.2/30,,fd00::2/64").unwrap().gateway, None);
        for wrong in [
            "",
            "eth0",
            "eth0,10.0.0.2",
            "eth0,10.0.0.2/33",
            "eth0,10.0.0.256/30",
            ",10.0.0.2/30",
            "../x,10.0.0.2/30",
            "eth0,10.0.0.2/30,x",
            "eth0,10.0.0.2/30,,fd00::2",
            "eth0,10.0.0.2/30,,fd00::2/129",
            "eth0,10.0.0.2/+3",
            "eth0,10.0.0.2/30,10.0.0.1,fd00::2/64,more",
            "eth0,10.0.0.2/30,10.0.0.1,fd00::2/64,169.254.169.254,more",
            "an-interface-too-long,10.0.0.2/30",
        ] {
            assert_eq!(parse_interface(wrong.as_bytes()), None, "{wrong}");
        }
    }
    use crate::sys::poll::Moment;

    fn words<'a>(words: &[&'a str]) -> Result<Service, String> {
        let environment = [c"ISODYNE_CHANNEL=serial:/dev/ttyS1", c"ISODYNE_PATIENCE=9"];
        let start = Start { environment: &environment, began: Moment::now() };
        Service::from_words(&start, &words.iter().map(|word| word.as_bytes()).collect::<Vec<&'a [u8]>>())
    }

    #[test]
    fn every_channel_is_understood() {
        let tcp = || Address::Tcp("10.0.0.2:7000".parse().unwrap());
        let good = [
            ("stdio", ChannelSpec::Stdio),
            ("serial:/dev/ttyS1", ChannelSpec::Serial(b"/dev/ttyS1".to_vec())),
            ("virtio:isodyne", ChannelSpec::Virtio(b"isodyne".to_vec())),
            ("file:/dev/hvc1", ChannelSpec::File(b"/dev/hvc1".to_vec())),
            ("unix:/run/a:b", ChannelSpec::Connect(Address::Unix(b"/run/a:b".to_vec()))),
            ("unix-listen:/a", ChannelSpec::Listen(Address::Unix(b"/a".to_vec()))),
            ("tcp:10.0.0.2:7000", ChannelSpec::Connect(tcp())),
            ("tcp-listen:10.0.0.2:7000", ChannelSpec::Listen(tcp())),
            ("vsock:2:5000", ChannelSpec::Connect(Address::Vsock { cid: 2, port: 5000 })),
            ("vsock-listen:5000", ChannelSpec::Listen(Address::Vsock { cid: u32::MAX, port: 5000 })),
        ];
        for (text, spec) in good {
            assert_eq!(ChannelSpec::parse(text.as_bytes()), Ok(spec), "{text}");
        }
        for text in ["", "stdio:", "serial:", "tcp:localhost:1", "tcp:1.2.3.4", "vsock:2", "vsock:+2:1", "telnet:1"] {
            assert!(ChannelSpec::parse(text.as_bytes()).unwrap_err().contains("is no channel"), "{text}");
        }
    }

    #[test]
    fn words_win_over_the_environment() {
        let service = words(&["--channel", "stdio", "--patience=3"]).unwrap();
        assert_eq!(service, Service { channel: ChannelSpec::Stdio, patience_ms: 3000, comes_back: false });
        assert_eq!(words(&[]).unwrap().patience_ms, 9000);
        assert_eq!(words(&["--chanel", "stdio"]), Err("unknown argument `--chanel`".to_owned()));
        assert_eq!(words(&["--channel"]), Err("`--channel` needs a value".to_owned()));
        assert!(words(&["--patience", "0"]).unwrap_err().contains("1 or more"));
    }

    #[test]
    fn the_kernels_command_line_is_read() {
        let options = BootOptions::parse(
            b"console=ttyS0 quiet isodyne.channel=virtio:isodyne isodyne.modules=a.ko,,b.ko isodyne.end=reboot\n",
        );
        assert_eq!(options.modules, [b"a.ko", b"b.ko"]);
        assert_eq!(options.end, MachineEnd::Reboot);
        let service = options.service().unwrap();
        let channel = ChannelSpec::Virtio(b"isodyne".to_vec());
        assert_eq!(service, Service { channel, patience_ms: 60_000, comes_back: false });
        let returning = BootOptions::parse(b"isodyne.channel=vsock:2:52 isodyne.comes_back=1");
        assert!(returning.service().unwrap().comes_back);
        assert_eq!(BootOptions::parse(b"isodyne.boot_timer=0xc0000000").boot_timer, Some(0xc000_0000));
        assert_eq!(BootOptions::parse(b"isodyne.boot_timer=12 isodyne.boot_timer=0x+1").boot_timer, None);
        assert!(BootOptions::parse(b"quiet").service().unwrap_err().contains("isodyne.channel"));
    }
}
