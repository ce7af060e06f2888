//! What a program without a C library needs: a first instruction, memory functions, an allocator and a panic handler.
//!
//! [`freestanding_program!`](crate::freestanding_program) puts them into the one program that is built this way; other
//! builds only check them.

mod allocator;
mod memory;

pub use allocator::Allocator;
pub use memory::{compare, copy, copy_overlapping, fill, string_length};

use crate::sys::{file, process};
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Runs the program on the stack as the kernel left it and exits.
///
/// # Safety
/// `stack` must be the stack pointer at the program's first instruction: a count of arguments, that many pointers, a null
/// pointer, the environment's pointers and another null pointer.
pub unsafe fn enter(stack: *const usize) -> ! {
    // SAFETY: the caller vouches for the layout; the strings live as long as the process.
    let (arguments, environment) = unsafe {
        let count = *stack;
        let pointers = stack.add(1).cast::<*const c_char>();
        (strings(pointers), strings(pointers.add(count + 1)))
    };
    process::exit(crate::run(&arguments, &environment))
}

/// # Safety
/// The list must end in a null pointer, and the strings must live as long as the process.
unsafe fn strings(mut list: *const *const c_char) -> Vec<&'static CStr> {
    let mut strings = Vec::new();
    // SAFETY: the caller vouches for the list.
    unsafe {
        while !(*list).is_null() {
            strings.push(CStr::from_ptr(*list));
            list = list.add(1);
        }
    }
    strings
}

/// Says what panicked, and ends the process or the machine.
pub fn panicked(information: &PanicInfo<'_>) -> ! {
    let _ = writeln!(StandardError, "isodyne-agent: {information}");
    crate::init::after_panic()
}

/// Standard error without an allocation.
struct StandardError;

impl Write for StandardError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        file::write_all(2, text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// The items of a freestanding program that must stand in the program itself.
#[macro_export]
macro_rules! freestanding_program {
    () => {
        #[cfg(target_arch = "x86_64")]
        core::arch::global_asm!(
            ".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {enter}", "ud2",
            enter = sym enter
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::global_asm!(
            ".globl _start", "_start:", "mov x29, xzr", "mov x30, xzr", "mov x0, sp", "bl {enter}", "brk #1",
            enter = sym enter
        );

        /// # Safety
        /// Only the first instruction calls it.
        unsafe extern "C" fn enter(stack: *const usize) -> ! {
            // SAFETY: the first instruction hands over the stack pointer that the kernel set.
            unsafe { $crate::freestanding::enter(stack) }
        }

        #[global_allocator]
        static ALLOCATOR: $crate::freestanding::Allocator = $crate::freestanding::Allocator::new();

        #[panic_handler]
        fn panic(information: &core::panic::PanicInfo<'_>) -> ! {
            $crate::freestanding::panicked(information)
        }

        /// The prebuilt `alloc` names it; with panics that abort nothing calls it.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        /// As above.
        #[unsafe(no_mangle)]
        extern "C" fn _Unwind_Resume() -> ! {
            panic!("unwinding in a program that aborts")
        }

        // The compiler calls these by name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
            // SAFETY: the compiler vouches for both ranges.
            unsafe { $crate::freestanding::copy(to, from, count) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
            // SAFETY: the compiler vouches for both ranges.
            unsafe { $crate::freestanding::copy_overlapping(to, from, count) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
            // SAFETY: the compiler vouches for the range.
            unsafe { $crate::freestanding::fill(to, byte as u8, count) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
            // SAFETY: the compiler vouches for both ranges.
            unsafe { $crate::freestanding::compare(one, other, count) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
            // SAFETY: the compiler vouches for both ranges.
            unsafe { $crate::freestanding::compare(one, other, count) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn strlen(string: *const core::ffi::c_char) -> usize {
            // SAFETY: the caller vouches for a string that ends in a zero byte.
            unsafe { $crate::freestanding::string_length(string.cast()) }
        }
    };
}
