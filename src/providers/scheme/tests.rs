//! Schemes as they are written, against webhooks as they come.

use jiff::Timestamp;

use super::*;
use crate::domain::event::SourceName;
use crate::providers::Method;

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_793_000_000).unwrap()
}

pub(super) fn place() -> Place {
    Place::new(SourceName::parse("x").unwrap(), Some("https://hooks.example.com/"))
}

pub(super) fn post(headers: &[(&str, &str)], body: &str) -> Webhook {
    Webhook {
        source: place().source,
        received: now(),
        request_id: "req-1".into(),
        method: Method::Post,
        path: "/hooks/x".into(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: body.to_owned().into(),
        packed: None,
    }
}

const SECRET: &str = "secret-of-the-scheme-tests";

fn parse(text: &str) -> Result<Scheme, SettingsError> {
    let table: toml::Table = format!("verify = {text}").parse().unwrap();
    Scheme::parse(table["verify"].clone(), &place())
}

/// An `hmac` scheme with what differs from the plainest one.
fn hmac(more: &str) -> Result<Scheme, SettingsError> {
    let plain = [
        ("algorithm", "'sha256'"),
        ("encoding", "'hex'"),
        ("base", "'{body}'"),
        ("secrets", "['secret-of-the-scheme-tests', 'old-secret-of-the-tests']"),
        ("signature", "{ header = 'X-Sig' }"),
    ];
    let mut text = format!("kind = 'hmac'\n{more}\n");
    for (key, value) in plain.iter().filter(|(key, _)| !more.lines().any(|line| line.starts_with(&format!("{key} ="))))
    {
        text.push_str(&format!("{key} = {value}\n"));
    }
    Scheme::parse(text.parse::<toml::Table>().unwrap().into(), &place())
}

fn as_webhook(sample: Sample) -> Webhook {
    let token = sample.path_token.as_ref().map(|token| format!("/{token}")).unwrap_or_default();
    Webhook {
        path: format!("/hooks/x{token}"),
        path_token: sample.path_token,
        query: sample.query,
        headers: sample.headers.into_iter().collect(),
        body: sample.body.into(),
        ..post(&[], "")
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_write() {
    for (more, says) in [
        ("secrets = ['secret']", "a default that everybody knows"),
        ("secrets = ['']", "is empty"),
        ("secrets = ['fifteen-letters']", "verify.secrets: a secret has fewer than 16"),
        ("base = '{timestamp}.{body}'", "verify.timestamp: "),
        ("timestamp = { header = 'X-T', unit = 's' }", "verify.timestamp: it is not signed"),
        ("base = '{timestamp}{body}'\ntimestamp = { header = 'X-T' }", "verify.timestamp.unit: write \"s\" or \"ms\""),
        (
            "base = '{timestamp}{body}'\ntimestamp = { header = 'X-T', unit = 's', tolerance_s = 3601 }",
            "verify.timestamp.tolerance_s",
        ),
        (
            "base = '{timestamp}{body}'\ntimestamp = { header = 'X-T', unit = 's', tolerance_s = 0 }",
            "verify.timestamp.tolerance_s",
        ),
        ("base = '{timestamp}{body}'\ntimestamp = { sig_field = 't', unit = 's' }", "verify.timestamp.sig_field"),
        ("base = '{timestamp}{body}'\ntimestamp = { unit = 's' }", "verify.timestamp: write either"),
        ("base = '{url}'", "verify.base: the body is not in it"),
        ("base = '{json:a}'", "verify.base: the body is not in it"),
        ("base = '{header:x-id}'\nrequire_equal = [['{header:x-sum}', '{sha256_hex(body)}']]", "the body is not in it"),
        ("base = '{secret}{body}'", "verify.base: `{secret}`"),
        ("keyed = 'digest'", "verify.base: with `keyed"),
        ("base = '{boddy}'", "verify.base: there is no `{boddy}`"),
        ("algorithm = 'md5'", "md5"),
        ("key = { encoding = 'hex' }", "verify.secrets: a secret is not hexadecimal"),
        ("key = { encodng = 'hex' }", "encodng"),
        ("secrets = ['fifteen-letters    ']", "verify.secrets: a secret has fewer than 16"),
        (
            "secrets = ['000102030405060708090a0b0c0d0e']\nkey = { encoding = 'hex' }",
            "verify.secrets: a secret is hexadecimal of fewer than 16 bytes",
        ),
        (
            "secrets = ['AAECAwQFBgcICQoLDA0O']\nkey = { encoding = 'base64' }",
            "verify.secrets: a secret is base64 of fewer than 16 bytes",
        ),
        (
            "secrets = ['whsec_fifteen-letters']\nkey = { strip_prefix = 'whsec_' }",
            "verify.secrets: a secret is text of fewer than 16 bytes",
        ),
        ("sekrets = []", "sekrets"),
        ("url = { base = 'https://a.example' }", "verify.url: nothing that is signed"),
        ("base = '{url}{body}'\nurl = { base = 'a.example' }", "verify.url.base"),
        ("base = '{url}{body}'\nurl = { variants = [] }", "verify.url.variants"),
        ("signature = { header = ' ' }", "verify.signature.header"),
        ("signature = { header = 'X', kv_sep = '' }", "verify.signature.kv_sep"),
    ] {
        let error = hmac(more).unwrap_err();
        assert!(matches!(&error, SettingsError::Invalid(text) if text.contains(says)), "{more}: {error}");
        assert!(!error.to_string().contains("of-the-scheme-tests"), "{error}");
    }
}

#[test]
fn the_other_kinds_say_what_is_wrong_too() {
    let token = "secrets = ['tok-of-the-scheme-tests-0001']";
    for (text, says) in [
        ("{ kind = 'hmak' }".to_owned(), "verify.kind: write one of"),
        ("{}".to_owned(), "verify.kind"),
        ("'hmac'".to_owned(), "write a table"),
        ("[]".to_owned(), "let everybody in"),
        ("{ kind = 'any', of = [] }".to_owned(), "verify.of"),
        ("{ kind = 'none' }".to_owned(), "i_know_this_is_public = true"),
        ("{ kind = 'captcha' }".to_owned(), "belongs to a form"),
        (
            "{ kind = 'token', location = 'query', name = 'token', secrets = ['twenty-three-characters'] }".to_owned(),
            "fewer than 24",
        ),
        (format!("{{ kind = 'token', location = 'query', {token} }}"), "verify.name: name what holds"),
        (format!("{{ kind = 'token', location = 'path', name = 'x', {token} }}"), "verify.name: `path` has no name"),
        (format!("{{ kind = 'token', location = 'basic', {token} }}"), "user:password"),
        (format!("{{ kind = 'jwt', location = 'header', algs = ['HS256'], {token} }}"), "verify.header"),
        (format!("{{ kind = 'jwt', location = 'body', header = 'x', algs = ['HS256'], {token} }}"), "verify.header"),
        (format!("{{ kind = 'jwt', location = 'body', algs = [], {token} }}"), "verify.algs"),
        (format!("{{ kind = 'jwt', location = 'body', algs = ['HS256', 'RS256'], {token} }}"), "verify.algs"),
        (format!("{{ kind = 'jwt', location = 'body', algs = ['none'], {token} }}"), "none"),
        (format!("{{ kind = 'jwt', location = 'body', algs = ['RS256'], {token} }}"), "BEGIN PUBLIC KEY"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(matches!(&error, SettingsError::Invalid(problem) if problem.contains(says)), "{text}: {error}");
    }
}

#[test]
fn what_is_only_missing_leaves_the_source_off() {
    let error = parse("{ kind = 'token', location = 'path' }").unwrap_err();
    assert!(matches!(&error, SettingsError::Incomplete(text) if text.contains("secrets")), "{error}");
    let signed = "kind = 'hmac'\nalgorithm = 'sha1'\nencoding = 'hex'\nbase = '{url}{body}'\nsecret = 'secret-of-the-scheme-tests'\nsignature = { header = 'X' }";
    let nowhere = Place { public_url: None, ..place() };
    let error = Scheme::parse(signed.parse::<toml::Table>().unwrap().into(), &nowhere).unwrap_err();
    assert_eq!(error, SettingsError::NoAddress);
    // Of alternatives one is enough.
    let one = "{ kind = 'any', of = [{ kind = 'token', location = 'path' }, { kind = 'token', location = 'bearer', secret = 'tok-of-the-scheme-tests-0001' }] }";
    assert!(!parse(one).unwrap().has_path_token());
}

#[test]
fn its_debug_text_has_no_secret_in_it() {
    let text = format!("{:?}", hmac("").unwrap());
    let key: Vec<_> = SECRET.bytes().map(|byte| byte.to_string()).collect();
    assert!(!text.contains(SECRET) && !text.contains(&key.join(", ")), "{text}");
}

/// Each kind as it could stand in the configuration.
fn every_kind() -> Vec<Scheme> {
    let tok = "secret = 'tok-of-the-scheme-tests-0001'";
    let texts = [
        format!("{{ kind = 'token', location = 'header', name = 'X-Token', {tok} }}"),
        format!("{{ kind = 'token', location = 'bearer', {tok} }}"),
        "{ kind = 'token', location = 'basic', secret = 'user:tok-of-the-scheme-tests' }".to_owned(),
        format!("{{ kind = 'token', location = 'query', name = 'token', {tok} }}"),
        format!("{{ kind = 'token', location = 'path', {tok} }}"),
        format!("{{ kind = 'token', location = 'json', name = 'auth.key', {tok} }}"),
        format!(
            "{{ kind = 'jwt', location = 'header', header = 'Authorization', bearer = true, algs = ['HS256'], iss = 'me', iat_max_age_s = 300, require_claims = ['jti'], claims_equal.h.equals = '{{sha256_hex(body)}}', claims_equal.u.equals = '{{sha256_hex(url)}}', {tok} }}"
        ),
        format!("{{ kind = 'jwt', location = 'body', algs = ['HS512'], event_claim = 'data', {tok} }}"),
        format!(
            "{{ kind = 'all', of = [{{ kind = 'token', location = 'query', name = 't', {tok} }}, {{ kind = 'hmac', algorithm = 'sha1', encoding = 'base64', base = '{{url}}{{form_sorted}}', signature = {{ header = 'X-Sig' }}, secret = 'secret-of-the-scheme-tests' }}] }}"
        ),
        format!(
            "{{ kind = 'any', of = [{{ kind = 'token', location = 'bearer', {tok} }}, {{ kind = 'token', location = 'path', {tok} }}] }}"
        ),
        "{ kind = 'none', i_know_this_is_public = true }".to_owned(),
    ];
    let kinds = texts.iter().map(|text| parse(text).unwrap());
    let macs = [
        "",
        "algorithm = 'sha512'\nencoding = 'base64url'\nsignature = { header = 'X-Sig', prefix = 'v0=' }",
        "base = '{timestamp}.{body}'\nsignature = { header = 'X-Sig', field = 'v1' }\ntimestamp = { sig_field = 't', unit = 's' }",
        "base = '{method}{url_hubspot}{body}{timestamp}'\ntimestamp = { header = 'X-T', unit = 'ms' }",
        "base = '{header:webhook-id}.{timestamp}.{body}'\nsignature = { header = 'webhook-signature', item_sep = ' ', kv_sep = ',', field = 'v1' }\ntimestamp = { header = 'webhook-timestamp', unit = 's' }",
        "base = '{url}'\nrequire_equal = [['{query:bodySHA256}', '{sha256_hex(body)}']]",
        "keyed = 'digest'\nbase = '{secret}{body}'",
    ];
    kinds.chain(macs.iter().map(|more| hmac(more).unwrap())).collect()
}

#[test]
fn what_is_signed_is_let_in_and_what_is_changed_is_not() {
    let body = br#"{"nama":"Siti","auth":{}}"#.to_vec();
    for scheme in every_kind() {
        let webhook = as_webhook(scheme.sign(body.clone(), Vec::new(), now()));
        assert!(scheme.verify(&webhook, now()).is_ok(), "{scheme:?}");
        let public = matches!(scheme.kind, Kind::Public);
        let bare = Webhook {
            headers: crate::providers::Headers::default(),
            query: String::new(),
            path_token: None,
            body: body.clone().into(),
            ..webhook.clone()
        };
        assert_eq!(scheme.verify(&bare, now()).is_ok(), public, "{scheme:?}");
        // A token proves who sent and not what.
        let signed = matches!(scheme.kind, Kind::Mac(_) | Kind::Jwt(_));
        let changed = Webhook { body: [&webhook.body[..], b"x"].concat().into(), ..webhook };
        assert!(!signed || scheme.verify(&changed, now()).is_err(), "{scheme:?}");
    }
}

#[test]
fn a_token_in_the_body_is_taken_out_and_no_other_byte_changes() {
    let scheme =
        parse("{ kind = 'token', location = 'json', name = 'auth.key', secret = 'tok-of-the-scheme-tests-0001' }")
            .unwrap();
    let body = " {\"n\":1.0, \"auth\" : {\"key\": \"tok-of-the-scheme-tests-0001\" }, \"x\":\"\\u00e4\"}\n";
    let proof = scheme.verify(&post(&[], body), now()).unwrap();
    assert_eq!(proof.body, body.replace("tok-of-the-scheme-tests-0001", "[redacted]"));
    let both = "{\"auth\":{\"key\":\"a\",\"key\":\"b\"},\"auth\":{\"key\":3}}".to_owned();
    let clear = "{\"auth\":{\"key\":\"[redacted]\",\"key\":\"[redacted]\"},\"auth\":{\"key\":\"[redacted]\"}}";
    assert_eq!(scheme.redacted(&both.into()), clear);
    assert_eq!(scheme.redacted(&"no json".into()), "no json");
}

#[test]
fn a_token_that_the_sender_repeats_in_the_body_is_taken_out() {
    let scheme = parse("{ kind = 'token', location = 'path', secrets = ['tok-of-the-scheme-tests-0001'] }").unwrap();
    let body = "url=https://x/hooks/j/tok-of-the-scheme-tests-0001&tok-of-the-scheme-tests-0001=1&a=\u{e4}";
    let clear = "url=https://x/hooks/j/[redacted]&[redacted]=1&a=\u{e4}";
    assert_eq!(scheme.redacted(&body.into()), clear);
    assert_eq!(scheme.redacted(&clear.into()), clear);
}

#[test]
fn a_claim_may_hold_the_event() {
    let scheme =
        every_kind().into_iter().find(|scheme| matches!(&scheme.kind, Kind::Jwt(jwt) if jwt.event_claim.is_some()));
    let scheme = scheme.unwrap();
    let webhook = as_webhook(scheme.sign(b"{\"a\":1}".to_vec(), Vec::new(), now()));
    let proof = scheme.verify(&webhook, now()).unwrap();
    assert_eq!((proof.event.as_deref(), &proof.body), (Some(&b"{\"a\":1}"[..]), &webhook.body));
}

#[test]
fn of_alternatives_one_has_to_hold_and_of_a_list_all() {
    let header = "{ kind = 'token', location = 'header', name = 'X-Token', secret = 'tok-of-the-scheme-tests-0001' }";
    let bearer = "{ kind = 'token', location = 'bearer', secret = 'tok-of-the-scheme-tests-0002' }";
    let (right, other) =
        (("x-token", "tok-of-the-scheme-tests-0001"), ("authorization", "Bearer tok-of-the-scheme-tests-0002"));
    let wrong = ("authorization", "Bearer tok-of-nobody-in-particular");
    let check =
        |text: String, headers: &[(&str, &str)]| parse(&text).unwrap().verify(&post(headers, ""), now()).map(|_| ());
    let any = || format!("{{ kind = 'any', of = [{header}, {bearer}] }}");
    assert_eq!((check(any(), &[right]), check(any(), &[other])), (Ok(()), Ok(())));
    assert_eq!(check(any(), &[]), Err(Refusal::NoProof));
    assert_eq!(check(any(), &[wrong]), Err(Refusal::WrongProof), "the one that was tried says more");
    for all in [format!("[{header}, {bearer}]"), format!("{{ kind = 'all', of = [{header}, {bearer}] }}")] {
        assert_eq!(check(all.clone(), &[right, other]), Ok(()));
        assert_eq!(check(all.clone(), &[right]), Err(Refusal::NoProof));
        assert_eq!(check(all, &[right, wrong]), Err(Refusal::WrongProof));
    }
}

/// The hints for `webhook` under `scheme`, and all that is shown beside them.
fn hints(scheme: &Scheme, webhook: &Webhook) -> String {
    let examination = scheme.examine(webhook, now());
    let shown = format!("{examination:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    examination.trials.into_iter().flat_map(|trial| trial.hints).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_usual_mistakes_are_found_and_said() {
    let stamped = "base = '{timestamp}.{body}'\ntimestamp = { header = 'X-T', unit = 's' }";
    let (millis, colon) = (stamped.replace("'s'", "'ms'"), stamped.replace("}.{", "}:{"));
    let (url, prefixed) = ("base = '{url}{body}'", "signature = { header = 'X-Sig', prefix = 'sha256=' }");
    let other_url = |other: &str| format!("{url}\nurl = {other}");
    let (http, port) =
        (other_url("{ base = 'http://hooks.example.com' }"), other_url("{ variants = ['default_port'] }"));
    let digest = "keyed = 'digest'\nbase = '{secret}{body}'";
    for (theirs, ours, says) in [
        ("encoding = 'base64'", "", "matches as base64; write verify.encoding = \"base64\" under [sources.x.settings]"),
        ("algorithm = 'sha512'", "", "matches as sha512; write verify.algorithm = \"sha512\""),
        (prefixed, "", "matches with the prefix sha256=; write verify.signature.prefix = \"sha256=\""),
        ("", prefixed, "matches without the prefix; write verify.signature.prefix = \"\""),
        (stamped, &millis, "timestamp is in seconds; write verify.timestamp.unit = \"s\""),
        (&millis, stamped, "timestamp is in milliseconds; write verify.timestamp.unit = \"ms\""),
        (
            stamped,
            &colon,
            "matches with hmac over {timestamp}.{body}; write verify.base = \"{timestamp}.{body}\" under",
        ),
        (digest, "", "write verify.base = \"{secret}{body}\" and verify.keyed = \"digest\""),
        (&http, url, "matches with http; is BRIDGE_PUBLIC_URL right?"),
        (&port, url, "verify.url.variants = [\"exact\", \"default_port\"]"),
        ("signature = { header = 'X-Signature' }", "", "the header `x-sig` is not there; there is x-signature"),
    ] {
        let webhook = as_webhook(hmac(theirs).unwrap().sign(b"{}".to_vec(), Vec::new(), now()));
        let found = hints(&hmac(ours).unwrap(), &webhook);
        assert!(found.contains(says), "{theirs} -> {ours}: {found}");
    }
}

#[test]
fn what_was_rewritten_on_its_way_is_found_and_said() {
    let signed = |more: &str, body: &str| as_webhook(hmac(more).unwrap().sign(body.into(), Vec::new(), now()));
    let (spaced, compact) = ("{\"nama\": \"Sité\"}", "{\"nama\":\"Sité\"}");
    let (escaped, plain) = ("{\"u\":\"https:\\/\\/a.example\\/\\u00e9\"}", "{\"u\":\"https://a.example/é\"}");
    for (there, here, says) in [
        (compact, spaced, "matches after re-serialising; something rewrote"),
        ("x\n", "x", "matches with a line end behind it; something rewrote"),
        (escaped, plain, "matches after escaping as PHP does"),
    ] {
        let webhook = Webhook { body: here.to_owned().into(), ..signed("", there) };
        let found = hints(&hmac("").unwrap(), &webhook);
        assert!(found.contains(says), "{there} -> {here}: {found}");
    }
    let url = "base = '{url}{body}'";
    let slashed = Webhook { path: "/hooks/x/".into(), ..signed(url, spaced) };
    assert!(hints(&hmac(url).unwrap(), &slashed).contains("matches without trailing slash"));
}

#[test]
fn a_secret_that_has_to_be_read_otherwise_is_found() {
    let body = "{}";
    let hex = hmac("key = { encoding = 'hex' }\nsecrets = ['00112233445566778899aabbccddeeff']").unwrap();
    let webhook = as_webhook(hex.sign(body.into(), Vec::new(), now()));
    let text = hmac("secrets = ['00112233445566778899aabbccddeeff']").unwrap();
    let hints = text.examine(&webhook, now()).trials.remove(0).hints;
    assert_eq!(
        hints,
        ["matches with the secret read as hexadecimal; write verify.key.encoding = \"hex\" under [sources.x.settings]"]
    );
}

#[test]
fn a_hint_says_only_what_can_be_done_where_the_scheme_stands() {
    let signed = |more: &str| as_webhook(hmac(more).unwrap().sign(b"{}".to_vec(), Vec::new(), now()));
    let plain = "kind = 'hmac'\nalgorithm = 'sha256'\nencoding = 'hex'\nbase = '{body}'\n";
    let ours = Scheme::known(&format!("{plain}signature = {{ header = 'X-Sig' }}"), [SECRET].into_iter());
    for (theirs, says) in [
        ("encoding = 'base64'", "matches as base64; its sender has to write hex"),
        ("algorithm = 'sha1'", "matches as sha1; its sender has to sign with sha256"),
        (
            "signature = { header = 'X-Sig', prefix = 'v1=' }",
            "matches with the prefix v1=; its sender has to leave it out",
        ),
        ("keyed = 'digest'\nbase = '{secret}{body}'", "its sender has to sign what is shown here as signed"),
    ] {
        let hints = hints(&ours, &signed(theirs));
        assert!(hints.contains(says) && !hints.contains("write verify"), "{hints}");
    }
    let one = |header: &str| {
        format!(
            "{{ kind = 'hmac', algorithm = 'sha256', encoding = 'hex', base = '{{body}}', signature = {{ header = '{header}' }}, secret = '{SECRET}' }}"
        )
    };
    let base64 = signed("encoding = 'base64'");
    let list =
        hints(&parse(&format!("{{ kind = 'any', of = [{}, {}] }}", one("X-Other"), one("X-Sig"))).unwrap(), &base64);
    assert!(
        list.contains("write verify whole under [sources.x.settings], with encoding = \"base64\" in its table"),
        "{list}"
    );
    let stamped = hmac("base = '{timestamp}{body}'\ntimestamp = { header = 'X-T', unit = 's' }").unwrap();
    let mut untimed = signed("");
    untimed.headers.push("x-t", "1793000000");
    let hints = hints(&stamped, &untimed);
    assert!(hints.contains("write verify as a list of one table") && hints.contains("without timestamp"), "{hints}");
}

#[test]
fn an_examination_shows_what_was_compared_and_masks_the_secret() {
    let scheme =
        hmac("keyed = 'digest'\nbase = '{secret}{timestamp}{body}'\ntimestamp = { header = 'X-T', unit = 's' }")
            .unwrap();
    let webhook = as_webhook(scheme.sign(b"{}".to_vec(), Vec::new(), now()));
    let Examination { trials } = scheme.examine(&webhook, now());
    assert_eq!(trials[0].scheme, "digest sha256 in hex");
    assert_eq!((trials[0].outcome, &trials[0].base[0][..]), (Ok(()), "[secret]1793000000{}"));
    assert_eq!(trials[0].received.as_ref(), Some(&trials[0].computed[0]));
    assert_eq!(trials[0].computed.len(), 2, "one for each secret");
    let late = scheme.examine(&webhook, now() + jiff::SignedDuration::from_secs(1000));
    assert!(late.trials[0].hints.iter().any(|hint| hint.contains("signed 1000 s from")), "{late:?}");
    assert!(late.trials[0].hints.iter().any(|hint| hint.contains("only the time is wrong")), "{late:?}");
}

#[test]
fn a_token_in_another_place_and_a_jwt_of_another_issuer_are_told() {
    let tok = "tok-of-the-scheme-tests-0001";
    let scheme = parse(&format!("{{ kind = 'token', location = 'query', name = 'token', secret = '{tok}' }}")).unwrap();
    let told = |webhook: &Webhook| format!("{:?}", scheme.examine(webhook, now()));
    let header = told(&post(&[("x-key", tok)], ""));
    assert!(header.contains("the token stands in the header `x-key`") && !header.contains(tok), "{header}");
    let query = told(&Webhook { query: format!("key={tok}"), ..post(&[], "") });
    assert!(query.contains("the token stands in the query as `key`") && !query.contains(tok), "{query}");
    let jwt = |iss: &str| {
        let text = format!(
            "{{ kind = 'jwt', location = 'header', header = 'X-Jwt', algs = ['HS256'], iss = '{iss}', \
             require_claims = ['exp'], secret = '{tok}' }}"
        );
        parse(&text).unwrap()
    };
    let webhook = as_webhook(jwt("theirs").sign(Vec::new(), Vec::new(), now()));
    let examined = jwt("ours").examine(&webhook, now() + jiff::SignedDuration::from_secs(400));
    let hints = examined.trials[0].hints.join("; ");
    assert!(hints.contains("its `iss` is theirs, not ours") && hints.contains("it expired 100 s"), "{hints}");
}

proptest::proptest! {
    #[test]
    fn what_nobody_signed_is_refused_whatever_it_is(
        header in "[ -~]{0,40}|t=[0-9]{0,17},v1=[0-9a-f]{0,64}|[A-Za-z0-9_-]{0,9}[.][A-Za-z0-9_-]{0,9}[.][A-Za-z0-9_-]{0,9}",
        query in "[ -~]{0,40}",
        body in "\\PC{0,60}|[{\"auth:key0-9,}]{0,60}",
    ) {
        for scheme in every_kind().iter().filter(|scheme| !matches!(scheme.kind, Kind::Public)) {
            let names = ["x-sig", "x-token", "authorization", "webhook-signature", "webhook-id", "webhook-timestamp", "x-t"];
            let headers = names.map(|name| (name, header.as_str()));
            let webhook = Webhook { query: query.clone(), path_token: Some(header.clone()), ..post(&headers, &body) };
            proptest::prop_assert!(scheme.verify(&webhook, now()).is_err());
            let _ = (scheme.examine(&webhook, now()), scheme.redacted(&webhook.body));
        }
    }
}
