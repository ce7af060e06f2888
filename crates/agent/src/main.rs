//! The agent's program. What is embedded in the lab is built with `--cfg isodyne_freestanding`: no C library, no
//! standard library, one static file. Built otherwise (by a plain `cargo build`, for the compiler's checks) it is an
//! ordinary program around the same library.

#![cfg_attr(isodyne_freestanding, no_std, no_main)]

#[cfg(isodyne_freestanding)]
isodyne_agent::freestanding_program!();

#[cfg(not(isodyne_freestanding))]
fn main() -> std::process::ExitCode {
    use std::ffi::{CStr, CString};
    use std::os::unix::ffi::OsStringExt;

    // Neither arguments nor environment can hold a zero byte: the kernel gave them as C strings.
    let own = |bytes: Vec<u8>| CString::new(bytes).unwrap_or_default();
    let arguments: Vec<CString> = std::env::args_os().map(|argument| own(argument.into_vec())).collect();
    let environment: Vec<CString> =
        std::env::vars_os().map(|(key, value)| own([key.into_vec(), value.into_vec()].join(&b'='))).collect();
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let environment: Vec<&CStr> = environment.iter().map(CString::as_c_str).collect();
    std::process::ExitCode::from(isodyne_agent::run(&arguments, &environment))
}
