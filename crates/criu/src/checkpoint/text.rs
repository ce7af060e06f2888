//! Arguments and environment, from the memory of a process.

use super::memory::Memory;
use super::pages;
use super::process::Process;
use crate::source::Images;

/// The most bytes of one of them that are read. The kernel allows a quarter of the stack, 2 MiB as a rule.
const TEXT_LIMIT: u64 = 4 << 20;

/// Reads texts that end in zero bytes from a place in memory.
pub(super) fn read(
    images: &dyn Images,
    process: &Process,
    place: impl FnOnce(&Memory) -> (u64, u64),
) -> Result<Vec<String>, String> {
    let memory = process.memory.as_ref().ok_or("the images have no memory of it")?;
    let (start, end) = place(memory);
    let length = end.checked_sub(start).ok_or("the images say that it ends before it begins")?;
    if length > TEXT_LIMIT {
        return Err(format!("it has {length} bytes, and at most {TEXT_LIMIT} are read"));
    }
    let mut bytes = vec![0; length as usize];
    let map = format!("pagemap-{}.img", process.pid);
    pages::read(images, &map, memory.page_bytes, start, &mut bytes)?;
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    if bytes.is_empty() && length <= 1 {
        return Ok(Vec::new());
    }
    Ok(bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}
