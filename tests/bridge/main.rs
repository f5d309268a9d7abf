//! The black-box tests of the bridge, in one binary.

mod store;
