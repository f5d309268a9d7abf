//! The work of a call: what is committed or read, and the answer that tells of it.

use jiff::Timestamp;
use serde_json::json;

use super::answers::{
    Ends, LeadsPerDay, Listed, Moment, Number, Pagination, Stage, Subscription, Summary, Unsynced, Usage,
    WorkspaceShown,
};
use super::call::Task;
use super::conversions::SyncStatus;
use super::fields::{Field, Fields};
use super::lead::{CreatedLead, UpdatedLead, WholeLead};
use super::period::{Period, Span, midnight, next_month};
use super::query::{Cursor, Query, SortBy, bad_cursor};
use super::ticket::Ticket;
use super::wire::{Answer, Refusal};
use strum::VariantArray;

use crate::domain::status::Status;
use crate::sandbox::records::analytics::InStatus;
use crate::sandbox::records::lead::Lead;
use crate::sandbox::records::page::Page;
use crate::sandbox::settings::Workspace;
use crate::sandbox::world::World;

/// The most pending conversions that are told of; the contract names no limit and knows no pages here.
const MAX_PENDING: u32 = 100;

impl World {
    /// Does `task` in `workspace`.
    pub(in crate::sandbox) fn done(&self, task: Task, workspace: &Workspace) -> Result<Answer, Refusal> {
        match task {
            Task::List(query) => self.list(workspace, &query),
            Task::Get(id) => self.get(workspace, &id),
            Task::Create(fields) => self.create(workspace, &fields),
            Task::Update(id, fields) => self.update(workspace, &id, &fields),
            Task::Summary(span) => self.summary(workspace, &span),
            Task::Funnel(span) => self.funnel(workspace, &span),
            Task::Campaigns(span) => self.campaigns(workspace, &span),
            Task::ConversionStatus(span) => self.conversion_status(workspace, &span),
            Task::ConversionPending => self.conversion_pending(workspace),
            Task::Workspace => self.show(workspace),
            Task::Ticket(ticket) => self.file(workspace, &ticket),
        }
    }

    fn list(&self, workspace: &Workspace, query: &Query) -> Result<Answer, Refusal> {
        let lag = self.state().mishaps.faults.search_lag;
        let visible_until = (!lag.is_zero()).then(|| self.clock.now().checked_sub(lag).unwrap_or(Timestamp::MIN));
        let page = self.records().page(workspace, query, visible_until).map_err(broken)?.map_err(|_| bad_cursor())?;
        let leads = page.leads.iter().map(|lead| WholeLead::of(lead, self.shown)).collect();
        Ok(Answer::json(200, json!(Listed::of(leads, pagination(query, &page)))))
    }

    fn get(&self, workspace: &Workspace, id: &str) -> Result<Answer, Refusal> {
        let lead = self.records().get(&workspace.name, id).map_err(broken)?;
        let lead = lead.ok_or(Refusal::NotFound("Lead not found"))?;
        Ok(Answer::success(200, WholeLead::of(&lead, self.shown)))
    }

    fn create(&self, workspace: &Workspace, fields: &Fields) -> Result<Answer, Refusal> {
        // The time is asked under the lock, so that leads are committed in the order of their creation, which cursors need.
        let mut records = self.records();
        let now = self.clock.now();
        let (daily_limit, ending) = {
            let mishaps = &mut self.state().mishaps;
            (mishaps.faults.daily_limit, mishaps.ending())
        };
        if let Some(limit) = daily_limit
            && records.created_since(&workspace.name, midnight(now, &workspace.time_zone)).map_err(broken)?
                >= i64::from(limit)
        {
            return Err(Refusal::Forbidden("daily lead limit reached".to_owned()));
        }
        let lead = records.create(&workspace.name, fields, ending, now).map_err(broken)?;
        self.notices.created(workspace, &lead);
        Ok(Answer::success(201, CreatedLead::of(&lead, self.shown)))
    }

    fn update(&self, workspace: &Workspace, id: &str, fields: &Fields) -> Result<Answer, Refusal> {
        let mut records = self.records();
        let ending = self.state().mishaps.ending();
        let change = records.update(&workspace.name, id, fields, ending, self.clock.now()).map_err(broken)?;
        let change = change.ok_or(Refusal::NotFound("Lead not found"))?;
        self.notices.updated(workspace, &change);
        Ok(Answer::success(200, UpdatedLead::of(&change.after, fields, self.shown)))
    }

    fn summary(&self, workspace: &Workspace, span: &Span) -> Result<Answer, Refusal> {
        let (period, by_status) = self.by_status(workspace, span)?;
        Ok(Answer::success(200, summed(&period, &by_status)))
    }

    fn funnel(&self, workspace: &Workspace, span: &Span) -> Result<Answer, Refusal> {
        let (_, by_status) = self.by_status(workspace, span)?;
        Ok(Answer::success(200, staged(&by_status)))
    }

    fn by_status(&self, workspace: &Workspace, span: &Span) -> Result<(Period, Vec<InStatus>), Refusal> {
        let period = span.period(self.clock.now(), &workspace.time_zone);
        let by_status = self.records().by_status(&workspace.name, &period).map_err(broken)?;
        Ok((period, by_status))
    }

    fn campaigns(&self, workspace: &Workspace, span: &Span) -> Result<Answer, Refusal> {
        let period = span.period(self.clock.now(), &workspace.time_zone);
        Ok(Answer::success(200, self.records().by_campaign(&workspace.name, &period).map_err(broken)?))
    }

    fn conversion_status(&self, workspace: &Workspace, span: &Span) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let period = span.period(now, &workspace.time_zone);
        let counts = self.records().by_sync(&workspace.name, &period, span.platform.as_ref(), now);
        Ok(Answer::success(200, counts.map_err(broken)?))
    }

    fn conversion_pending(&self, workspace: &Workspace) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let leads = self.records().unsynced(&workspace.name, now, MAX_PENDING).map_err(broken)?;
        let unsynced: Vec<_> = leads.iter().map(|lead| unsynced(lead, now)).collect();
        Ok(Answer::success(200, unsynced))
    }

    fn show(&self, workspace: &Workspace) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let midnight = midnight(now, &workspace.time_zone);
        let current = self.records().created_since(&workspace.name, midnight).map_err(broken)?;
        let limit = self.state().mishaps.faults.daily_limit.unwrap_or(workspace.leads_per_day);
        Ok(Answer::success(200, shown(workspace, LeadsPerDay { limit, current }, now)))
    }

    fn file(&self, workspace: &Workspace, ticket: &Ticket) -> Result<Answer, Refusal> {
        let ticket = self.records().file(&workspace.name, ticket, self.clock.now()).map_err(broken)?;
        Ok(Answer::success(201, ticket))
    }
}

fn pagination(query: &Query, page: &Page) -> Pagination {
    let next = page.leads.last().filter(|_| page.more).map(|last| {
        let at = (query.sort_by == SortBy::UpdatedAt).then(|| last.updated_at.as_millisecond());
        Cursor { id: last.id.clone(), at }.written()
    });
    Pagination {
        page: query.page,
        limit: query.limit,
        total: page.total,
        total_pages: page.total / query.limit + i64::from(page.total % query.limit > 0),
        next_cursor: next,
    }
}

fn summed(period: &Period, by_status: &[InStatus]) -> Summary {
    let of = |status: Status| by_status.iter().find(|one| one.status == status.to_string());
    let leads = |status| of(status).map_or(0, |one| one.leads);
    Summary {
        total_leads: by_status.iter().map(|one| one.leads).sum(),
        new_leads: leads(Status::New),
        contacted_leads: leads(Status::Contacted),
        total_conversions: leads(Status::Won),
        total_conversion_value: Number(of(Status::Won).map_or(0.0, |one| one.value)),
        timeframe: period.timeframe,
        period: Ends { from: Moment(period.from), to: Moment(period.to) },
    }
}

/// The statuses in which there are leads, in the order of the pipeline.
fn staged(by_status: &[InStatus]) -> Vec<Stage> {
    let all: i64 = by_status.iter().map(|one| one.leads).sum();
    let place = |status: &str| Status::VARIANTS.iter().position(|known| known.to_string() == status);
    let mut sorted: Vec<_> = by_status.iter().collect();
    sorted.sort_by_key(|one| place(&one.status));
    let stage = |one: &InStatus| Stage {
        status: one.status.clone(),
        count: one.leads,
        percentage: Number(percentage(one.leads, all)),
    };
    sorted.into_iter().map(stage).collect()
}

/// `part` of `all` in percent, with two decimals.
#[expect(clippy::cast_precision_loss, reason = "a sandbox has no 2^53 leads")]
fn percentage(part: i64, all: i64) -> f64 {
    (part as f64 / all as f64 * 10_000.0).round() / 100.0
}

fn unsynced(lead: &Lead, now: Timestamp) -> Unsynced {
    let text = |field| lead.text(field).map(str::to_owned);
    Unsynced {
        lead_id: lead.id.clone(),
        unique_code: text(Field::UniqueCode),
        status: text(Field::Status).unwrap_or_default(),
        ad_platform: text(Field::AdPlatform),
        conversion_sync_status: lead.sync.map_or(SyncStatus::None, |sync| sync.status(now)),
        last_conversion_sync_at: lead.sync.and_then(|sync| sync.last(now)).map(Moment),
    }
}

fn shown(workspace: &Workspace, leads_per_day: LeadsPerDay, now: Timestamp) -> WorkspaceShown {
    WorkspaceShown {
        display_name: workspace.display_name.clone(),
        timezone: workspace.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        currency: workspace.currency.clone(),
        language: workspace.language.clone(),
        date_format: workspace.date_format.clone(),
        tracking_code: workspace.tracking_code.clone(),
        subscription: Subscription {
            plan: workspace.plan,
            status: if workspace.active { "active" } else { "expired" },
            interval: "monthly",
            current_period_end: Moment(next_month(now, &workspace.time_zone)),
        },
        usage: Usage {
            leads_per_day,
            team_members: workspace.team_members,
            active_rotators: workspace.active_rotators,
        },
    }
}

/// SQLite failed, which no caller caused.
fn broken(error: rusqlite::Error) -> Refusal {
    tracing::error!(%error, "the sandbox's database failed; the call is answered 500");
    Refusal::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_the_contracts_own() {
        let counts = [42, 38, 25, 20, 12, 19];
        let all = counts.iter().sum();
        let percentages = counts.map(|count| percentage(count, all));
        assert_eq!(percentages, [26.92, 24.36, 16.03, 12.82, 7.69, 12.18]);
    }
}
