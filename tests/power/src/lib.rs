//! What is left of the embedded store when the power goes: the bytes that SQLite had synced, and nothing else.
//!
//! A crate of its own, because the bridge has no unsafe code and this has: it stands between SQLite and the disk as its
//! default VFS, and at each `xSync` copies the file that was synced to a second directory. That directory is what an honest
//! disk holds if the power goes at this moment. So a verb that returned with its bytes written, but not synced, is seen as
//! lost, which no copy of the live files and no `kill -9` shows.
//!
//! It proves that every byte of what was acknowledged was handed to `xSync` before the answer. It takes on trust that
//! SQLite's own `xSync` syncs, that the disk does what it is told, and that a file that was never synced may be gone.

#[cfg(test)]
mod disk;
#[cfg(test)]
mod tests;
