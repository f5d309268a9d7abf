//! The list of a Page's leads: its forms, then the leads of each form, a page at a time.
//!
//! Sources: "Retrieving Leads" (bulk read, with its filter by time) and "Paginated Results" on developers.facebook.com.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::json::{self, Object};
use super::super::waits::MINUTE;
use super::super::{Lookup, LookupAnswer, Page, Span};
use super::graph::{ALL_USED_UP, Code, Graph, Trouble, USED_UP, dead_token, named, sorted, until_regained};
use super::{is_id, read};

/// What stands for the Page whose token it is.
pub(super) const OWN_PAGE: &str = "me";

/// Forms on a page.
const FORMS: &str = "100";

/// Leads on a page. A webhook may hold a thousand; a page is sorted in one step, and others wait for it.
const LEADS: &str = "200";

/// Where a reading stands: the cursor, opened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The forms whose leads are still to be listed; the first one's are being. None of them: forms are asked for.
    forms: Vec<String>,
    /// Behind this the leads of the first form go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Behind this the forms go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<String>,
}

impl Place {
    /// The place that a cursor names; `None` when it is not one of ours.
    pub(super) fn read(cursor: Option<&str>) -> Option<Self> {
        let Some(cursor) = cursor else { return Some(Self::default()) };
        let place: Self = serde_json::from_str(cursor).ok()?;
        place.forms.iter().all(|form| is_id(form)).then_some(place)
    }

    /// The cursor that names it; `None` when nothing is left to be asked.
    fn write(&self) -> Option<String> {
        let is_end = self.forms.is_empty() && self.more.is_none();
        (!is_end).then(|| serde_json::to_string(self).expect("texts have a JSON form"))
    }

    /// The place behind this page of the first form's leads, which go on behind `after`.
    fn behind_leads(mut self, after: Option<String>) -> Self {
        if after.is_none() {
            self.forms.remove(0);
        }
        Self { after, ..self }
    }
}

/// The question for the page at `place`.
pub(super) fn page(graph: &Graph, page_id: &str, span: Span, place: &Place) -> Lookup {
    let (mut lookup, limit, after) = match place.forms.first() {
        None => (graph.ask(&format!("{page_id}/leadgen_forms"), "id"), FORMS, &place.more),
        Some(form) => {
            let mut lookup = graph.ask(&format!("{form}/leads"), "id,created_time");
            lookup.query.push(("filtering", filtering(span)));
            (lookup, LEADS, &place.after)
        }
    };
    lookup.query.push(("limit", limit.to_owned()));
    lookup.query.extend(after.clone().map(|after| ("after", after)));
    lookup
}

/// Leads from the second of `since` on. The other end is left to us: Meta documents this operator only.
fn filtering(span: Span) -> String {
    let before = span.since.as_second() - 1;
    format!(r#"[{{"field":"time_created","operator":"GREATER_THAN","value":{before}}}]"#)
}

/// Judges the answer to the question for `place`.
pub(super) fn listed(page_id: &str, span: Span, place: Place, answer: &LookupAnswer<'_>) -> Page {
    let object = std::str::from_utf8(answer.body).ok().and_then(Object::parse).unwrap_or_default();
    let (data, error) = (object.get("data").filter(|data| data.get().starts_with('[')), object.get("error"));
    match data {
        Some(data) if (200..300).contains(&answer.status) && error.is_none() => {
            let after = goes_on(&object.object("paging"));
            let data = json::list(data);
            if place.forms.is_empty() { forms(&data, after) } else { leads(page_id, span, place, &data, after) }
        }
        Some(_) | None => refused(page_id, &place, sorted(answer.status, error), answer),
    }
}

/// Behind which cursor there is more. `next` is a whole address with the token in it; what counts in it is the cursor.
fn goes_on(paging: &Object<'_>) -> Option<String> {
    let next = paging.text("next")?;
    let in_next = || {
        let url = url::Url::parse(&next).ok()?;
        url.query_pairs().find(|(name, _)| name == "after").map(|(_, after)| after.into_owned())
    };
    paging.object("cursors").text("after").or_else(in_next)
}

fn forms(data: &[&RawValue], more: Option<String>) -> Page {
    let ids = data.iter().filter_map(|form| Object::parse(form.get())?.text("id")).filter(|id| is_id(id));
    let place = Place { forms: ids.collect(), after: None, more };
    Page::Leads { webhook: None, leads: 0, next: place.write() }
}

fn leads(page_id: &str, span: Span, place: Place, data: &[&RawValue], after: Option<String>) -> Page {
    if after.is_some() && after == place.after {
        return Page::Refused("Meta's list of leads goes round in a circle: try again later".to_owned());
    }
    let form = place.forms.first().cloned().unwrap_or_default();
    let changes: Vec<_> = data.iter().filter_map(|lead| change(page_id, &form, span.until, lead)).collect();
    let leads = changes.len();
    let webhook = (leads > 0).then(|| {
        let mut entry = json!({ "changes": changes });
        if page_id != OWN_PAGE {
            entry["id"] = json!(page_id);
        }
        json!({ "object": "page", "entry": [entry] }).to_string().into()
    });
    Page::Leads { webhook, leads, next: place.behind_leads(after).write() }
}

/// A lead as a webhook names it; `None` when it was submitted at `until` or later. What has no id is not left out: it will
/// be a dead letter, with its bytes.
fn change(page_id: &str, form: &str, until: Timestamp, raw: &RawValue) -> Option<Value> {
    let lead = Object::parse(raw.get()).unwrap_or_default();
    let created = lead.text("created_time").and_then(|time| read::written(&time));
    if created.is_some_and(|created| created >= until) {
        return None;
    }
    let mut value = match lead.text("id") {
        Some(id) => json!({ "leadgen_id": id }),
        None => json!({ "listed": raw.get() }),
    };
    value["form_id"] = json!(form);
    if let Some(created) = created {
        value["created_time"] = json!(created.as_second());
    }
    if page_id != OWN_PAGE {
        value["page_id"] = json!(page_id);
    }
    Some(json!({ "field": "leadgen", "value": value }))
}

/// What an answer without a list means. The kinds of trouble are those of a lead's own question.
fn refused(page_id: &str, place: &Place, (trouble, code): (Trouble, Code), answer: &LookupAnswer<'_>) -> Page {
    let numbers = named(answer.status, code);
    match (trouble, place.forms.first()) {
        (Trouble::Throttled, _) => Page::Later(until_regained(answer), ALL_USED_UP.to_owned()),
        (Trouble::PageThrottled, _) => Page::Later(until_regained(answer), USED_UP.to_owned()),
        (Trouble::Transient, _) => Page::Later(MINUTE / 2, format!("Meta's Graph API fails ({numbers})")),
        // Without a subcode it may be a good token of somebody else.
        (Trouble::Token, None) if code.error_subcode.is_none() => Page::Refused(format!(
            "Meta does not take the access token for the forms of the Page ({numbers}): set META_ACCESS_TOKEN to a \
             token of the Page, or to one of a system user and META_PAGE_ID to the Page's id"
        )),
        (Trouble::Token, _) => Page::Refused(dead_token(code.error_subcode)),
        (Trouble::Permission, _) => Page::Refused(format!(
            "the token may not list leads ({numbers}): give the app `leads_retrieval`, `pages_manage_ads` and \
             `pages_read_engagement`, and add it in the Page's Leads Access Manager"
        )),
        (Trouble::NotFound | Trouble::Question, None) => Page::Refused(format!(
            "Meta shows no forms of the Page `{page_id}` ({numbers}): with a system user's token set META_PAGE_ID to \
             the Page's id, and check that META_APP_SECRET and the access token are of the same app"
        )),
        (Trouble::NotFound, Some(form)) => Page::Refused(format!(
            "Meta does not show the leads of the form {form} ({numbers}; it was deleted, or the access is missing): \
             check the app's `leads_retrieval` and the Page's Leads Access Manager"
        )),
        (Trouble::Question, Some(_)) => Page::Refused(format!(
            "Meta refused the question for a form's leads ({numbers}): check that META_APP_SECRET and the access token \
             are of the same app and that `graph_version` still lives"
        )),
        (Trouble::Policy, _) => Page::Refused(format!(
            "Meta has blocked this access for a breach of its policies ({numbers}): look into the app's alerts"
        )),
        (Trouble::Unknown, _) => Page::Refused(format!(
            "Meta answered with an error that is not known ({numbers}): look it up in Meta's documents"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Secrets;
    use super::*;

    fn graph() -> Graph {
        let secret = |text: &str| Secrets::new(vec![text.into()]).unwrap();
        let (app, token) =
            (secret("konektor-meta-app-secret-0123456789ab"), secret("EAAGm0PX4ZCpsBAKonektorExampleToken"));
        Graph::new("https://graph.facebook.com", "v26.0".into(), app, token, false).unwrap()
    }

    fn span() -> Span {
        let at = |second| Timestamp::from_second(second).unwrap();
        Span { since: at(1_795_450_000), until: at(1_795_460_000) }
    }

    fn answered(status: u16, body: &str, place: Place) -> Page {
        let answer =
            LookupAnswer { status, headers: &[], body: body.as_bytes(), failing_for: std::time::Duration::ZERO };
        listed("77", span(), place, &answer)
    }

    fn place(cursor: &str) -> Place {
        Place::read(Some(cursor)).unwrap()
    }

    fn at_form() -> Place {
        place(r#"{"forms":["11","12"]}"#)
    }

    /// The path and the query, but for what proves who asks.
    fn asked(place: &Place) -> (String, Vec<(&'static str, String)>) {
        let mut lookup = page(&graph(), "77", span(), place);
        assert!(lookup.bearer.is_some(), "the token is in no URL");
        assert_eq!(lookup.query.remove(1).0, "appsecret_proof");
        (lookup.url.replace("https://graph.facebook.com/v26.0/", ""), lookup.query)
    }

    #[test]
    fn the_forms_of_the_page_are_asked_for_and_then_the_leads_of_each_since_then() {
        let query =
            |pairs: &[(&'static str, &str)]| pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect::<Vec<_>>();
        assert_eq!(asked(&Place::default()), ("77/leadgen_forms".into(), query(&[("fields", "id"), ("limit", "100")])));
        let filter = r#"[{"field":"time_created","operator":"GREATER_THAN","value":1795449999}]"#;
        let leads = [("fields", "id,created_time"), ("filtering", filter), ("limit", "200")];
        assert_eq!(asked(&at_form()), ("11/leads".into(), query(&leads)));
        let further = [&leads[..], &[("after", "QVF")]].concat();
        assert_eq!(asked(&place(r#"{"forms":["11"],"after":"QVF"}"#)), ("11/leads".into(), query(&further)));
    }

    fn turned(page: Page) -> (usize, Option<String>) {
        match page {
            Page::Leads { leads, next, .. } => (leads, next),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn forms_and_pages_follow_each_other_to_the_end() {
        let next = |body: &str, from: Place| turned(answered(200, body, from)).1;
        let more =
            r#","paging":{"cursors":{"before":"a","after":"QVF"},"next":"https://graph.facebook.com/x?after=QVF"}"#;
        let forms = |paging: &str| format!(r#"{{"data":[{{"id":"11"}},{{"id":"12"}},{{"id":"../1"}},7]{paging}}}"#);
        assert_eq!(next(&forms(""), Place::default()).unwrap(), r#"{"forms":["11","12"]}"#);
        assert_eq!(next(&forms(more), Place::default()).unwrap(), r#"{"forms":["11","12"],"more":"QVF"}"#);
        assert_eq!(next(r#"{"data":[]}"#, Place::default()), None, "a Page without forms");
        let leads = |paging: &str| format!(r#"{{"data":[{{"id":"1"}}]{paging}}}"#);
        assert_eq!(next(&leads(more), at_form()).unwrap(), r#"{"forms":["11","12"],"after":"QVF"}"#);
        assert_eq!(next(&leads(""), at_form()).unwrap(), r#"{"forms":["12"]}"#);
        let last_of = |paging: &str| r#","paging":{"cursors":{"before":"a","after":"QVF"}}"#.to_owned() + paging;
        assert_eq!(next(&leads(&last_of("")), place(r#"{"forms":["12"]}"#)), None, "a last page has cursors, too");
        assert_eq!(next(&leads(""), place(r#"{"forms":["12"],"more":"Z"}"#)).unwrap(), r#"{"forms":[],"more":"Z"}"#);
        let bare = r#","paging":{"next":"https://graph.facebook.com/x?limit=1&after=Q%3D"}"#;
        assert_eq!(next(&leads(bare), at_form()).unwrap(), r#"{"forms":["11","12"],"after":"Q="}"#);
        let circle = answered(200, &leads(more), place(r#"{"forms":["11"],"after":"QVF"}"#));
        assert!(matches!(circle, Page::Refused(_)), "{circle:?}");
    }

    #[test]
    fn a_page_of_leads_is_a_webhook_as_meta_would_have_sent_it_up_to_the_end_of_the_span() {
        let body = r#"{"data":[{"id":"1","created_time":"2026-11-23T16:06:40+0000"},{"id":2},
            {"id":"3","created_time":"2026-11-23T18:53:20+0000"},{"created_time":"2026-11-23T16:06:41+0000"}]}"#;
        let Page::Leads { webhook, leads, .. } = answered(200, body, at_form()) else { panic!() };
        let webhook: Value = serde_json::from_slice(&webhook.unwrap()).unwrap();
        let change = |value: Value| json!({ "field": "leadgen", "value": value });
        let expected = [
            change(json!({ "leadgen_id": "1", "form_id": "11", "page_id": "77", "created_time": 1_795_450_000 })),
            change(json!({ "leadgen_id": "2", "form_id": "11", "page_id": "77" })),
            change(json!({
                "listed": r#"{"created_time":"2026-11-23T16:06:41+0000"}"#,
                "form_id": "11", "page_id": "77", "created_time": 1_795_450_001
            })),
        ];
        assert_eq!(webhook, json!({ "object": "page", "entry": [{ "id": "77", "changes": expected }] }));
        assert_eq!(leads, 3);
        assert_eq!(
            answered(200, r#"{"data":[]}"#, at_form()),
            Page::Leads { webhook: None, leads: 0, next: Some(r#"{"forms":["12"]}"#.into()) }
        );
    }

    #[test]
    fn each_kind_of_trouble_says_what_to_do_and_none_looks_like_an_empty_list() {
        let said = |status, code: i64, subcode: i64, place: Place| {
            let subcode = if subcode == 0 { String::new() } else { format!(r#","error_subcode":{subcode}"#) };
            match answered(status, &format!(r#"{{"error":{{"code":{code}{subcode}}}}}"#), place) {
                Page::Refused(why) | Page::Later(_, why) => why,
                Page::Leads { .. } => panic!("{status} {code}"),
            }
        };
        for (code, subcode, at_forms, word) in [
            (190, 463, true, "it has expired"),
            (190, 0, true, "META_PAGE_ID"),
            (190, 0, false, "set a new META_ACCESS_TOKEN"),
            (200, 0, false, "leads_retrieval"),
            (10, 0, true, "pages_manage_ads"),
            (100, 0, true, "META_PAGE_ID"),
            (803, 0, true, "META_PAGE_ID"),
            (100, 33, false, "the form 11"),
            (100, 0, false, "same app"),
            (368, 0, false, "policies"),
            (2500, 0, false, "code 2500"),
            (4, 0, false, "rate limit"),
            (2, 0, false, "fails (code 2)"),
        ] {
            let place = if at_forms { Place::default() } else { at_form() };
            let why = said(400, code, subcode, place);
            assert!(why.contains(word), "{code} {subcode}: {why}");
        }
        for (status, body) in [(200, "{}"), (200, "<html>"), (200, r#"{"data":7}"#), (502, ""), (429, "")] {
            assert!(matches!(answered(status, body, at_form()), Page::Later(_, _)), "{status} {body}");
        }
        let both = r#"{"data":[],"error":{"code":190,"error_subcode":467}}"#;
        assert!(matches!(answered(200, both, at_form()), Page::Refused(_)));
    }

    #[test]
    fn a_cursor_of_somebody_else_is_none() {
        for bad in ["", "7", "{}", r#"{"forms":["../me"]}"#, r#"{"forms":[],"x":1}"#, "SPONSORED:0"] {
            assert_eq!(Place::read(Some(bad)), None, "{bad}");
        }
        assert_eq!(Place::read(None), Some(Place::default()));
    }
}
