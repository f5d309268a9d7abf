//! The work of a call: what is committed or read, and the answer that tells of it.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::call::Task;
use super::fields::Fields;
use super::page::Page;
use super::query::{Query, bad_cursor, cursor_after};
use super::settings::Workspace;
use super::wire::{self, Answer, Refusal};
use super::world::World;

/// The workspaces are in Jakarta, which has no daylight saving time: the offset is the zone.
const TIME_ZONE: &str = "Asia/Jakarta";
const OFFSET: Offset = Offset::constant(7);

impl World {
    /// Does `task` in `workspace`.
    pub(super) fn done(&self, task: Task, workspace: &Workspace) -> Result<Answer, Refusal> {
        match task {
            Task::List(query) => self.list(workspace, &query),
            Task::Get(id) => self.get(workspace, &id),
            Task::Create(fields) => self.create(workspace, &fields),
            Task::Update(id, fields) => self.update(workspace, &id, &fields),
            Task::Workspace => self.show(workspace),
        }
    }

    fn list(&self, workspace: &Workspace, query: &Query) -> Result<Answer, Refusal> {
        let lag = self.state().mishaps.faults.search_lag;
        let visible_until = (!lag.is_zero()).then(|| self.clock.now().checked_sub(lag).unwrap_or(Timestamp::MIN));
        let page =
            self.leads().page(&workspace.name, query, visible_until).map_err(broken)?.map_err(|_| bad_cursor())?;
        let leads: Vec<Value> = page.leads.iter().map(|lead| wire::whole(lead, self.shown)).collect();
        Ok(Answer::json(200, json!({"success": true, "data": leads, "pagination": pagination(query, &page)})))
    }

    fn get(&self, workspace: &Workspace, id: &str) -> Result<Answer, Refusal> {
        let lead = self.leads().get(&workspace.name, id).map_err(broken)?.ok_or(Refusal::NotFound("Lead not found"))?;
        Ok(Answer::success(200, &wire::whole(&lead, self.shown)))
    }

    fn create(&self, workspace: &Workspace, fields: &Fields) -> Result<Answer, Refusal> {
        let daily_limit = self.state().mishaps.faults.daily_limit;
        // The time is asked under the lock, so that leads are committed in the order of their creation, which cursors need.
        let mut leads = self.leads();
        let now = self.clock.now();
        if let Some(limit) = daily_limit
            && leads.created_since(&workspace.name, start_of_day(now)).map_err(broken)? >= i64::from(limit)
        {
            return Err(Refusal::Forbidden("daily lead limit reached".to_owned()));
        }
        let lead = leads.create(&workspace.name, fields, now).map_err(broken)?;
        Ok(Answer::success(201, &wire::created(&lead, self.shown)))
    }

    fn update(&self, workspace: &Workspace, id: &str, fields: &Fields) -> Result<Answer, Refusal> {
        let mut leads = self.leads();
        let lead = leads.update(&workspace.name, id, fields, self.clock.now()).map_err(broken)?;
        let lead = lead.ok_or(Refusal::NotFound("Lead not found"))?;
        Ok(Answer::success(200, &wire::updated(&lead, fields, self.shown)))
    }

    fn show(&self, workspace: &Workspace) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let current = self.leads().created_since(&workspace.name, start_of_day(now)).map_err(broken)?;
        let limit = self.state().mishaps.faults.daily_limit.unwrap_or(workspace.leads_per_day);
        let data = json!({
            "displayName": workspace.display_name,
            "timezone": TIME_ZONE,
            "currency": "IDR",
            "language": "id",
            "dateFormat": "DD/MM/YYYY",
            "trackingCode": "KNK-sandbox",
            "subscription": {
                "plan": workspace.plan,
                "status": "active",
                "interval": "monthly",
                "currentPeriodEnd": wire::time(start_of_next_month(now)),
            },
            "usage": {
                "leadsPerDay": {"limit": limit, "current": current},
                "teamMembers": 5,
                "activeRotators": 2,
            },
        });
        Ok(Answer::success(200, &data))
    }
}

fn pagination(query: &Query, page: &Page) -> Value {
    let next = page.leads.last().filter(|_| page.more).map(|last| cursor_after(&last.id));
    json!({
        "page": query.page,
        "limit": query.limit,
        "total": page.total,
        "totalPages": page.total / query.limit + i64::from(page.total % query.limit > 0),
        "nextCursor": next,
    })
}

fn start_of_day(now: Timestamp) -> Timestamp {
    instant(OFFSET.to_datetime(now).start_of_day())
}

fn start_of_next_month(now: Timestamp) -> Timestamp {
    let first = OFFSET.to_datetime(now).first_of_month().start_of_day();
    instant(first.saturating_add(1.month()))
}

fn instant(local: DateTime) -> Timestamp {
    OFFSET.to_timestamp(local).expect("clocks show no time near the end of the calendar")
}

/// SQLite failed, which no caller caused.
fn broken(error: rusqlite::Error) -> Refusal {
    tracing::error!(%error, "the sandbox's database failed; the call is answered 500");
    Refusal::Internal
}
