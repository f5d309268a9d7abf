//! How a body is sent: as it is, or compressed.

use bytes::Bytes;

use super::Headers;

/// What the headers of a request say of its body (RFC 9110, section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// It is as it is.
    Plain,
    /// By gzip, once.
    Gzip,
    /// By something else, or by several.
    Other,
}

impl Coding {
    /// Reads `headers`.
    pub(super) fn of(headers: &Headers) -> Self {
        let values = headers.values("content-encoding");
        let mut codings = values.filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Plain,
            // `x-gzip` is the same (RFC 9110, section 8.4.1.3).
            (Some(one), None) if ["gzip", "x-gzip"].iter().any(|name| one.eq_ignore_ascii_case(name)) => Self::Gzip,
            (Some(_), _) => Self::Other,
        }
    }
}

/// A compressed body.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The bytes that came: they are what was signed.
    pub sent: Bytes,
    /// It cannot be unpacked: the body is what came.
    pub is_broken: bool,
}

impl Packed {
    /// How gzip begins (RFC 1952, section 2.3.1). What begins otherwise was unpacked by somebody on its way, who left the header.
    pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

    /// What came as `sent`, and what is in it, if it can be unpacked; with the body that this makes.
    #[must_use]
    pub fn of(sent: Bytes, unpacked: Option<Bytes>) -> (Self, Bytes) {
        let packed = Self { sent: sent.clone(), is_broken: unpacked.is_none() };
        (packed, unpacked.unwrap_or(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gzip_is_known_and_nothing_else() {
        let of = |values: &[&str]| Coding::of(&values.iter().map(|value| ("content-encoding", value)).collect());
        for plain in [&[][..], &[""], &["identity"], &["Identity ", ""]] {
            assert_eq!(of(plain), Coding::Plain, "{plain:?}");
        }
        for gzip in [&["gzip"][..], &["GZip"], &["x-gzip"], &["identity", " gzip"]] {
            assert_eq!(of(gzip), Coding::Gzip, "{gzip:?}");
        }
        for other in [&["br"][..], &["deflate"], &["gzip, gzip"], &["gzip", "gzip"], &["identity, gzip"]] {
            assert_eq!(of(other), Coding::Other, "{other:?}");
        }
    }
}
