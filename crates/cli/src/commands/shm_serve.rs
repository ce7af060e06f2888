//! `isodyne shm serve`: memory and interrupts for machines that run already, by QEMU's protocol.

use crate::arguments::ShmServeOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_engine::backend::qemu::ivshmem::{Report, SealedMemory, Server, ServerOptions, VECTORS_MOST, is_size};
use isodyne_engine::schedule::Interrupt;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const SCHEMA: &str = "isodyne-shm-serve";
const VERSION: u32 = 1;
/// How often is looked whether somebody has come or gone, to say so. The server itself does not wait for this.
const LOOK: Duration = Duration::from_millis(200);

/// Serves until it is told to end, and says what has happened.
pub fn serve(options: &ShmServeOptions, output: &Output) -> Result<Exit, Trouble> {
    if !is_size(options.size) {
        let message = format!("--size {} B is no size for the device's memory", options.size);
        return Err(Trouble::usage(message, "give a power of two, 4KiB to 64GiB"));
    }
    if !(1..=VECTORS_MOST).contains(&options.vectors) || !(1..=1024).contains(&options.peers) {
        let hint = format!("give 1 to {VECTORS_MOST} vectors and 1 to 1024 peers");
        return Err(Trouble::usage("--vectors or --peers is out of bounds", hint));
    }
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    let memory = Arc::new(SealedMemory::new(options.size).map_err(Trouble::unexpected)?);
    let wished = ServerOptions {
        vectors: options.vectors,
        peers_most: usize::from(options.peers),
        socket: Some(options.socket.clone()),
        ..ServerOptions::default()
    };
    let server = Server::start(memory, wished).map_err(Trouble::unexpected)?;
    output.say(&format!(
        "serving {}; a machine joins by `-chardev socket,id=shm,path={} -device ivshmem-doorbell,chardev=shm,vectors={}`",
        options.socket.display(),
        options.socket.display(),
        options.vectors,
    ));
    let mut known = BTreeSet::new();
    while !interrupt.is_asked() {
        std::thread::park_timeout(LOOK);
        let now: BTreeSet<u16> = server.report().connected.into_iter().collect();
        now.difference(&known).for_each(|peer| output.say(&format!("peer {peer} has come")));
        known.difference(&now).for_each(|peer| output.say(&format!("peer {peer} has gone")));
        known = now;
    }
    let report = server.report();
    drop(server);
    show(&report, options.json, output)
}

fn show(report: &Report, as_json: bool, output: &Output) -> Result<Exit, Trouble> {
    let Report { joined, left, put_out_count, refused, shortages, .. } = *report;
    let put_out = report.put_out.iter();
    if as_json {
        let put_out: Vec<_> =
            put_out.map(|(peer, reason)| json!({ "peer": peer, "reason": reason.to_string() })).collect();
        return output.json(&json!({
            "schema": SCHEMA, "version": VERSION, "joined": joined, "left": left, "put_out_count": put_out_count,
            "put_out": put_out, "refused": refused, "shortages": shortages,
        }));
    }
    let mut text =
        format!("{joined} peers came, {left} went, {put_out_count} were put out, {refused} found no place\n");
    text.extend(put_out.map(|(peer, reason)| format!("  peer {peer} was put out: {reason}\n")));
    output.data(&text)
}
