//! The words of an expression, looked at before it is ever evaluated: a misspelt one is found when the file is loaded, and
//! not when a lead comes that reaches it.

use std::collections::BTreeSet;

/// What an expression can read, and the members of those that have members of their own names.
pub(super) const NAMES: &[(&str, &[&str])] = &[
    ("ad_platform", &[]),
    ("answers", &[]),
    ("attribution", &[]),
    ("facts", &[]),
    ("form", &["id", "name"]),
    (
        "lead",
        &[
            "actual_value",
            "ad_platform",
            "email",
            "estimated_value",
            "first_name",
            "last_name",
            "phone",
            "source",
            "unique_code",
        ],
    ),
    ("message", &[]),
    ("payment", &["amount", "paid", "reference"]),
    ("profile", &["email", "name", "phone", "username"]),
    ("raw", &[]),
    ("received", &[]),
    ("source", &[]),
    ("submitted", &[]),
    ("test", &[]),
    ("text", &[]),
];
/// The filters that [`super::expression`] knows.
pub(super) const FILTERS: &[&str] = &[
    "capitalize",
    "default",
    "digits",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "number",
    "replace",
    "round",
    "split",
    "string",
    "title",
    "trim",
    "upper",
];
/// The tests that it knows.
pub(super) const TESTS: &[&str] = &["defined", "endingwith", "none", "startingwith", "undefined"];

/// Words of the language itself.
const KEYWORDS: &[&str] =
    &["and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True"];
/// What makes a number of a text, or is as good as one where it is compared by size.
const SIZES: &[&str] = &["number", "length", "received", "submitted"];

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The character, counted from 0.
    pub(super) at: usize,
    /// What is wrong there, and what is allowed.
    pub(super) what: String,
}

/// One word, text or mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    /// A text in quotes, or a number.
    Constant,
    Mark(char),
}

/// Looks at the words of `source`, whose syntax is right; gives the names that it reads.
pub(super) fn check(source: &str) -> Result<BTreeSet<&'static str>, Flaw> {
    let tokens = tokens(source);
    let mut names = BTreeSet::new();
    for place in 0..tokens.len() {
        let (at, Token::Name(word)) = tokens[place] else { continue };
        let role = role(&tokens, place);
        let wrong = |kind: &str, known: &[&str]| Err(Flaw { at, what: unknown(kind, word, known) });
        match role {
            Role::Keyword | Role::Argument | Role::Key => {}
            Role::Filter if FILTERS.contains(&word) => {}
            Role::Filter => return wrong("filter", FILTERS),
            Role::Test if TESTS.contains(&word) => {}
            Role::Test => return wrong("test", TESTS),
            Role::Call => {
                let what =
                    format!("`{word}` is called, and there are no functions; use a filter, as in `message|lower`");
                return Err(Flaw { at, what });
            }
            Role::Member(of) => {
                let members = NAMES.iter().find(|(name, _)| *name == of).map_or(&[][..], |(_, members)| *members);
                if !members.is_empty() && !members.contains(&word) {
                    return wrong(&format!("member of `{of}`"), members).map_err(|flaw| first_word(flaw, word));
                }
            }
            Role::Variable => match NAMES.iter().find(|(name, _)| *name == word) {
                Some((name, _)) => {
                    names.insert(*name);
                }
                None => return wrong("name", &NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
            },
        }
    }
    sizes(&tokens)?;
    Ok(names)
}

/// Text is never smaller or larger than a number, so comparing them is always wrong.
fn sizes(tokens: &[(usize, Token<'_>)]) -> Result<(), Flaw> {
    let compared = tokens.iter().find(|(_, token)| matches!(token, Token::Mark('<' | '>')));
    let is_size = |(_, token): &(usize, Token<'_>)| matches!(token, Token::Name(word) if SIZES.contains(word));
    let is_paid = |window: &[(usize, Token<'_>)]| {
        matches!(window, [(_, Token::Name("payment")), (_, Token::Mark('.')), (_, Token::Name("amount"))])
    };
    let sized = tokens.iter().any(is_size) || tokens.windows(3).any(is_paid);
    match compared {
        Some((at, _)) if !sized => Err(Flaw {
            at: *at,
            what: "answers are texts, and no text is larger than a number; compare `answers.budget|number`".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// What a word is there for.
enum Role<'a> {
    Keyword,
    Filter,
    Test,
    Call,
    /// Behind the dot of this word.
    Member(&'a str),
    /// The name of an argument.
    Argument,
    /// Behind a dot of something else.
    Key,
    Variable,
}

fn role<'a>(tokens: &[(usize, Token<'a>)], place: usize) -> Role<'a> {
    let token = |back: usize| place.checked_sub(back).map(|place| tokens[place].1);
    let next = |on: usize| tokens.get(place + on).map(|(_, token)| *token);
    let (at, Token::Name(word)) = tokens[place] else { return Role::Keyword };
    let tests = token(1) == Some(Token::Name("is"))
        || (token(1) == Some(Token::Name("not")) && token(2) == Some(Token::Name("is")));
    match token(1) {
        Some(Token::Mark('.')) if next(1) == Some(Token::Mark('(')) => Role::Call,
        Some(Token::Mark('.')) => match token(2) {
            Some(Token::Name(of)) if token(3) != Some(Token::Mark('.')) => Role::Member(of),
            _ => Role::Key,
        },
        Some(Token::Mark('|')) => Role::Filter,
        _ if tests && word != "not" => Role::Test,
        _ if KEYWORDS.contains(&word) => Role::Keyword,
        _ if next(1) == Some(Token::Mark('(')) => Role::Call,
        _ if next(1) == Some(Token::Mark('=')) && next(2) != Some(Token::Mark('=')) && at > 0 => Role::Argument,
        _ => Role::Variable,
    }
}

fn tokens(source: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let mut chars = source.char_indices().enumerate().peekable();
    while let Some((at, (from, c))) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if matches!(c, '"' | '\'') {
            let mut escaped = false;
            for (_, (_, inner)) in chars.by_ref() {
                match inner {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    inner if inner == c => break,
                    _ => {}
                }
            }
            tokens.push((at, Token::Constant));
            continue;
        }
        if !(c.is_alphanumeric() || c == '_') {
            tokens.push((at, Token::Mark(c)));
            continue;
        }
        let is_number = c.is_ascii_digit();
        let mut to = from + c.len_utf8();
        while let Some((_, (next, c))) =
            chars.next_if(|(_, (_, c))| c.is_alphanumeric() || *c == '_' || (is_number && *c == '.'))
        {
            to = next + c.len_utf8();
        }
        tokens.push((at, if is_number { Token::Constant } else { Token::Name(&source[from..to]) }));
    }
    tokens
}

/// As serde says it, so that the same suggestion can be made.
pub(super) fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    format!("unknown {kind} `{word}`, expected one of {}", known.join(", "))
}

/// The word that is wrong has to be the first one in backticks.
fn first_word(flaw: Flaw, word: &str) -> Flaw {
    let expected = flaw.what.split_once("expected").map_or("", |(_, expected)| expected).to_owned();
    let of = flaw.what.split('`').nth(1).unwrap_or_default();
    Flaw { at: flaw.at, what: format!("unknown member `{word}` of {of}, expected{expected}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn flaw(source: &str, at: usize, what: &str) {
        let flaw = check(source).unwrap_err();
        assert!(flaw.at == at && flaw.what.contains(what), "{source}: {flaw:?}");
    }

    #[test]
    fn a_misspelt_word_is_found_where_it_stands() {
        flaw("answer.kota == 'x'", 0, "unknown name `answer`, expected one of `ad_platform`, `answers`");
        flaw("answers.kota|lowr == 'x'", 13, "unknown filter `lowr`");
        flaw("answers.kota is define", 16, "unknown test `define`");
        flaw("answers.kota is not define", 20, "unknown test `define`");
        flaw("lead.phon", 5, "unknown member `phon` of lead, expected one of");
        flaw("'|lowr' ~ message|upper ~ nme", 26, "unknown name `nme`");
        flaw("'é' ~ nme", 6, "unknown name `nme`");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        flaw("range(10)", 0, "no functions");
        flaw("message.upper() == 'X'", 8, "no functions");
        flaw("answers.umur > 17", 13, "`answers.budget|number`");
    }

    #[test]
    fn the_names_that_are_read_are_told() {
        let names = |source| check(source).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(names("answers['raw'] ~ profile.name if payment else \"text\""), ["answers", "payment", "profile"]);
        assert_eq!(names("answers.umur|number(default=0) > 17 and answers.raw"), ["answers"]);
        assert_eq!(names("raw.data.items[0].lead.phon == 1.5"), ["raw"]);
        assert_eq!(names("not test and 'a' in message|lower is not none"), ["message", "test"]);
        assert_eq!(names("true"), Vec::<&str>::new());
    }
}
