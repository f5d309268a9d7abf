//! Several replicas on one Redis.

mod link;

pub use link::{OnTime, RedisTies, Remark, Weight, examine};
