//! What a store can be full of, and the room on its disk.

use std::path::Path;

/// Bytes of the disk that `keep` leaves free, so that what is held can still be delivered.
pub(super) const DISK_RESERVE: u64 = 256 << 20;

/// What has no room left: its text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cap {
    /// Webhooks and events that are not delivered.
    #[error(
        "it holds as many undelivered events as it may; see what keeps them (`konektor-bridge stats`), deliver or discard some"
    )]
    Events,
    /// Bytes of the payloads.
    #[error("it holds as many bytes as it may; see what keeps them (`konektor-bridge stats`), deliver or discard some")]
    Bytes,
    /// The disk.
    #[error("its disk has less than {} MiB free; make room there", DISK_RESERVE >> 20)]
    Disk,
    /// Redis.
    #[error("Redis has no memory left; raise its maxmemory, deliver or discard some")]
    Memory,
    /// What is noted of one topic, or of one thing.
    #[error("there are too many notes of this kind, or one is too long")]
    Memos,
}

/// What the disk of `dir` lacks before webhooks are kept there, if it does: for those who look before there is a store.
#[must_use]
pub fn lacks_room(dir: &Path) -> Option<Cap> {
    free_disk(dir).is_some_and(|free| free < DISK_RESERVE).then_some(Cap::Disk)
}

/// Free bytes of the disk; `None` where that cannot be told.
#[cfg(unix)]
pub(super) fn free_disk(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
pub(super) fn free_disk(_dir: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_and_what_to_do() {
        // What the kernel shows as files has no blocks.
        #[cfg(target_os = "linux")]
        assert_eq!(lacks_room(Path::new("/proc")), Some(Cap::Disk));
        assert_eq!(lacks_room(Path::new("/nowhere/at/all")), None, "nobody can tell");
        assert_eq!(Cap::Disk.to_string(), "its disk has less than 256 MiB free; make room there");
    }
}
