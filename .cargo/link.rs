//! The build script: it links the bridge so that little of it has to be in memory.
//!
//! What the compiler has set apart because it hardly ever runs (`config.toml`) is put together. A linker that cannot do
//! that says so, and links.
//!
//! Relocations are packed, where the C library can unpack them. A start reads all relocations of a program, and what it has
//! read counts as its memory: half a megabyte of 24 bytes for each address in its tables, and a few kilobytes when they
//! are packed (`DT_RELR`). glibc knows them since 2.36; an older one would not start such a program, so the machine that
//! builds is asked for its own.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script in its environment what it builds")]

use std::env;
use std::process::Command;

/// The first glibc that unpacks relocations (its release notes, "support for DT_RELR").
const UNPACKS: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=.cargo/link.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    }
    let at_home = env::var("HOST") == env::var("TARGET");
    if at_home && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && glibc() >= Some(UNPACKS) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's glibc; `None` where it cannot be told.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let mut numbers = told.trim().strip_prefix("glibc ")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
