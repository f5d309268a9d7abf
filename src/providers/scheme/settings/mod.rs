//! What the configuration may say of a scheme, and what is refused at the start.

mod raw;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use self::raw::{
    KeyEncoding, RawJwt, RawKey, RawList, RawLocation, RawMac, RawPublic, RawSignature, RawTime, RawToken, RawUrl,
};
use super::Kind;
use super::address::{Address, Variant};
use super::base::{Piece, Template};
use super::jwt::{self, Jwt};
use super::mac::{Algorithm, Key, Keyed, Mac, Signature, Time};
use super::token::{Location, Token};
use crate::providers::{Place, Secrets, SettingsError, settings};

/// The shortest secret that signs, unless `min_length` says otherwise: shorter ones can be guessed from one signed webhook.
const SHORTEST_KEY: usize = 16;

/// The shortest secret that is itself the proof, unless `min_length` says otherwise.
const SHORTEST_TOKEN: usize = 24;

/// The longest `tolerance_s`.
const MAX_TOLERANCE_S: u64 = 3600;

/// Reads one scheme, or a list that must all hold.
pub(super) fn read(value: Value, place: &Place) -> Result<Kind, SettingsError> {
    match value {
        Value::Array(all) => list(all, place).map(Kind::All),
        Value::Table(table) => one(table, place),
        _ => Err(wrong("", "write a table with a `kind`, or a list of them")),
    }
}

fn one(mut table: Table, place: &Place) -> Result<Kind, SettingsError> {
    let kind = table.remove("kind");
    match kind.as_ref().and_then(Value::as_str) {
        Some("hmac") => mac(keys_of(table)?, place).map(|mac| Kind::Mac(Box::new(mac))),
        Some("jwt") => jwt(keys_of(table)?, place).map(|jwt| Kind::Jwt(Box::new(jwt))),
        Some("token") => token(keys_of(table)?).map(Kind::Token),
        Some("all") => list(keys_of::<RawList>(table)?.of, place).map(Kind::All),
        Some("any") => alternatives(keys_of::<RawList>(table)?.of, place),
        Some("none") if keys_of::<RawPublic>(table)?.i_know_this_is_public => Ok(Kind::Public),
        Some("none") => Err(wrong(
            ".kind",
            "`none` lets anybody send leads; if that is meant, write `i_know_this_is_public = true` beside it",
        )),
        Some("captcha") => {
            Err(wrong(".kind", "a captcha belongs to a form: use the provider `form` and its setting `captcha`"))
        }
        _ => Err(wrong(".kind", "write one of hmac, jwt, token, all, any, none")),
    }
}

fn list(values: Vec<Value>, place: &Place) -> Result<Vec<Kind>, SettingsError> {
    if values.is_empty() {
        return Err(wrong("", "the list is empty, which would let everybody in; write at least one scheme"));
    }
    values.into_iter().map(|value| read(value, place)).collect()
}

/// Of alternatives those count that have their secrets. One that has them and lacks the address that it signs would be refused
/// without a word, so none is on before it is there.
fn alternatives(values: Vec<Value>, place: &Place) -> Result<Kind, SettingsError> {
    let (mut kinds, mut missing) = (Vec::new(), None);
    for value in values {
        match read(value, place) {
            Ok(kind) => kinds.push(kind),
            Err(incomplete @ SettingsError::Incomplete(_)) => missing = missing.or(Some(incomplete)),
            Err(wrong @ (SettingsError::NoAddress | SettingsError::Invalid(_))) => return Err(wrong),
        }
    }
    match missing {
        _ if !kinds.is_empty() => Ok(Kind::Any(kinds)),
        Some(incomplete) => Err(incomplete),
        None => Err(wrong(".of", "the list is empty; write at least one scheme")),
    }
}

fn mac(raw: RawMac, place: &Place) -> Result<Mac, SettingsError> {
    let base = template("base", &raw.base)?;
    let equal = raw
        .require_equal
        .iter()
        .map(|[one, other]| Ok([template("require_equal", one)?, template("require_equal", other)?]));
    let equal: Vec<_> = equal.collect::<Result<_, _>>()?;
    covers_body(&base, &equal, raw.signs_only_named_fields)?;
    match (raw.keyed, base.has(&Piece::Secret)) {
        (Keyed::Hmac, false) | (Keyed::Digest, true) => {}
        (Keyed::Hmac, true) => return Err(wrong(".base", "`{secret}` belongs there only with `keyed = \"digest\"`")),
        (Keyed::Digest, false) => {
            return Err(wrong(".base", "with `keyed = \"digest\"` it has to hold `{secret}`: nothing else is secret"));
        }
    }
    let time = time(raw.timestamp, &base, raw.signature.field.is_some())?;
    let templates = || equal.iter().flatten().chain([&base]);
    let shortest = raw.min_length.unwrap_or(SHORTEST_KEY);
    let secrets = secrets(raw.secrets, shortest)?;
    let address = address(raw.url, templates().any(Template::needs_url), place)?;
    let keys = secrets.iter().map(|secret| key(secret, &raw.key, raw.algorithm, shortest)).collect::<Result<_, _>>()?;
    let signature = signature(raw.signature)?;
    Ok(Mac {
        algorithm: raw.algorithm,
        keyed: raw.keyed,
        encoding: raw.encoding,
        base,
        keys,
        signature,
        time,
        address,
        equal,
    })
}

/// Refuses a base string that leaves the body free, unless the owner says so or something else ties it.
fn covers_body(base: &Template, equal: &[[Template; 2]], named_only: bool) -> Result<(), SettingsError> {
    let tied = base.needs_url() && equal.iter().flatten().any(Template::covers_body);
    let named = named_only && base.pieces().any(|piece| matches!(piece, Piece::Json(_)));
    if base.covers_body() || tied || named {
        return Ok(());
    }
    Err(wrong(
        ".base",
        "the body is not in it, so anybody who has seen one webhook could change it; add `{body}`, or compare a hash of it \
         in the signed URL by `require_equal`, or name fields as `{json:…}` and write `signs_only_named_fields = true`",
    ))
}

fn time(raw: Option<RawTime>, base: &Template, has_field: bool) -> Result<Option<Time>, SettingsError> {
    let signed = base.has(&Piece::Timestamp);
    let Some(raw) = raw else {
        let problem = "`{timestamp}` is in `base`; write `timestamp = { header = \"…\", unit = \"s\" }`";
        return if signed { Err(wrong(".timestamp", problem)) } else { Ok(None) };
    };
    if !signed {
        return Err(wrong(".timestamp", "it is not signed; add `{timestamp}` to `base`, or leave the time out"));
    }
    let unit = raw.unit.ok_or_else(|| wrong(".timestamp.unit", "write \"s\" or \"ms\"; it is never guessed"))?;
    let tolerance_s = raw.tolerance_s.unwrap_or(300);
    if !(1..=MAX_TOLERANCE_S).contains(&tolerance_s) {
        return Err(wrong(".timestamp.tolerance_s", "write 1 to 3600"));
    }
    let header = raw.header.map(|name| name.to_ascii_lowercase());
    match (header, raw.sig_field) {
        (Some(header), None) => Ok(Some(Time { header: Some(header), field: None, unit, tolerance_s })),
        (None, Some(field)) if has_field => Ok(Some(Time { header: None, field: Some(field), unit, tolerance_s })),
        (None, Some(_)) => {
            Err(wrong(".timestamp.sig_field", "then `signature.field` has to name the signature's own field"))
        }
        (Some(_), Some(_)) | (None, None) => Err(wrong(".timestamp", "write either `header` or `sig_field`")),
    }
}

fn signature(raw: RawSignature) -> Result<Signature, SettingsError> {
    let separators = [("item_sep", &raw.item_sep), ("kv_sep", &raw.kv_sep)];
    if let Some((name, _)) = separators.iter().find(|(_, text)| text.as_deref() == Some("")) {
        return Err(wrong(&format!(".signature.{name}"), "it is empty"));
    }
    if raw.header.trim().is_empty() {
        return Err(wrong(".signature.header", "name the header that holds the signature"));
    }
    let list = raw.field.is_some().then(|| ",".to_owned());
    Ok(Signature {
        header: raw.header.trim().to_ascii_lowercase(),
        prefix: raw.prefix,
        item_sep: raw.item_sep.or(list),
        kv_sep: raw.kv_sep.unwrap_or_else(|| "=".to_owned()),
        field: raw.field,
    })
}

fn jwt(raw: RawJwt, place: &Place) -> Result<Jwt, SettingsError> {
    let claims = raw.claims_equal.into_iter().map(|(name, claim)| {
        let equals = template(&format!("claims_equal.{name}"), &claim.equals)?;
        Ok(jwt::Claim { name, equals, absent_when_body_empty: claim.absent_when_body_empty })
    });
    let claims: Vec<_> = claims.collect::<Result<_, _>>()?;
    let header = match (raw.location, raw.header) {
        (jwt::Location::Header, Some(header)) => header.trim().to_ascii_lowercase(),
        (jwt::Location::Header, None) => return Err(wrong(".header", "name the header that holds the token")),
        (jwt::Location::Body, None) => String::new(),
        (jwt::Location::Body, Some(_)) => return Err(wrong(".header", "the token is the body; leave it out")),
    };
    if raw.iat_max_age_s.is_some_and(|age| age > MAX_TOLERANCE_S) || raw.leeway_s > MAX_TOLERANCE_S {
        return Err(wrong(".iat_max_age_s", "it and `leeway_s` are at most 3600"));
    }
    let family = jwt::family(&raw.algs).ok_or_else(|| {
        wrong(".algs", "write HS256, HS384 and HS512 as the sender uses them, or RS256 alone; never both kinds")
    })?;
    let shortest = match family {
        jwt::Family::Shared => raw.min_length.unwrap_or(SHORTEST_KEY),
        jwt::Family::Public => 0,
    };
    let secrets = secrets(raw.secrets, shortest)?;
    let address = address(raw.url, claims.iter().any(|claim| claim.equals.needs_url()), place)?;
    let keys = secrets.iter().map(|secret| jwt::Key::read(family, secret)).collect::<Option<_>>();
    Ok(Jwt {
        location: raw.location,
        header,
        bearer: raw.bearer,
        validation: jwt::validation(&raw.algs),
        keys: keys
            .ok_or_else(|| wrong(".secrets", "RS256 needs the sender's public key, from -----BEGIN PUBLIC KEY-----"))?,
        iss: raw.iss,
        leeway_s: raw.leeway_s,
        iat_max_age_s: raw.iat_max_age_s,
        require_claims: raw.require_claims,
        claims,
        event_claim: raw.event_claim,
        address,
    })
}

fn token(raw: RawToken) -> Result<Token, SettingsError> {
    let secrets = secrets(raw.secrets, raw.min_length.unwrap_or(SHORTEST_TOKEN))?;
    let word: &str = raw.location.into();
    let unnamed = |location| match raw.name {
        None => Ok(location),
        Some(_) => Err(wrong(".name", &format!("`{word}` has no name; leave it out"))),
    };
    let name = || raw.name.clone().filter(|name| !name.trim().is_empty());
    let name = || name().ok_or_else(|| wrong(".name", &format!("name what holds the token in the {word}")));
    let location = match raw.location {
        RawLocation::Header => Location::Header(name()?.trim().to_ascii_lowercase()),
        RawLocation::Query => Location::Query(name()?),
        RawLocation::Json => Location::Json(name()?.split('.').map(str::to_owned).collect()),
        RawLocation::Bearer => unnamed(Location::Bearer)?,
        RawLocation::Basic => unnamed(Location::Basic)?,
        RawLocation::Path => unnamed(Location::Path)?,
    };
    if matches!(location, Location::Basic) && secrets.iter().any(|secret| !secret.contains(':')) {
        return Err(wrong(".secrets", "for `basic` write user:password"));
    }
    Ok(Token { location, secrets })
}

fn address(raw: Option<RawUrl>, needed: bool, place: &Place) -> Result<Option<Address>, SettingsError> {
    if !needed {
        return match raw {
            None => Ok(None),
            Some(_) => Err(wrong(".url", "nothing that is signed holds the URL; leave it out")),
        };
    }
    let raw = raw.unwrap_or_default();
    let base = raw.base.or_else(|| place.public_url.clone()).ok_or(SettingsError::NoAddress)?;
    if !(base.starts_with("https://") || base.starts_with("http://")) {
        return Err(wrong(".url.base", "write where the sender reaches the bridge, with https:// and without /hooks"));
    }
    let variants = raw.variants.unwrap_or_else(|| vec![Variant::Exact]);
    if variants.is_empty() {
        return Err(wrong(".url.variants", "write at least one of exact, no_port, default_port, whatwg"));
    }
    Ok(Some(Address { base: base.trim_end_matches('/').to_owned(), variants }))
}

fn secrets(secrets: Option<Secrets>, shortest: usize) -> Result<Secrets, SettingsError> {
    let secrets = secrets.ok_or_else(|| SettingsError::Incomplete("set `secrets` of its `verify`".to_owned()))?;
    if secrets.iter().any(|secret| secret.trim().len() < shortest) {
        let problem = format!(
            "a secret has fewer than {shortest} characters; make a longer one, or, where the sender makes them so short, \
             write `min_length`"
        );
        return Err(wrong(".secrets", &problem));
    }
    Ok(secrets)
}

/// The key that a secret stands for, which has `shortest` bytes or more: what is written may be longer than what it says.
fn key(secret: &str, raw: &RawKey, algorithm: Algorithm, shortest: usize) -> Result<Key, SettingsError> {
    let text = secret.trim();
    let bare = text.strip_prefix(raw.strip_prefix.as_str()).unwrap_or(text);
    let (bytes, what) = match raw.encoding {
        KeyEncoding::Utf8 => (Some(bare.as_bytes().to_vec()), "text"),
        KeyEncoding::Hex => (hex::decode(bare).ok(), "hexadecimal"),
        KeyEncoding::Base64 => (settings::base64(bare), "base64"),
    };
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(|| wrong(".secrets", &format!("a secret is not {what}, as `key.encoding` says")))?;
    if bytes.len() < shortest {
        return Err(wrong(
            ".secrets",
            &format!(
                "a secret is {what} of fewer than {shortest} bytes; copy it whole, or, where the sender makes them so short, \
                 write `min_length`"
            ),
        ));
    }
    Ok(Key::new(bytes, algorithm))
}

fn template(key: &str, text: &str) -> Result<Template, SettingsError> {
    text.parse().map_err(|error: String| wrong(&format!(".{key}"), &error))
}

fn keys_of<T: DeserializeOwned>(table: Table) -> Result<T, SettingsError> {
    settings::read(table).map_err(|error| wrong("", &error.to_string()))
}

fn wrong(key: &str, problem: &str) -> SettingsError {
    SettingsError::Invalid(format!("verify{key}: {problem}"))
}
