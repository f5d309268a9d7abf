//! How a mapped source proves its webhooks: the scheme of its preset with the source's own secrets, a token in the URL
//! for senders that cannot sign, or both.

use toml::{Table, Value};

use crate::providers::{Place, Scheme, SettingsError};

/// A secret that travels with the webhook.
pub(super) struct Carried {
    /// The secret.
    pub(super) token: Option<Value>,
    /// The places where it may stand; the URL where there are none.
    pub(super) at: Vec<Table>,
}

/// Puts the scheme together. With a `secret` the webhook is proved as `verify` says; with a `token` it comes in the URL,
/// unless `verify` or `token_at` says where; with both, both must hold.
///
/// # Errors
/// As [`Scheme::parse`]; [`SettingsError::Incomplete`] when neither is there.
pub(super) fn scheme(
    verify: Option<Value>,
    secret: Option<Value>,
    carried: Carried,
    place: &Place,
) -> Result<Scheme, SettingsError> {
    let Carried { token, at } = carried;
    let takes_token = kind(verify.as_ref()) == Some("token");
    let (signed, carried) = match (verify, secret, token) {
        // A scheme that says all by itself.
        (Some(verify), None, None) if is_complete(&verify) => (Some(verify), None),
        (_, None, None) => return Err(SettingsError::Incomplete(format!("set `{}`", wanted(takes_token)))),
        (Some(verify), Some(_), _) if kind(Some(&verify)) == Some("none") => {
            return Err(SettingsError::Invalid(NONE_WITH_SECRET.to_owned()));
        }
        (None, Some(_), _) => return Err(SettingsError::Invalid("verify: say how the `secret` signs".to_owned())),
        (Some(verify), secret, token) if takes_token && at.is_empty() => (Some(with(verify, token.or(secret))), None),
        (verify, secret, token) => {
            let signed = verify.filter(|_| secret.is_some()).map(|verify| with(verify, secret));
            (signed, token.map(|token| anywhere(at, &token)))
        }
    };
    Scheme::parse(Value::Array([signed, carried].into_iter().flatten().collect()), place)
}

/// A secret that nobody would be asked for.
const NONE_WITH_SECRET: &str = "verify.kind: `none` asks for no proof, but there is a `secret`; say how the sender signs with \
     it (`hmac`, `jwt`), leave `verify` out where the preset says it, or take the secret out (in the file, and its variable)";

/// What is missing, as its owner may give it.
fn wanted(takes_token: bool) -> &'static str {
    if takes_token { "token" } else { "secret" }
}

fn kind(verify: Option<&Value>) -> Option<&str> {
    verify?.get("kind")?.as_str()
}

/// True when secrets stand in it, or none are needed; in a list of schemes, in one of them.
fn is_complete(verify: &Value) -> bool {
    match verify {
        Value::Array(list) => list.iter().any(is_complete),
        Value::Table(table) => {
            let own = ["secrets", "secret"].iter().any(|name| table.contains_key(*name));
            own || table.get("of").is_some_and(is_complete) || kind(Some(verify)) == Some("none")
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

/// The token at one of these places.
fn anywhere(at: Vec<Table>, token: &Value) -> Value {
    let one = |mut table: Table| {
        table.insert("kind".to_owned(), "token".into());
        with(Value::Table(table), Some(token.clone()))
    };
    let mut places: Vec<_> = at.into_iter().map(one).collect();
    match places.len() {
        0 => with(in_path(), Some(token.clone())),
        1 => places.remove(0),
        _ => Value::Table(Table::from_iter([("kind".to_owned(), "any".into()), ("of".to_owned(), places.into())])),
    }
}

fn in_path() -> Value {
    Value::Table(Table::from_iter([("kind".to_owned(), "token".into()), ("location".to_owned(), "path".into())]))
}

/// `verify` with `secrets`; in a list of schemes each that has none of its own gets them.
fn with(mut verify: Value, secrets: Option<Value>) -> Value {
    if let Some(secrets) = secrets {
        fill(&mut verify, &secrets);
    }
    verify
}

fn fill(verify: &mut Value, secrets: &Value) {
    match verify {
        Value::Array(list) => list.iter_mut().for_each(|one| fill(one, secrets)),
        Value::Table(table) => {
            if let Some(of) = table.get_mut("of") {
                fill(of, secrets);
            } else if !table.contains_key("secret") {
                table.entry("secrets").or_insert_with(|| secrets.clone());
            }
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::SourceName;

    fn made(settings: &str) -> Result<Scheme, SettingsError> {
        let mut table: Table = settings.parse().unwrap();
        let place = Place::new(SourceName::parse("crm").unwrap(), None);
        let at = table.remove("token_at").and_then(|at| at.as_array().cloned()).unwrap_or_default();
        let at = at.into_iter().map(|at| at.as_table().unwrap().clone()).collect();
        scheme(table.remove("verify"), table.remove("secret"), Carried { token: table.remove("token"), at }, &place)
    }

    const HMAC: &str = "verify = { kind = 'hmac', algorithm = 'sha256', encoding = 'hex', base = '{body}', \
        signature = { header = 'x-sig' } }\n";

    #[test]
    fn a_secret_signs_a_token_stands_in_the_url_and_one_of_them_is_needed() {
        assert!(matches!(made(HMAC), Err(SettingsError::Incomplete(text)) if text == "set `secret`"));
        let token = "token = 'a-token-of-24-letters-at-least'\n";
        let signed = made(&format!("{HMAC}secret = 'a-secret-of-nobody'")).unwrap();
        let carried = made(&format!("{token}{HMAC}")).unwrap();
        let both = made(&format!("{token}secret = 'a-secret-of-nobody'\n{HMAC}")).unwrap();
        assert_eq!([signed, carried, both].map(|scheme| scheme.has_path_token()), [false, true, true]);
        assert!(made(&format!("{token}verify = {{ kind = 'token', location = 'query', name = 't' }}")).is_ok());
        assert!(matches!(made("secret = 'a-secret-of-nobody'"), Err(SettingsError::Invalid(_))));
        let elsewhere =
            made(&format!("{token}token_at = [{{ location = 'bearer' }}, {{ location = 'header', name = 't' }}]"));
        assert!(!elsewhere.unwrap().has_path_token());
        let several = made(&format!(
            "{token}verify = {{ kind = 'token', location = 'path' }}\n\
             token_at = [{{ location = 'path' }}, {{ location = 'bearer' }}]"
        ));
        assert!(several.unwrap().has_path_token());
        let none = "verify = { kind = 'none', i_know_this_is_public = true }";
        assert!(made(none).is_ok());
        let Err(SettingsError::Invalid(text)) = made(&format!("secret = 'a-secret-of-nobody'\n{none}")) else {
            panic!()
        };
        assert!(text.contains("take the secret out"), "{text}");
    }

    #[test]
    fn an_alternative_that_lacks_the_address_that_it_signs_keeps_all_of_them_off() {
        let older = HMAC.trim_start_matches("verify = ").trim();
        let newer = older.replace("{body}", "{url}{body}");
        let verify = format!("verify = {{ kind = 'any', of = [{newer}, {older}] }}\n");
        let nowhere = made(&format!("secret = 'a-secret-of-nobody'\n{verify}"));
        assert!(matches!(nowhere, Err(SettingsError::NoAddress)));
        assert!(matches!(made(&verify), Err(SettingsError::Incomplete(text)) if text == "set `secret`"));
        let with_secret = older.replacen("{ ", "{ secrets = 'a-secret-of-nobody', ", 1);
        let own = format!("verify = {{ kind = 'any', of = [{newer}, {with_secret}] }}\n");
        assert!(made(&own).is_ok(), "one that has no secret does not count");
    }

    #[test]
    fn a_list_of_schemes_shares_the_secret_and_keeps_those_that_stand_in_it() {
        let scheme = HMAC.trim_start_matches("verify = ").trim();
        let other = "{ kind = 'token', location = 'bearer', secrets = 'a-token-of-24-letters-at-least' }";
        for list in [format!("[{scheme}]"), format!("{{ kind = 'any', of = [{scheme}, {scheme}] }}")] {
            let verify = format!("verify = {list}\n");
            assert!(matches!(made(&verify), Err(SettingsError::Incomplete(text)) if text == "set `secret`"), "{list}");
            assert!(made(&format!("secret = 'a-secret-of-nobody'\n{verify}")).is_ok(), "{list}");
        }
        let own = format!("verify = {{ kind = 'any', of = [{other}, {scheme}] }}\n");
        assert!(made(&own).is_ok(), "alternatives without a secret do not count");
        assert!(made(&format!("secret = 'a-secret-of-nobody'\n{own}")).is_ok());
    }
}
