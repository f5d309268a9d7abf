//! The fields of a form as answers: PHP brackets and repeated names put together, control fields left out.

use std::collections::{HashMap, HashSet};

use super::body::{Content, Field};
use crate::domain::submission::{Answer, Meaning};
use crate::providers::mapped;

/// How deep the brackets of a name may go (`f[a][b][c][d][e]`); a name beyond it is taken as it stands.
const MAX_DEPTH: usize = 5;

/// Tokens of captchas and of servers' own forms: long, secret, and nothing that anybody said.
const TOKENS: [&str; 9] = [
    "cf-turnstile-response",
    "h-captcha-response",
    "g-recaptcha-response",
    "frc-captcha-solution",
    "altcha",
    "csrf_token",
    "csrfmiddlewaretoken",
    "authenticity_token",
    "max_file_size",
];

/// Fields that tell the receiver what to do: of browsers, of form services (Formspree, FormSubmit) and of frameworks (Laravel,
/// Rails, Spring, WordPress, ASP.NET); and what Contact Form 7 says of the visitor's device. Every other name with an underscore before it is an answer like any (`_replyto`).
const STEERING: [&str; 35] = [
    "_charset_",
    "_next",
    "_redirect",
    "_after",
    "_error",
    "_subject",
    "_cc",
    "_bcc",
    "_gotcha",
    "_honey",
    "_honeypot",
    "_captcha",
    "_template",
    "_autoresponse",
    "_blacklist",
    "_webhook",
    "_format",
    "_language",
    "_method",
    "_token",
    "_csrf",
    "_csrf_token",
    "_xsrf",
    "_nonce",
    "_wpnonce",
    "_ajax_nonce",
    "_wp_http_referer",
    "_remote_ip",
    "_user_agent",
    "__requestverificationtoken",
    "__viewstate",
    "__viewstategenerator",
    "__eventvalidation",
    "__eventtarget",
    "__eventargument",
];

/// What the own fields of Contact Form 7 and Fluent Forms begin with.
const PLUGINS: [&str; 3] = ["_wpcf7", "_fluentform", "__fluent_form"];

/// True for fields that steer the sending and say nothing: `_next`, `_charset_`, captcha tokens. What only begins like one
/// (`csrf_token_name`) is an answer.
pub(in crate::providers) fn is_control(name: &str) -> bool {
    // Nearly every name is told by its first letter.
    if name.starts_with('_') {
        return PLUGINS.iter().any(|plugin| behind(plugin, name).is_some())
            || STEERING.iter().any(|steering| steering.eq_ignore_ascii_case(name));
    }
    let Some(first) = name.bytes().next().map(|byte| byte.to_ascii_lowercase()) else { return false };
    let mut alike = TOKENS.iter().filter(|token| token.as_bytes().first() == Some(&first));
    alike.any(|token| behind(token, name).is_some_and(is_count)) || name.eq_ignore_ascii_case("utf8")
}

/// What follows `beginning` in `name`, in which upper and lower case are one.
fn behind<'n>(beginning: &str, name: &'n str) -> Option<&'n str> {
    let (begins, rest) = name.split_at_checked(beginning.len())?;
    begins.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// True for what stands behind a name that comes several times: nothing, `-100000`, `_1`, `2`.
fn is_count(rest: &str) -> bool {
    rest.strip_prefix(['-', '_']).unwrap_or(rest).bytes().all(|byte| byte.is_ascii_digit())
}

/// The answers in `fields`, in the order of the form: what has one name stands together where it first came, joined with
/// `, `; words that are said again (a box for the address once more) once. Blank fields are left out.
pub(super) fn answers<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut repeated: HashMap<usize, HashSet<String>> = HashMap::new();
    for field in fields {
        let Some((value, meaning)) = said(field) else { continue };
        let key = key(&field.0);
        if let Some(&place) = places.get(&key) {
            let together = &mut answers[place].value;
            let known = repeated.entry(place).or_insert_with(|| HashSet::from([together.clone()]));
            if known.insert(value.clone()) || !mapped::is_word(&value) {
                together.push_str(", ");
                together.push_str(&value);
            }
        } else {
            answers.push(Answer { meaning, ..mapped::answer(&key, value) });
            places.insert(key, answers.len() - 1);
        }
    }
    answers
}

/// True when one of `fields` is an answer.
pub(super) fn are_in<'a>(mut fields: impl Iterator<Item = &'a Field>) -> bool {
    fields.any(|field| said(field).is_some())
}

/// What the field says, with the line ends of a text area made plain.
fn said(field: &Field) -> Option<(String, Option<Meaning>)> {
    match &field.1 {
        Content::Text(_) => field.filled().map(|text| (text.replace("\r\n", "\n"), None)),
        Content::File { file, media_type, bytes } => {
            let kind = media_type.as_deref().unwrap_or("?");
            Some((format!("{file} ({kind}, {bytes} bytes; the file itself is not kept)"), Some(Meaning::Note)))
        }
    }
}

/// The name under which an answer goes: `minat[]` and `minat[0]` are `minat`, `alamat[kota]` is `alamat.kota`,
/// `anak[0][nama]` is `anak[0].nama`; a name without well-formed brackets is its own.
fn key(name: &str) -> String {
    let Some(mut steps) = brackets(name) else { return name.to_owned() };
    while steps.last().is_some_and(|step| is_position(step)) {
        steps.pop();
    }
    let base = name.split('[').next().unwrap_or_default().to_owned();
    steps.into_iter().fold(
        base,
        |key, step| {
            if is_position(step) { format!("{key}[{step}]") } else { format!("{key}.{step}") }
        },
    )
}

pub(in crate::providers) fn is_position(step: &str) -> bool {
    step.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands in the brackets of `base[a][b]`; `None` when it is not exactly that, or nested too deep.
pub(in crate::providers) fn brackets(name: &str) -> Option<Vec<&str>> {
    let open = name.find('[').filter(|&open| open > 0 && !name[..open].ends_with(' '))?;
    let inner = name[open..].strip_prefix('[')?.strip_suffix(']')?;
    let steps: Vec<_> = inner.split("][").take(MAX_DEPTH + 1).collect();
    let plain = steps.iter().all(|step| !step.contains(['[', ']']));
    (plain && steps.len() <= MAX_DEPTH).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_by(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let fields: Vec<_> = pairs.iter().map(|(name, text)| Field::text(*name, *text)).collect();
        answers(fields.iter()).into_iter().map(|answer| (answer.key, answer.value)).collect()
    }

    #[test]
    fn words_that_are_said_again_stand_once_and_numbers_as_often_as_they_are_said() {
        let pairs = [("email", "a@b.id"), ("qty", "1"), ("email", "a@b.id"), ("qty", "1"), ("email", "c@d.id")];
        let fields: Vec<_> = pairs.iter().map(|(name, value)| Field::text(*name, *value)).collect();
        let said: Vec<_> = answers(fields.iter()).into_iter().map(|answer| answer.value).collect();
        assert_eq!(said, ["a@b.id, c@d.id", "1, 1"]);
    }

    #[test]
    fn repeated_names_and_lists_are_one_answer_where_they_first_came() {
        let pairs = [("minat[]", "Rumah"), ("nama", "Siti"), ("minat[]", "Ruko"), ("f[0]", "a"), ("f[1]", "b")];
        let expected = [("minat", "Rumah, Ruko"), ("nama", "Siti"), ("f", "a, b")];
        assert_eq!(said_by(&pairs), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn brackets_become_a_path() {
        for (name, expected) in [
            ("alamat[kota]", "alamat.kota"),
            ("Nama [wajib]", "Nama [wajib]"),
            ("anak[0][nama]", "anak[0].nama"),
            ("anak[0][hobi][]", "anak[0].hobi"),
            ("a[b][c][d][e][f]", "a.b.c.d.e.f"),
            ("a[b][c][d][e][f][g]", "a[b][c][d][e][f][g]"),
            ("[x]", "[x]"),
            ("a[b", "a[b"),
            ("a]b[", "a]b["),
            ("a[b]c", "a[b]c"),
            ("a[[b]]", "a[[b]]"),
            ("Nama Lengkap", "Nama Lengkap"),
        ] {
            assert_eq!(key(name), expected);
        }
    }

    #[test]
    fn a_name_of_a_million_brackets_is_taken_as_it_stands() {
        for name in ["[".repeat(1_000_000), "a".to_owned() + &"[b]".repeat(300_000), "][".repeat(500_000)] {
            assert_eq!(key(&name), name);
        }
    }

    #[test]
    fn blank_fields_say_nothing_and_lines_end_plainly() {
        let pairs = [("email", ""), ("gclid", "  \r\n"), ("pesan", " baris 1\r\nbaris 2 ")];
        assert_eq!(said_by(&pairs), [("pesan".to_owned(), "baris 1\nbaris 2".to_owned())]);
    }

    #[test]
    fn a_file_is_a_note_whatever_its_field_is_called() {
        let file = Content::File { file: "a.pdf".into(), media_type: Some("application/pdf".into()), bytes: 12 };
        let answers = answers([Field("email".into(), file)].iter());
        assert_eq!(answers[0].meaning, Some(Meaning::Note));
        assert_eq!(answers[0].value, "a.pdf (application/pdf, 12 bytes; the file itself is not kept)");
    }

    #[test]
    fn control_fields_are_known_and_what_only_looks_like_one_is_an_answer() {
        for name in [
            "_next",
            "_charset_",
            "_wpcf7_unit_tag",
            "cf-turnstile-response",
            "g-recaptcha-response-100000",
            "ALTCHA",
            "csrf_token_1",
            "utf8",
            "_Token",
        ] {
            assert!(is_control(name), "{name}");
        }
        assert!(TOKENS.iter().chain(&PLUGINS).chain(&STEERING).all(|name| is_control(name)));
        for name in [
            "_fbc",
            "_FBP",
            "nama",
            "utf8_name",
            "token",
            "alt",
            "_replyto",
            "_name",
            "csrf_token_name",
            "altcha_phone",
        ] {
            assert!(!is_control(name), "{name}");
        }
    }
}
