//! Support tickets, as they were sent.

use jiff::Timestamp;
use rusqlite::named_params;
use serde::Serialize;

use super::{Records, base36, drawn, instant};
use crate::sandbox::agent::answers::{Moment, TicketShown};
use crate::sandbox::agent::ticket::Ticket;

/// The status of a ticket that nobody has looked at. Source: Agent API 2.2.0, "Create Support Ticket".
const NEW: &str = "new";

/// A ticket as the sandbox's own list shows it.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct Filed {
    #[serde(flatten)]
    shown: TicketShown,
    workspace: String,
    message: String,
}

impl Records {
    /// Commits a ticket of `workspace`.
    pub(in crate::sandbox) fn file(
        &mut self,
        workspace: &str,
        ticket: &Ticket,
        now: Timestamp,
    ) -> rusqlite::Result<TicketShown> {
        let seq: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM ticket")?
            .query_row([], |row| row.get(0))?;
        let name = base36(&drawn(self.seed, "ticket", seq));
        let shown = TicketShown {
            ticket_id: format!("t_{name}"),
            ticket_ref: format!("{}-{}", &name[..5], &name[5..9]).to_uppercase(),
            subject: ticket.subject.clone(),
            status: NEW,
            priority: ticket.priority.clone(),
            created_at: Moment(now),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO ticket (seq, id, ref, workspace, subject, message, priority, createdAt)
                 VALUES (:seq, :id, :ref, :workspace, :subject, :message, :priority, :createdAt)",
            )?
            .execute(named_params! {
                ":seq": seq,
                ":id": shown.ticket_id,
                ":ref": shown.ticket_ref,
                ":workspace": workspace,
                ":subject": shown.subject,
                ":message": ticket.message,
                ":priority": shown.priority,
                ":createdAt": now.as_millisecond(),
            })?;
        Ok(shown)
    }

    /// Every ticket, oldest first.
    pub(in crate::sandbox) fn tickets(&self) -> rusqlite::Result<Vec<Filed>> {
        self.connection
            .prepare_cached(
                "SELECT id, ref, workspace, subject, message, priority, createdAt FROM ticket ORDER BY seq",
            )?
            .query_map([], |row| {
                let shown = TicketShown {
                    ticket_id: row.get(0)?,
                    ticket_ref: row.get(1)?,
                    subject: row.get(3)?,
                    status: NEW,
                    priority: row.get(5)?,
                    created_at: Moment(instant(row.get(6)?)),
                };
                Ok(Filed { shown, workspace: row.get(2)?, message: row.get(4)? })
            })?
            .collect()
    }
}
