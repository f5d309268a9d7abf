//! The finder of the LinkedIn stand-in: the leads of its one ad account and its one organisation.
//!
//! Source: "Lead Sync" on learn.microsoft.com/linkedin. The query is read as it came, undecoded, because LinkedIn's language
//! tells what is encoded from what is not. Leads are listed that `POST /sandbox/submitted` named.

use serde_json::{Map, Value, json};

use super::super::agent::wire::Answer;
use super::super::submitted::Lead;
use super::{made_up, refused};

/// The type that leads have when nothing else is said.
pub(in crate::sandbox) const USUAL_TYPE: &str = "SPONSORED";

/// Owners, as the finder writes them, and the types of their leads.
const OWNERS: [(&str, &[&str]); 2] = [
    ("(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A1234567)", &["SPONSORED"]),
    ("(organization:urn%3Ali%3Aorganization%3A1234567)", &["COMPANY", "EVENT", "ORGANIZATION_PRODUCT"]),
];

/// Leads on a page, at most and where no number is asked for.
const MOST: usize = 100;
const USUAL: usize = 10;

/// A question to the finder.
struct Question<'a> {
    kind: &'a str,
    span: (i64, i64),
    start: usize,
    count: usize,
    fields: Option<Vec<&'a str>>,
}

/// Answers the finder's `query`, which is undecoded.
pub(in crate::sandbox) fn find(query: &str, leads: &[Lead], today: jiff::Timestamp) -> Answer {
    let question = match read(query) {
        Ok(question) => question,
        Err(answer) => return answer,
    };
    let (since, until) = question.span;
    let fits = |lead: &&Lead| lead.form == question.kind && (since..until).contains(&lead.at.as_millisecond());
    let all: Vec<_> = leads.iter().filter(fits).collect();
    let shown = all.iter().skip(question.start).take(question.count);
    let elements: Vec<Value> = shown.map(|lead| element(lead, question.fields.as_deref(), today)).collect();
    let end = question.start + elements.len();
    let mut links = Vec::new();
    if end < all.len() {
        let href = format!("/rest/leadFormResponses?start={end}&count={}", question.count);
        links.push(json!({ "rel": "next", "type": "application/json", "href": href }));
    }
    let paging = json!({ "start": question.start, "count": question.count, "links": links });
    Answer::json(200, json!({ "paging": paging, "elements": elements }))
}

fn read(query: &str) -> Result<Question<'_>, Answer> {
    let wrong = |name: &str| refused(400, "ILLEGAL_ARGUMENT", &format!("Invalid query parameter {name}"));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let needed = |name| parameter(name).ok_or_else(|| wrong(name));
    let number = |name, usual| match parameter(name).map(str::parse) {
        None => Ok(usual),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(wrong(name)),
    };
    if needed("q")? != "owner" {
        return Err(wrong("q"));
    }
    let owner = needed("owner")?;
    let (_, types) = OWNERS.iter().find(|(known, _)| *known == owner).ok_or_else(|| wrong("owner"))?;
    let kind = needed("leadType")?.strip_prefix("(leadType:").and_then(|rest| rest.strip_suffix(')'));
    let kind = kind.filter(|kind| types.contains(kind)).ok_or_else(|| wrong("leadType"))?;
    let span = parameter("submittedAtTimeRange").map_or(Some((0, i64::MAX)), time_range);
    let limited = parameter("limitedToTestLeads").unwrap_or("false");
    let count = number("count", USUAL)?;
    if !matches!(limited, "true" | "false") {
        return Err(wrong("limitedToTestLeads"));
    }
    if !(1..=MOST).contains(&count) {
        return Err(wrong("count"));
    }
    Ok(Question {
        kind,
        span: span.ok_or_else(|| wrong("submittedAtTimeRange"))?,
        start: number("start", 0)?,
        count,
        fields: parameter("fields").map(|fields| fields.split(',').collect()),
    })
}

/// `(start:1795450000000,end:1795460000000)`
fn time_range(text: &str) -> Option<(i64, i64)> {
    let (start, end) = text.strip_prefix("(start:")?.strip_suffix(')')?.split_once(",end:")?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

fn element(lead: &Lead, fields: Option<&[&str]>, today: jiff::Timestamp) -> Value {
    let mut whole = made_up(&lead.id, today);
    if let Some(members) = whole.as_object_mut() {
        members.extend(as_submitted(lead));
        members.retain(|name, _| fields.is_none_or(|fields| fields.contains(&name.as_str())));
    }
    whole
}

/// What is known of a submitted lead, in place of what would be made up.
pub(in crate::sandbox) fn as_submitted(lead: &Lead) -> Map<String, Value> {
    let mut known = Map::from_iter([
        ("leadType".to_owned(), json!(lead.form)),
        ("submittedAt".to_owned(), json!(lead.at.as_millisecond())),
    ]);
    if lead.form != USUAL_TYPE {
        known.insert("owner".to_owned(), json!({ "organization": "urn:li:organization:1234567" }));
    }
    known
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const OWNER: &str = "q=owner&owner=(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A1234567)";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn found(query: &str) -> Answer {
        let lead = |id: &str, form: &str, millis| Lead { id: id.to_owned(), form: form.to_owned(), at: at(millis) };
        find(query, &[lead("c", "SPONSORED", 300), lead("b", "EVENT", 200), lead("a", "SPONSORED", 100)], at(0))
    }

    fn ids(answer: &Answer) -> Vec<&str> {
        answer.body["elements"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_leads_of_an_owner_are_found_by_type_and_time() {
        let sponsored = |rest: &str| found(&format!("{OWNER}&leadType=(leadType:SPONSORED){rest}"));
        assert_eq!(ids(&sponsored("&limitedToTestLeads=false")), ["c", "a"]);
        assert_eq!(ids(&sponsored("&submittedAtTimeRange=(start:100,end:300)")), ["a"]);
        let first = sponsored("&count=1&fields=id,submittedAt");
        assert_eq!(first.body["elements"], json!([{ "id": "c", "submittedAt": 300 }]));
        assert_eq!(first.body["paging"]["links"][0]["rel"], "next");
        let last = sponsored("&start=1&count=1");
        assert_eq!((ids(&last), &last.body["paging"]["links"]), (vec!["a"], &json!([])));
        let events = "q=owner&owner=(organization:urn%3Ali%3Aorganization%3A1234567)&leadType=(leadType:EVENT)";
        assert_eq!(ids(&found(events)), ["b"]);
    }

    #[test]
    fn what_a_generic_encoder_makes_of_the_query_is_refused() {
        let good = format!("{OWNER}&leadType=(leadType:SPONSORED)&submittedAtTimeRange=(start:1,end:2)&count=100");
        assert_eq!(found(&good).status, 200);
        for (part, wrong) in [
            ("q=owner", "q=author"),
            ("(sponsoredAccount:urn%3Ali", "%28sponsoredAccount%3Aurn%3Ali"),
            ("urn%3Ali%3AsponsoredAccount%3A", "urn:li:sponsoredAccount:"),
            ("(leadType:SPONSORED)", "(leadType%3ASPONSORED)"),
            ("(leadType:SPONSORED)", "SPONSORED"),
            ("(leadType:SPONSORED)", "(leadType:EVENT)"),
            ("(start:1,end:2)", "(start:1%2Cend:2)"),
            ("(start:1,end:2)", "(start:a,end:2)"),
            ("count=100", "count=101"),
            ("count=100", "start=x"),
        ] {
            let answer = found(&good.replace(part, wrong));
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!("ILLEGAL_ARGUMENT")), "{wrong}");
        }
    }
}
