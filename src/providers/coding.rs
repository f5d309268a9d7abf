//! How a body is sent: as it is, or compressed.

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
