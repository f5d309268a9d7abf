//! A small disk that can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// Its size in MiB: more than what the bridge leaves free for delivering what it has taken (256 MiB), so that it takes
/// webhooks at all.
const SIZE: u64 = 384;
/// What is left when the disk is short: below that reserve, with room to deliver.
const SHORT: u64 = 64 << 20;
const MIB: usize = 1 << 20;

/// A tmpfs of its own; it is unmounted when this goes out of scope.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one at `at`; `None` where that is not allowed.
    pub fn mount(at: &Path) -> Result<Option<Self>> {
        fs::create_dir(at)?;
        let size = format!("size={SIZE}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => {
                let disk = Self { at: at.to_owned() };
                fs::create_dir(disk.room())?;
                Ok(Some(disk))
            }
            Ok(_) | Err(_) => {
                eprintln!("a full disk is NOT tried: mounting a tmpfs is not allowed here (it takes root)");
                Ok(None)
            }
        }
    }

    /// A directory on it.
    pub fn room(&self) -> PathBuf {
        self.at.join("data")
    }

    /// Takes all that is left.
    pub fn fill(&self) -> Result<()> {
        let (mut ballast, zeros) = (File::create(self.ballast())?, vec![0_u8; MIB]);
        loop {
            match ballast.write(&zeros) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives so much back that the disk is short, but not full.
    pub fn ease(&self) -> Result<()> {
        let ballast = File::options().write(true).open(self.ballast())?;
        let size = ballast.metadata()?.len();
        ensure!(size > SHORT, "the disk was as good as full by itself");
        ballast.set_len(size - SHORT)?;
        Ok(())
    }

    /// Gives everything back.
    pub fn clear(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have a file open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
