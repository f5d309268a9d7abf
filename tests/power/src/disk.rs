//! SQLite's VFS with a copy of what was synced.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use rusqlite::ffi;

/// A directory, where its synced bytes go, and what came of its syncs.
struct Disk {
    live: PathBuf,
    synced: PathBuf,
    syncs: u32,
    lies: bool,
}

static DISKS: Mutex<Vec<Disk>> = Mutex::new(Vec::new());
/// The open files, by their address.
static FILES: Mutex<Option<HashMap<usize, PathBuf>>> = Mutex::new(None);
/// Our method tables, by the address of those that they stand for; never freed, as SQLite's own are not.
static METHODS: Mutex<Option<HashMap<usize, &'static Methods>>> = Mutex::new(None);
static REGISTER: Once = Once::new();

/// A method table of ours, and the sync that it stands before.
#[repr(C)]
struct Methods {
    ours: ffi::sqlite3_io_methods,
    sync: unsafe extern "C" fn(*mut ffi::sqlite3_file, c_int) -> c_int,
}

// SAFETY: the tables hold addresses of functions only, and are never changed.
unsafe impl Send for Methods {}
// SAFETY: as above.
unsafe impl Sync for Methods {}

/// From now on what is synced in `live` is copied to `synced`.
pub(crate) fn watch(live: &Path, synced: &Path) {
    REGISTER.call_once(register);
    let disk = Disk { live: live.to_owned(), synced: synced.to_owned(), syncs: 0, lies: false };
    disks(|disks| disks.push(disk));
}

/// From now on a sync in `live` does nothing and says that it has.
pub(crate) fn lie(live: &Path) {
    disks(|disks| disks.iter_mut().find(|disk| disk.live == live).expect("it is watched").lies = true);
}

/// How often something in `live` was synced.
pub(crate) fn syncs(live: &Path) -> u32 {
    disks(|disks| disks.iter().find(|disk| disk.live == live).expect("it is watched").syncs)
}

fn disks<T>(look: impl FnOnce(&mut Vec<Disk>) -> T) -> T {
    look(&mut DISKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The file at this address, if it is one that is watched.
fn path_of(file: usize) -> Option<PathBuf> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(&file).cloned()
}

/// Makes ours the default VFS: it is the usual one, but for opening.
fn register() {
    // SAFETY: SQLite is initialised by the call; the usual VFS lives as long as the process, and so does our copy of it.
    unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        let usual = ffi::sqlite3_vfs_find(std::ptr::null());
        let ours =
            ffi::sqlite3_vfs { zName: c"power".as_ptr(), pNext: std::ptr::null_mut(), xOpen: Some(open), ..*usual };
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1), ffi::SQLITE_OK);
    }
}

/// Opens as usual, and puts our methods in place.
unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the arguments are SQLite's own and are handed on to the VFS they are for; `name` is a C string or null.
    unsafe {
        let usual = ffi::sqlite3_vfs_find(c"unix".as_ptr());
        let open = (*usual).xOpen.expect("the usual VFS opens files");
        let opened = open(usual, name, file, flags, out);
        if opened == ffi::SQLITE_OK && !name.is_null() {
            let path = PathBuf::from(CStr::from_ptr(name).to_str().expect("the tests' paths are UTF-8"));
            let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
            files.get_or_insert_default().insert(file as usize, path);
            (*file).pMethods = &raw const methods((*file).pMethods).ours;
        }
        opened
    }
}

/// Our table for one of SQLite's.
///
/// # Safety
/// `usual` is a method table that lives as long as the process.
unsafe fn methods(usual: *const ffi::sqlite3_io_methods) -> &'static Methods {
    let mut methods = METHODS.lock().unwrap_or_else(PoisonError::into_inner);
    methods.get_or_insert_default().entry(usual as usize).or_insert_with(|| {
        // SAFETY: the caller says so.
        let usual = unsafe { *usual };
        let ours = ffi::sqlite3_io_methods { xSync: Some(sync), ..usual };
        Box::leak(Box::new(Methods { ours, sync: usual.xSync.expect("files can be synced") }))
    })
}

/// Syncs, and then copies what is synced.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some(path) = path_of(file as usize) else { return ffi::SQLITE_IOERR };
    let live = path.parent().map(Path::to_owned).unwrap_or_default();
    let watched = disks(|disks| {
        let disk = disks.iter_mut().find(|disk| disk.live == live)?;
        disk.syncs += 1;
        Some((disk.synced.clone(), disk.lies))
    });
    if let Some((_, true)) = watched {
        return ffi::SQLITE_OK;
    }
    // SAFETY: the file's methods are ours, of which the first field is the table; its sync is that of the usual VFS.
    let synced = unsafe { ((*(*file).pMethods.cast::<Methods>()).sync)(file, flags) };
    if let (ffi::SQLITE_OK, Some((to, _)), Some(name)) = (synced, watched, path.file_name()) {
        let is_new = !to.join(name).exists();
        std::fs::copy(&path, to.join(name)).expect("what was synced can be copied");
        if is_new {
            forget_deleted(&live, &to);
        }
    }
    synced
}

/// With a new file SQLite syncs its directory, too (`unixSync`), and only then what was deleted there stays deleted.
fn forget_deleted(live: &Path, synced: &Path) {
    for file in std::fs::read_dir(synced).expect("it can be listed") {
        let name = file.expect("it can be listed").file_name();
        if !live.join(&name).exists() {
            std::fs::remove_file(synced.join(name)).expect("it can be removed");
        }
    }
}
