//! What a script is given.

use bytes::Bytes;
use redis::{RedisWrite, ToRedisArgs};

/// An argument of a script.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store::redis) enum Arg {
    /// A number; Lua reads it with `tonumber`.
    Int(i64),
    /// Anything else.
    Bytes(Bytes),
}

impl std::fmt::Debug for Arg {
    /// Shows sizes only: there are leads in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl ToRedisArgs for Arg {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        match self {
            Self::Int(number) => number.write_redis_args(out),
            Self::Bytes(bytes) => out.write_arg(bytes),
        }
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<Bytes> for Arg {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Arg {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for Arg {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_sent_as_it_is_and_printed_as_its_size() {
        let args = [Arg::from(-7_i64), Arg::from("Siti"), Arg::from(&[0xff, 0][..])];
        assert_eq!((&args).to_redis_args(), [b"-7".to_vec(), b"Siti".to_vec(), vec![0xff, 0]]);
        assert_eq!(format!("{args:?}"), "[-7, 4 bytes, 2 bytes]");
    }
}
