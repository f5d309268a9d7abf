//! A call of the Agent API: which one it is, and what it asks for once its parameters are read.

use bytes::Bytes;

use super::calls::Kind;
use super::fields::{Field, Fields, read_create, read_update};
use super::period::Span;
use super::query::Query;
use super::ticket::Ticket;
use super::wire::{Details, Refusal};

/// A request, as far as the sandbox looks at it.
#[derive(Debug)]
pub(in crate::sandbox) struct Call {
    /// `None` for a call that is not in the contract.
    pub(in crate::sandbox) target: Option<Target>,
    pub(in crate::sandbox) authorization: Option<String>,
    /// Without the question mark.
    pub(in crate::sandbox) query: String,
    pub(in crate::sandbox) body: Result<Bytes, BadBody>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum BadBody {
    TooLarge,
    Broken,
}

/// What a request is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Target {
    pub(in crate::sandbox) kind: Kind,
    /// The lead's, where the path has one; else empty.
    pub(in crate::sandbox) id: String,
}

/// What is to be done, its parameters read.
#[derive(Debug, PartialEq)]
pub(in crate::sandbox) enum Task {
    List(Query),
    Get(String),
    Create(Fields),
    Update(String, Fields),
    Summary(Span),
    Funnel(Span),
    Campaigns(Span),
    ConversionStatus(Span),
    ConversionPending,
    Workspace,
    Ticket(Ticket),
}

impl Target {
    /// By method and the path below `/api/v2/agent/`.
    pub(in crate::sandbox) fn of(method: &str, path: &str) -> Option<Self> {
        Kind::of(method, path).map(|(kind, id)| Self { kind, id: id.unwrap_or_default() })
    }
}

impl Call {
    /// Reads the parameters. A create or update that carries `rejected` is refused.
    pub(in crate::sandbox) fn task(&self, target: &Target, rejected: Option<Field>) -> Result<Task, Refusal> {
        match target.kind {
            Kind::List => Query::read(&self.query).map(Task::List),
            Kind::Get => Ok(Task::Get(target.id.clone())),
            Kind::Create => Ok(Task::Create(accepted(read_create(self.body()?)?, rejected)?)),
            Kind::Update => Ok(Task::Update(target.id.clone(), accepted(read_update(self.body()?)?, rejected)?)),
            Kind::Summary => Span::read(&self.query).map(Task::Summary),
            Kind::Funnel => Span::read(&self.query).map(Task::Funnel),
            Kind::Campaigns => Span::read(&self.query).map(Task::Campaigns),
            Kind::ConversionStatus => Span::read_with_platform(&self.query).map(Task::ConversionStatus),
            Kind::ConversionPending => Ok(Task::ConversionPending),
            Kind::Workspace => Ok(Task::Workspace),
            Kind::Ticket => Ticket::read(self.body()?).map(Task::Ticket),
        }
    }

    fn body(&self) -> Result<&[u8], Refusal> {
        match &self.body {
            Ok(body) => Ok(body),
            Err(BadBody::TooLarge) => Err(Refusal::Unreadable("Request body is too large")),
            Err(BadBody::Broken) => Err(Refusal::Unreadable("Request body could not be read")),
        }
    }
}

fn accepted(fields: Fields, rejected: Option<Field>) -> Result<Fields, Refusal> {
    match rejected.filter(|field| fields.contains_key(field)) {
        Some(field) => Err(Refusal::Invalid(Details::from([(field.to_string(), "Invalid value".to_owned())]))),
        None => Ok(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: &'static str) -> Call {
        let body = Ok(Bytes::from_static(body.as_bytes()));
        Call { target: None, authorization: None, query: String::new(), body }
    }

    #[test]
    fn a_rejected_field_is_named_only_when_it_is_sent() {
        let create = Target::of("POST", "leads").unwrap();
        let call = call(r#"{"firstName":"A","phone":"1"}"#);
        assert!(call.task(&create, Some(Field::Email)).is_ok());
        let named = Details::from([("phone".to_owned(), "Invalid value".to_owned())]);
        assert_eq!(call.task(&create, Some(Field::Phone)), Err(Refusal::Invalid(named)));
    }

    #[test]
    fn a_body_that_did_not_come_whole_is_refused() {
        let update = Target::of("PATCH", "leads/lead_1").unwrap();
        let mut call = call("{}");
        assert!(call.task(&update, None).is_ok());
        call.body = Err(BadBody::TooLarge);
        assert_eq!(call.task(&update, None), Err(Refusal::Unreadable("Request body is too large")));
    }
}
