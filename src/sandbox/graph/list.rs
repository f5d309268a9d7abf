//! The lists of the Graph stand-in: the forms of its one Page, and the leads of a form.
//!
//! Source: "Retrieving leads" (bulk read) and "Paginated results". Leads are listed that `POST /sandbox/submitted` named.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::agent::wire::Answer;
use super::super::submitted::Lead;
use super::{GraphCall, GraphError, lead, names};

/// The Page whose forms these are.
const PAGE: &str = "123456789012345";

/// The form that leads are submitted with when nothing else is said; there is always this one.
pub(in crate::sandbox) const USUAL_FORM: &str = "1234567890123456";

/// Elements on a page that asks for no number.
const USUAL: usize = 25;

/// The fields of a form that are known here, and those that it has when no `fields` are asked for.
const FORM_FIELDS: [&str; 6] = ["id", "locale", "name", "questions", "status", "tracking_parameters"];
const USUAL_FORM_FIELDS: [&str; 4] = ["id", "locale", "name", "status"];

/// A condition of `filtering`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    field: String,
    operator: String,
    value: i64,
}

impl GraphCall<'_> {
    /// The forms of the Page.
    pub(in crate::sandbox) fn forms(&self, leads: &[Lead]) -> Answer {
        let forms = || {
            // The token is not looked at, so `me` is the Page.
            if self.id != PAGE && self.id != "me" {
                return Err(GraphError::unknown_object(self.id));
            }
            let fields = self.fields(&FORM_FIELDS, &["id"])?;
            self.page(&forms_of(leads), "leadgen_forms", |form| shown(form, &fields))
        };
        forms().unwrap_or_else(Into::into)
    }

    /// What a form is; `None` where the id is no form's.
    pub(in crate::sandbox) fn form(&self, leads: &[Lead]) -> Option<Answer> {
        let told = || {
            let mut form = shown(self.id, &self.fields(&FORM_FIELDS, &USUAL_FORM_FIELDS)?);
            form.insert("id".to_owned(), json!(self.id));
            Ok(Answer::json(200, Value::Object(form)))
        };
        is_form(self.id, leads).then(|| told().unwrap_or_else(GraphError::into))
    }

    /// The leads of a form, the newest first.
    pub(in crate::sandbox) fn leads(&self, leads: &[Lead]) -> Answer {
        let listed = || {
            if !is_form(self.id, leads) {
                return Err(GraphError::unknown_object(self.id));
            }
            let fields = self.fields(&lead::FIELDS, &super::DEFAULT_FIELDS)?;
            let conditions = self.filtering()?;
            let of_form = leads.iter().filter(|lead| lead.form == self.id);
            let fits = |lead: &&Lead| conditions.iter().all(|condition| condition.holds(lead.at.as_second()));
            let leads: Vec<_> = of_form.filter(fits).cloned().collect();
            self.page(&leads, "leads", |submitted| {
                let mut whole = lead::made_up(&submitted.id, submitted.at);
                whole.extend(as_submitted(submitted));
                whole.into_iter().filter(|(name, _)| name == "id" || fields.contains(name)).collect()
            })
        };
        listed().unwrap_or_else(Into::into)
    }

    /// The names in `fields`, all of which must be `known`.
    fn fields(&self, known: &[&str], usual: &[&str]) -> Result<Vec<String>, GraphError> {
        let Some(asked) = self.parameter("fields").map(|fields| names(&fields)) else {
            return Ok(usual.iter().map(|field| (*field).to_owned()).collect());
        };
        match asked.iter().find(|field| !known.contains(&field.as_str())) {
            Some(unknown) => Err(GraphError::unknown_field(unknown)),
            None => Ok(asked),
        }
    }

    fn filtering(&self) -> Result<Vec<Condition>, GraphError> {
        let Some(text) = self.parameter("filtering") else { return Ok(Vec::new()) };
        let wrong = || GraphError::new(100, "(#100) param filtering must be an array of field, operator and value");
        let conditions: Vec<Condition> = serde_json::from_str(&text).map_err(|_| wrong())?;
        let known = |condition: &Condition| {
            condition.field == "time_created" && matches!(condition.operator.as_str(), "GREATER_THAN" | "LESS_THAN")
        };
        if conditions.iter().all(known) { Ok(conditions) } else { Err(wrong()) }
    }

    /// One page of `all`, as many as were asked for behind the cursor that was given.
    fn page<T>(&self, all: &[T], edge: &str, show: impl Fn(&T) -> Map<String, Value>) -> Result<Answer, GraphError> {
        let limit = match self.parameter("limit").map(|limit| limit.parse::<usize>()) {
            None => USUAL,
            Some(Ok(limit)) if limit > 0 => limit,
            Some(_) => return Err(GraphError::new(100, "(#100) param limit must be a positive integer")),
        };
        let begin = match self.parameter("after") {
            None => 0,
            Some(cursor) => place(&cursor).ok_or_else(|| GraphError::new(100, "(#100) Invalid cursors values"))?,
        };
        let shown: Vec<Value> = all.iter().skip(begin).take(limit).map(|one| Value::Object(show(one))).collect();
        let end = begin + shown.len();
        let mut body = json!({ "data": shown });
        if end > begin {
            body["paging"] = json!({ "cursors": { "before": cursor(begin), "after": cursor(end) } });
        }
        if end < all.len() {
            let next =
                format!("https://graph.facebook.com/v26.0/{}/{edge}?limit={limit}&after={}", self.id, cursor(end));
            body["paging"]["next"] = json!(next);
        }
        Ok(Answer::json(200, body))
    }
}

impl Condition {
    fn holds(&self, time: i64) -> bool {
        if self.operator == "GREATER_THAN" { time > self.value } else { time < self.value }
    }
}

/// True when this is the id of a form.
pub(in crate::sandbox) fn is_form(id: &str, leads: &[Lead]) -> bool {
    forms_of(leads).iter().any(|form| form == id)
}

/// These fields of a form.
fn shown(form: &str, fields: &[String]) -> Map<String, Value> {
    let whole = json!({
        "id": form,
        "locale": "id_ID",
        "name": "Konsultasi gratis",
        "questions": lead::questions(),
        "status": "ACTIVE",
        "tracking_parameters": {},
    });
    fields.iter().map(|field| (field.clone(), whole[field].clone())).collect()
}

/// What is known of a submitted lead, in place of what would be made up.
pub(in crate::sandbox) fn as_submitted(lead: &Lead) -> Map<String, Value> {
    let created = lead.at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
    Map::from_iter([("created_time".to_owned(), json!(created)), ("form_id".to_owned(), json!(lead.form))])
}

/// The usual form, and those that leads were submitted with.
fn forms_of(leads: &[Lead]) -> Vec<String> {
    let mut forms = vec![USUAL_FORM.to_owned()];
    for lead in leads {
        if !forms.contains(&lead.form) {
            forms.push(lead.form.clone());
        }
    }
    forms
}

fn cursor(place: usize) -> String {
    STANDARD.encode(format!("place {place}"))
}

fn place(cursor: &str) -> Option<usize> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("place ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn leads() -> Vec<Lead> {
        let lead = |id: &str, form: &str, second| Lead {
            id: id.to_owned(),
            form: form.to_owned(),
            at: Timestamp::from_second(second).unwrap(),
        };
        vec![lead("3", "77", 300), lead("2", USUAL_FORM, 200), lead("1", USUAL_FORM, 100)]
    }

    fn call<'a>(id: &'a str, query: &'a str) -> GraphCall<'a> {
        GraphCall { id, query, authorization: Some("Bearer EAAG") }
    }

    fn ids(answer: &Answer) -> Vec<&str> {
        answer.body["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    fn code(answer: &Answer) -> (u64, Option<u64>) {
        let error = &answer.body["error"];
        (error["code"].as_u64().unwrap(), error["error_subcode"].as_u64())
    }

    #[test]
    fn a_page_has_its_usual_form_and_those_that_leads_came_with() {
        assert_eq!(ids(&call("me", "fields=id").forms(&leads())), [USUAL_FORM, "77"]);
        assert_eq!(ids(&call(PAGE, "").forms(&[])), [USUAL_FORM]);
        assert_eq!(code(&call("9", "").forms(&leads())), (100, Some(33)));
        assert_eq!(code(&call("me", "fields=colour").forms(&leads())), (100, None));
    }

    #[test]
    fn a_form_tells_its_name_and_what_it_asks() {
        let form = call(USUAL_FORM, "fields=id,name,questions").form(&[]).unwrap().body;
        assert_eq!((&form["id"], form.as_object().unwrap().len()), (&json!(USUAL_FORM), 3));
        let asked: Vec<_> = form["questions"].as_array().unwrap().iter().map(|question| &question["key"]).collect();
        let lead = lead::made_up("987654321098765", Timestamp::UNIX_EPOCH);
        let answered: Vec<_> = lead["field_data"].as_array().unwrap().iter().map(|answer| &answer["name"]).collect();
        assert_eq!(asked, answered, "each answer of a lead has its question");
        assert_eq!(code(&call(USUAL_FORM, "fields=colour").form(&[]).unwrap()), (100, None));
        assert!(call("77", "").form(&[]).is_none() && call("77", "").form(&leads()).is_some());
    }

    #[test]
    fn the_leads_of_a_form_are_filtered_by_time_and_shown_with_the_fields_asked_for() {
        let filter = |condition: &str| format!("fields=id,created_time&filtering=%5B{condition}%5D");
        let after = |second| format!(r#"%7B"field":"time_created","operator":"GREATER_THAN","value":{second}%7D"#);
        let listed = |query: &str| call(USUAL_FORM, query).leads(&leads());
        assert_eq!(ids(&listed(&filter(&after(99)))), ["2", "1"]);
        assert_eq!(ids(&listed(&filter(&after(100)))), ["2"]);
        assert_eq!(
            listed(&filter(&after(100))).body["data"][0],
            json!({
                "id": "2", "created_time": "1970-01-01T00:03:20+0000"
            })
        );
        for wrong in
            ["7", r#"%7B"field":"age","operator":"GREATER_THAN","value":1%7D"#, &after(1).replace(":1%", ":\"1\"%")]
        {
            assert_eq!(code(&listed(&filter(wrong))), (100, None), "{wrong}");
        }
        assert_eq!(code(&call("78", "").leads(&leads())), (100, Some(33)));
        assert_eq!(code(&listed("fields=colour")), (100, None));
    }

    #[test]
    fn pages_follow_by_their_cursors_and_the_last_has_no_next() {
        let first = call(USUAL_FORM, "limit=1").leads(&leads());
        assert_eq!(ids(&first), ["2"]);
        assert!(first.body["paging"]["next"].as_str().unwrap().contains("&after="));
        let after = first.body["paging"]["cursors"]["after"].as_str().unwrap();
        let second = call(USUAL_FORM, &format!("limit=1&after={}", after.replace('=', "%3D"))).leads(&leads());
        assert_eq!((ids(&second), &second.body["paging"]["next"]), (vec!["1"], &Value::Null));
        assert_eq!(code(&call(USUAL_FORM, "after=x").leads(&leads())), (100, None));
        assert_eq!(code(&call(USUAL_FORM, "limit=0").leads(&leads())), (100, None));
    }
}
