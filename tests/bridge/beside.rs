//! Texts that lie beside a checkout, not in it: Konektor's published examples and the senders' vectors, in `../shared`.
//!
//! A test that compares with them is `ignore`d, so that a run without them counts it as skipped and
//! never as passed. `tests/run` includes these tests where the folder is there.

use std::path::{Path, PathBuf};

/// The path of `name` in the folder beside this checkout, or beside the folder of a work tree.
pub(crate) fn beside(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|folder| here.join(folder).join(name));
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no ../shared/{name} beside this checkout to compare with"))
}
