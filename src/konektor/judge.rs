//! What an answer means for delivery.

use serde::de::DeserializeOwned;

use super::call::Call;
use super::refused::{Names, Refused, refused};
use super::wire::{Framed, LeadView, Page};
use super::{Request, Verdict, Writing};

impl Request {
    /// The call that asks it.
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Create(body) => Call::create(body),
            Self::Update(id, body) => Call::update(id, body),
            Self::Get(id) => Call::lead(id),
            Self::Search { text, cursor } => Call::search(text, cursor.as_ref()),
            Self::Probe => Call::probe(),
            Self::ProbeWrite => Call::refusable(Writing::Leads),
            Self::Workspace => Call::workspace(),
        }
    }

    const fn names(&self) -> Names {
        match self {
            Self::Update(..) | Self::Get(_) | Self::ProbeWrite => Names::Lead,
            Self::Create(_) | Self::Search { .. } | Self::Probe | Self::Workspace => Names::Place,
        }
    }
}

/// Says what `status` and `body` mean as the answer to `request`.
#[must_use]
pub fn judge(request: &Request, status: u16, body: &[u8]) -> Verdict {
    match refused(request.names(), status, body) {
        // Whoever may not write hears that first, or at least hears it.
        Some(Refused::NotFound | Refused::Invalid(_)) if *request == Request::ProbeWrite => Verdict::Allowed,
        Some(why) => why.into(),
        None => success(request, body),
    }
}

/// The same for a body that was cut, or too long: the status alone still proves that a refused request was not executed.
pub(super) fn judge_cut(request: &Request, status: u16) -> Verdict {
    match refused(request.names(), status, b"") {
        Some(why) => why.into(),
        None => Verdict::Unclear("an answer that was cut"),
    }
}

fn success(request: &Request, body: &[u8]) -> Verdict {
    let read = match request {
        Request::Probe | Request::ProbeWrite => Some(Verdict::Allowed),
        Request::Search { .. } => serde_json::from_slice(body).ok().map(found),
        Request::Create(_) | Request::Update(..) | Request::Get(_) => {
            framed(body).filter(|lead: &LeadView| !lead.id.0.is_empty()).map(|lead| Verdict::Lead(Box::new(lead)))
        }
        Request::Workspace => framed(body).map(|workspace| Verdict::Workspace(Box::new(workspace))),
    };
    read.unwrap_or(Verdict::Unclear("a success that cannot be read"))
}

fn framed<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice::<Framed<T>>(body).ok().map(|framed| framed.data)
}

fn found(page: Page) -> Verdict {
    let leads = page.leads.into_iter().map(|lead| lead.read).collect();
    Verdict::Found { leads, total: page.pagination.total, next: page.pagination.next_cursor }
}

impl From<Refused> for Verdict {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Invalid(fields) => Self::Invalid(fields),
            Refused::NotFound => Self::NotFound,
            Refused::Conflict => Self::Conflict,
            Refused::Unauthorized => Self::Unauthorized,
            Refused::Forbidden => Self::Forbidden,
            Refused::Quota => Self::Quota,
            Refused::Throttled => Self::Throttled,
            Refused::Misconfigured => Self::Misconfigured,
            Refused::Unsent(why) => Self::Unsent(why),
            Refused::Unclear(why) => Self::Unclear(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::LeadId;
    use crate::domain::status::Status;
    use crate::konektor::wire::{Cursor, LeadsPerDay, Word};

    fn create() -> Request {
        Request::Create(Box::default())
    }

    #[test]
    fn a_lead_is_read_from_a_create_with_fewer_fields_than_a_get() {
        let body =
            br#"{"success":true,"data":{"id":"lead_xyz789","firstName":"Andi","status":"brand-new","surprise":1}}"#;
        let Verdict::Lead(lead) = judge(&create(), 201, body) else { panic!("a lead") };
        assert_eq!((lead.id.0.as_str(), lead.status), ("lead_xyz789", Some(Word::<Status>::Other("brand-new".into()))));
        assert!(matches!(judge(&create(), 200, body), Verdict::Lead(_)), "200 is as good as 201");
    }

    #[test]
    fn the_workspace_is_read_and_its_refusals_are_told_apart() {
        let body = br#"{"success":true,"data":{"timezone":"Asia/Jakarta","usage":{"leadsPerDay":{"limit":500,"current":23}}}}"#;
        let Verdict::Workspace(workspace) = judge(&Request::Workspace, 200, body) else { panic!("a workspace") };
        assert_eq!(workspace.leads_per_day(), LeadsPerDay { limit: Some(500), current: Some(23) });
        assert!(matches!(judge(&Request::Workspace, 200, b"<html>"), Verdict::Unclear(_)));
        assert_eq!(judge(&Request::Workspace, 403, b""), Verdict::Forbidden);
        assert_eq!(judge(&Request::Workspace, 404, b""), Verdict::Misconfigured);
    }

    #[test]
    fn who_may_update_a_lead_that_is_not_there_may_write() {
        let probed = |status| judge(&Request::ProbeWrite, status, b"");
        assert_eq!([404, 400, 200].map(probed), [const { Verdict::Allowed }; 3]);
        assert_eq!((probed(403), probed(401)), (Verdict::Forbidden, Verdict::Unauthorized));
        assert!(matches!(probed(500), Verdict::Unclear(_)));
    }

    #[test]
    fn a_success_without_a_lead_is_unclear() {
        for body in [&b""[..], b"ok", b"{}", br#"{"success":true,"data":{}}"#, br#"{"data":{"id":""}}"#] {
            assert!(matches!(judge(&create(), 201, body), Verdict::Unclear(_)));
        }
    }

    #[test]
    fn a_lead_that_is_gone_is_told_from_a_wrong_address() {
        let update = Request::Update(LeadId("lead_abc123".into()), Box::default());
        assert_eq!(judge(&update, 404, b""), Verdict::NotFound);
        assert_eq!(judge(&create(), 404, b""), Verdict::Misconfigured);
    }

    #[test]
    fn a_page_of_a_search_says_how_many_there_are_and_where_it_goes_on() {
        let told = |pagination: &str| {
            let body = format!(r#"{{"data":[{{"id":"a"}},{{"id":"b"}}],"pagination":{pagination}}}"#);
            match judge(&Request::search("x"), 200, body.as_bytes()) {
                Verdict::Found { leads, total, next } if leads.len() == 2 => (total, next),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told(r#"{"total":3,"nextCursor":"more"}"#), (Some(3), Some(Cursor("more".into()))));
        assert_eq!(told(r#"{"total":2,"nextCursor":null}"#), (Some(2), None));
        assert_eq!(told("{}"), (None, None));
    }

    #[test]
    fn a_refusal_that_was_cut_is_one_all_the_same_and_a_success_is_not() {
        assert_eq!(judge_cut(&create(), 401), Verdict::Unauthorized);
        assert!(matches!(judge_cut(&create(), 201), Verdict::Unclear(_)));
        assert!(matches!(judge_cut(&Request::Probe, 200), Verdict::Unclear(_)));
    }
}
