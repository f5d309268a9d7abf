//! Several replicas on one Redis.

mod link;

pub use link::RedisTies;
