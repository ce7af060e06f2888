//! `shm-device`: says what shared memory device there is, and shows once that it works both ways.
//!
//! In the memory: the host's number at 0, the guest's answer at 64, the last eight bytes for both, the guest's own number
//! plus one at 128, and what the host says last at 192. A device with interrupts sleeps until the host rings, and then
//! rings the host.

use super::{Device, Mapping, open_doorbell, open_plain};
use crate::complain;
use crate::options::number;
use crate::sys::file;
use crate::sys::poll::{Moment, cpu_ns};
use alloc::format;
use alloc::string::String;
use isodyne_shm::wait::{Bell, Woken};

const USAGE: &str = "usage: isodyne-agent shm-device plain|doorbell MAPPING [HOST [SECONDS]]";
const PATIENCE_S: u32 = 30;

const NONCE: usize = 0;
const ANSWER: usize = 64;
const OWN: usize = 128;
const LAST_WORD: usize = 192;

/// Runs it; gives its exit code, 3 where the device cannot be had.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let (Some(kind), Some(mapping)) = (arguments.first(), arguments.get(1).and_then(|name| Mapping::parse(name)))
    else {
        complain(USAGE);
        return 2;
    };
    let host = arguments.get(2).map_or(Some(0), |text| number(text)).and_then(|host| u16::try_from(host).ok());
    let patience_s = arguments.get(3).map_or(Some(PATIENCE_S), |text| number(text));
    let (Some(host), Some(patience_s)) = (host, patience_s) else {
        complain(USAGE);
        return 2;
    };
    let opened = match *kind {
        b"plain" => open_plain(mapping),
        b"doorbell" => open_doorbell(mapping),
        _ => Err(USAGE.into()),
    };
    let outcome = match opened {
        Err(reason) => {
            complain(&reason);
            return 3;
        }
        Ok(device) => exchange(&device, host, Moment::after_ms(u64::from(patience_s) * 1000)),
    };
    match outcome {
        Ok(text) => u8::from(file::write_all(1, text.as_bytes()).is_err()),
        Err(reason) => {
            complain(&reason);
            1
        }
    }
}

fn exchange(device: &Device, host: u16, until: Moment) -> Result<String, String> {
    let region = device.region;
    let small = || String::from("the memory is too small");
    let last = region.len().checked_sub(8).ok_or_else(small)?;
    let nonce = region.load_u64(NONCE).ok_or_else(small)?;
    let far = region.load_u64(last).ok_or_else(small)?;
    region.store_u64(last, far.rotate_left(1)).ok_or_else(small)?;
    region.store_u64(ANSWER, !nonce).ok_or_else(small)?;
    let mut text = format!(
        "device={}\nbytes={}\nmapping={}\nmapping_is_seen={}\n",
        String::from_utf8_lossy(&device.address),
        region.len(),
        device.mapping.name(),
        device.mapping_is_seen,
    );
    let own = device.doorbell.map_or(0, super::Doorbell::own);
    let (began, cpu_before) = (Moment::now(), cpu_ns());
    // From now on a ring is heard.
    region.store_u64(OWN, u64::from(own) + 1).ok_or_else(small)?;
    if let Some(doorbell) = device.doorbell {
        let vectors = doorbell.vectors();
        text += &format!("own={own}\nvectors={vectors}\nregisters_are_mapped={}\n", doorbell.is_mapped());
        let vector = u16::try_from(vectors - 1).unwrap_or(0);
        match doorbell.bell(host, vector).wait(0, until.ns()) {
            Woken::Rung => {}
            Woken::TimedOut => return Err("nobody rang".into()),
            Woken::Failed(number) => return Err(format!("waiting for a ring: error number {number}")),
        }
        text += &format!("slept_ns={}\ncpu_ns={}\n", Moment::now().ns_since(began), cpu_ns() - cpu_before);
    }
    loop {
        let said = region.load_u64(LAST_WORD).ok_or_else(small)?;
        if said == nonce.wrapping_add(1) {
            break;
        }
        if until.has_passed() {
            return Err(format!("the host said {said:#x} last, and {:#x} is due", nonce.wrapping_add(1)));
        }
    }
    if let Some(doorbell) = device.doorbell {
        doorbell.bell(host, 0).ring().map_err(|number| format!("ringing the host: error number {number}"))?;
    }
    Ok(text)
}
