//! Measuring through memory that two parties share: the protocol of both sides, without any system call.
//!
//! One side *asks* (it measures, by its own clock), the other *answers*. Neither trusts the other: what the other side
//! writes is never an index, a length or a bound of a loop without a check, every wait has a deadline, and a peer that
//! writes nonsense, stops or runs backwards is a fault, never a panic and never an endless loop.
//!
//! Who maps the memory and how a side sleeps in a kernel is outside: the crate takes a [`Region`](region::Region), a
//! [`Bell`](wait::Bell) and a [`System`](wait::System). It allocates nothing.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod copy;
pub mod layout;
pub mod region;
pub mod wait;
