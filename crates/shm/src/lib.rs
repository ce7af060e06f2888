//! Measuring through memory that two parties share: the protocol of both sides, without any system call.
//!
//! One side *asks* (it measures, by its own clock), the other *answers*. Neither trusts the other: what the other side
//! writes is never an index, a length or a bound of a loop without a check, every wait has a deadline, and a peer that
//! writes nonsense, stops or runs backwards is a [`Fault`](fault::Fault), never a panic and never an endless loop.
//!
//! Who maps the memory and how a side sleeps in a kernel is outside: the crate takes a [`Region`](region::Region), a
//! [`Bell`](wait::Bell) and a [`System`](wait::System). It allocates nothing.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod check;
pub mod copy;
pub mod fault;
pub mod frames;
pub mod layout;
pub mod lie;
pub mod peer;
pub mod ping_pong;
pub mod region;
pub mod session;
pub mod sha256;
pub mod task;
pub mod two_phase;
pub mod wait;
pub mod way;

#[cfg(test)]
mod tests;
