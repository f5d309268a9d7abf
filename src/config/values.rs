//! Readers of single values. Each error says what is allowed and never repeats a secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use crate::loopback::is_this_machine;

/// Reads a number of bytes: `4MiB`, `512KiB`, `1048576`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return Err("is not a size; write it as 4MiB, 512KiB or a number of bytes".into()),
    };
    let number = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "is not a size; write it as 4MiB, 512KiB or a number of bytes".into())
}

/// Reads a time span: `20s`, `500ms`, `1m 30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "is not a time span; write it as 20s, 500ms or 2m".into())
}

/// Reads an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "is not an address; write it as 0.0.0.0:8080, 127.0.0.1:8081 or [::]:8080 (numbers, no names)".into()
    })
}

/// Reads networks separated by commas or spaces; a bare address is a network of one.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| {
            let network = part.parse::<IpNet>().ok().or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| format!("`{part}` is not a network; write them as 10.0.0.0/8,192.168.1.7,fd00::/8"))
        })
        .collect()
}

/// Reads the address of an API that gets our secrets: https, or http for this machine, or http anywhere if `insecure`.
pub(super) fn upstream(text: &str, insecure: bool) -> Result<Url, String> {
    let url = web_address(text)?;
    if url.scheme() == "https" || insecure || is_this_machine(&url) {
        return Ok(url);
    }
    Err("is http, so that keys would travel in the clear; use https (BRIDGE_ALLOW_INSECURE_UPSTREAM=true lets it)"
        .into())
}

/// Reads an address of the web without user, query and fragment.
pub(super) fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); write it as https://example.com"))?;
    let plain = url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "http" | "https" if plain && nobody => Ok(url),
        "http" | "https" => Err("has a user, query or fragment; give only https://host/path".into()),
        _ => Err("is neither http nor https".into()),
    }
}

/// Reads a region for phone numbers: two capital letters. Whether there is such a region is the domain's to say.
pub(super) fn region(text: &str) -> Result<String, String> {
    let letters = text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_uppercase());
    if letters { Ok(text.to_owned()) } else { Err("is not a region; write it as ID, MY or SG".into()) }
}

/// Reads what keys in Redis begin with. It stands between braces, and `:` separates.
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    if good { Ok(text.to_owned()) } else { Err("is not 1 to 64 letters, digits, `-`, `_` and `.`".into()) }
}

/// Reads a filter of log lines: a level, and others for parts of the program. A part without a level is a level misspelt.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_level = |part: &&str| part.parse::<LevelFilter>().is_ok();
    let filter = parts.join(",");
    let good = !parts.is_empty() && parts.iter().all(|part| part.contains('=') || is_level(part));
    match filter.parse::<Targets>() {
        Ok(_) if good => Ok(filter),
        _ => Err("is not a log filter; write it as info or warn,konektor_bridge=debug".into()),
    }
}

/// Reads `true` or `false`.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "is neither true nor false".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes("4MiB"), Ok(4 * 1024 * 1024));
        assert_eq!(bytes("512 KiB"), Ok(512 * 1024));
        assert_eq!(bytes("1048576"), Ok(1_048_576));
        for bad in ["", "MiB", "4MB", "-1", "4 mib", "99999999999999999999", "18446744073709551615KiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn time_spans_have_units_and_do_not_go_back() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(["", "20", "-5s", "soon"].iter().all(|bad| duration(bad).is_err()));
    }

    #[test]
    fn filters_of_log_lines_are_levels() {
        for good in ["info", "OFF", "warn,konektor_bridge=debug", "konektor_bridge::store=trace"] {
            assert_eq!(log_filter(good), Ok(good.to_owned()));
        }
        assert_eq!(log_filter(" info, hyper=warn, "), Ok("info,hyper=warn".to_owned()));
        for bad in ["", "inof", "info,konektor_bridge", "info;debug", "a=b=c", "konektor_bridge=loud"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        let read = networks("10.0.0.0/8, 192.168.1.7 ::1").unwrap();
        assert_eq!(
            read.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "192.168.1.7/32", "::1/128"]
        );
        assert!(networks("10.0.0.0/8,proxy").unwrap_err().contains("`proxy`"));
    }

    #[test]
    fn keys_do_not_travel_in_the_clear_unless_asked_to() {
        for good in ["https://konektor.id", "http://127.0.0.1:9", "http://[::1]:9/x", "http://localhost:9"] {
            assert!(upstream(good, false).is_ok(), "{good}");
        }
        for bad in ["http://konektor.id", "http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.nip.io"]
        {
            assert!(upstream(bad, false).is_err() && upstream(bad, true).is_ok(), "{bad}");
        }
        for worse in ["konektor.id", "ftp://konektor.id", "https://me:secret@konektor.id", "https://konektor.id/?a=b"] {
            assert!(upstream(worse, true).is_err(), "{worse}");
        }
    }

    #[test]
    fn a_region_is_two_capital_letters() {
        assert_eq!(region("ID").as_deref(), Ok("ID"));
        assert!(["id", "IDN", "I1", "", "001"].iter().all(|bad| region(bad).is_err()));
    }

    #[test]
    fn a_prefix_of_keys_has_no_braces_and_colons() {
        assert_eq!(key_prefix("shop-1.id").as_deref(), Ok("shop-1.id"));
        assert!(["", "a:b", "{a}", "a b", &"a".repeat(65)].iter().all(|bad| key_prefix(bad).is_err()));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in ".{0,40}") {
            let _ = (bytes(&text), duration(&text), address(&text), networks(&text), upstream(&text, true), region(&text));
        }
    }
}
