//! A table of nftables with one rule: what leaves gets the address of the way out. Spoken to the kernel itself, so that
//! no program is needed, and the table is there or not, as a whole.
//!
//! By the layout of `linux/netfilter/nf_tables.h`; numbers there are big-endian.

use super::Family;
use super::netlink::{Netlink, Request, messages};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

const NEWTABLE: u16 = subsystem(0);
const GETTABLE: u16 = subsystem(1);
const DELTABLE: u16 = subsystem(2);
const NEWCHAIN: u16 = subsystem(3);
const NEWRULE: u16 = subsystem(6);
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const ACK: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const DUMP: u16 = 0x300;
/// Of every family.
const ANY: u8 = 0;
/// The attribute holds others.
const NESTED: u16 = 0x8000;
const CHAIN: &[u8] = b"out\0";
/// Behind a message's header: family, version, and a number of 2 bytes.
const TABLE_ATTRIBUTES: usize = 20;

const fn subsystem(message: u16) -> u16 {
    (10 << 8) | message
}

/// The number of a family.
fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// Adds a table in the namespace of this thread that translates what leaves: all of a family, or what comes from one of
/// its addresses.
pub(super) fn masquerade(table: &str, family: Family, source: Option<IpAddr>) -> io::Result<()> {
    let (table, family) = (name(table)?, number(family));
    let mut new_table = message(NEWTABLE, family, CREATE | ACK);
    new_table.attribute(1, &table);
    let mut chain = message(NEWCHAIN, family, CREATE | ACK);
    chain.attribute(1, &table);
    chain.attribute(3, CHAIN);
    chain.nested(4 | NESTED, |hook| {
        // Behind routing, with the priority of source translation.
        hook.attribute(1, &4_u32.to_be_bytes());
        hook.attribute(2, &100_u32.to_be_bytes());
        Ok(())
    })?;
    chain.attribute(7, b"nat\0");
    let mut rule = message(NEWRULE, family, CREATE | APPEND | ACK);
    rule.attribute(1, &table);
    rule.attribute(2, CHAIN);
    rule.nested(4 | NESTED, |expressions| {
        if let Some(source) = source {
            let (octets, offset) = match source {
                IpAddr::V4(source) => (source.octets().to_vec(), 12),
                IpAddr::V6(source) => (source.octets().to_vec(), 8),
            };
            expression(expressions, b"payload\0", |data| {
                // Into register 1, of the network header, so many bytes from there on: the source address.
                for (kind, number) in [(1, 1_u32), (2, 1), (3, offset), (4, octets.len() as u32)] {
                    data.attribute(kind, &number.to_be_bytes());
                }
                Ok(())
            })?;
            expression(expressions, b"cmp\0", |data| {
                // Register 1 is equal to.
                data.attribute(1, &1_u32.to_be_bytes());
                data.attribute(2, &0_u32.to_be_bytes());
                data.nested(3 | NESTED, |value| {
                    value.attribute(1, &octets);
                    Ok(())
                })
            })?;
        }
        expression(expressions, b"masq\0", |_| Ok(()))
    })?;
    batch(vec![new_table, chain, rule])
}

/// Removes the tables of this name, of both families, with everything in them; being gone already is success.
pub(super) fn remove(table: &str) -> io::Result<()> {
    let table = name(table)?;
    for family in [Family::V4, Family::V6] {
        let mut request = message(DELTABLE, number(family), ACK);
        request.attribute(1, &table);
        match batch(vec![request]) {
            // A kernel without tables of a family has none to remove.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            other => other?,
        }
    }
    Ok(())
}

/// The tables in the namespace of this thread whose names begin with `prefix`: each name once, whatever its families.
pub(super) fn list(prefix: &str) -> io::Result<Vec<String>> {
    let answers = Netlink::netfilter()?.dump(message(GETTABLE, ANY, DUMP))?;
    let names = messages(&answers).filter(|(kind, _)| *kind == NEWTABLE).filter_map(|(_, message)| {
        // The name is the first attribute: 4 bytes of length and kind, the text and a zero byte.
        let text = message.get(TABLE_ATTRIBUTES + 4..)?.split(|byte| *byte == 0).next()?;
        String::from_utf8(text.to_vec()).ok()
    });
    let names: BTreeSet<String> = names.filter(|name| name.starts_with(prefix)).collect();
    Ok(names.into_iter().collect())
}

fn name(text: &str) -> io::Result<Vec<u8>> {
    if text.is_empty() || text.len() > 200 || text.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{text}` is no name of a table")));
    }
    Ok([text.as_bytes(), &[0]].concat())
}

fn message(kind: u16, family: u8, flags: u16) -> Request {
    let mut request = Request::with_flags(kind, flags);
    request.push(&[family, 0, 0, 0]);
    request
}

fn expression(list: &mut Request, name: &[u8], data: impl FnOnce(&mut Request) -> io::Result<()>) -> io::Result<()> {
    list.nested(1 | NESTED, |element| {
        element.attribute(1, name);
        element.nested(2 | NESTED, data)
    })
}

/// Sends changes that are made together or not at all.
fn batch(changes: Vec<Request>) -> io::Result<()> {
    let end = |kind: u16| {
        let mut request = Request::with_flags(kind, 0);
        // No family; the number of the subsystem.
        request.push(&[0, 0, 0, 10]);
        request
    };
    let all = std::iter::once(end(BATCH_BEGIN)).chain(changes).chain([end(BATCH_END)]);
    Netlink::netfilter()?.ask_together(all.collect())
}
