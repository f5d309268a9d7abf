//! A call of the Agent API: which one it is, and what it asks for once its parameters are read.

use bytes::Bytes;

use super::faults::Kind;
use super::fields::{Field, Fields, read_create, read_update};
use super::query::Query;
use super::settings::Scope;
use super::wire::{Details, Refusal};

/// A request, as far as the sandbox looks at it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) target: Target,
    pub(super) authorization: Option<String>,
    /// Without the question mark.
    pub(super) query: String,
    pub(super) body: Result<Bytes, BadBody>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadBody {
    TooLarge,
    Broken,
}

/// What a request is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    List,
    Get(String),
    Create,
    Update(String),
    Workspace,
    /// No call of the contract, or one that the sandbox does not play.
    Unknown,
}

/// What is to be done, its parameters read.
#[derive(Debug, PartialEq)]
pub(super) enum Task {
    List(Query),
    Get(String),
    Create(Fields),
    Update(String, Fields),
    Workspace,
}

impl Target {
    /// By method and the path below `/api/v2/agent/`.
    pub(super) fn of(method: &str, path: &str) -> Self {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match (method, &segments[..]) {
            ("GET", ["leads"]) => Self::List,
            ("POST", ["leads"]) => Self::Create,
            ("GET", ["leads", id]) => Self::Get((*id).to_owned()),
            ("PATCH", ["leads", id]) => Self::Update((*id).to_owned()),
            ("GET", ["workspace"]) => Self::Workspace,
            _ => Self::Unknown,
        }
    }

    /// The kind of call; `None` for an unknown one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::List => Some(Kind::List),
            Self::Get(_) => Some(Kind::Get),
            Self::Create => Some(Kind::Create),
            Self::Update(_) => Some(Kind::Update),
            Self::Workspace => Some(Kind::Workspace),
            Self::Unknown => None,
        }
    }
}

impl Kind {
    /// The scope that a key needs.
    pub(super) fn scope(self) -> Scope {
        match self {
            Self::List | Self::Get => Scope::LeadsRead,
            Self::Create | Self::Update => Scope::LeadsWrite,
            Self::Workspace => Scope::WorkspaceRead,
        }
    }
}

impl Call {
    /// Reads the parameters. A create or update that carries `rejected` is refused.
    pub(super) fn task(&self, rejected: Option<Field>) -> Result<Task, Refusal> {
        match &self.target {
            Target::List => Query::read(&self.query).map(Task::List),
            Target::Get(id) => Ok(Task::Get(id.clone())),
            Target::Create => Ok(Task::Create(accepted(read_create(self.body()?)?, rejected)?)),
            Target::Update(id) => Ok(Task::Update(id.clone(), accepted(read_update(self.body()?)?, rejected)?)),
            Target::Workspace => Ok(Task::Workspace),
            Target::Unknown => Err(Refusal::NotFound("No such call")),
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

    fn call(target: Target, body: &'static str) -> Call {
        Call { target, authorization: None, query: String::new(), body: Ok(Bytes::from_static(body.as_bytes())) }
    }

    #[test]
    fn targets_are_told_by_method_and_path() {
        assert_eq!(Target::of("GET", "leads"), Target::List);
        assert_eq!(Target::of("GET", "leads/"), Target::List);
        assert_eq!(Target::of("PATCH", "leads/lead_1"), Target::Update("lead_1".to_owned()));
        for (method, path) in [
            ("PUT", "leads"),
            ("DELETE", "leads/lead_1"),
            ("GET", "leads/a/b"),
            ("GET", ""),
            ("POST", "support/tickets"),
        ] {
            assert_eq!(Target::of(method, path), Target::Unknown, "{method} {path}");
        }
    }

    #[test]
    fn a_rejected_field_is_named_only_when_it_is_sent() {
        let create = call(Target::Create, r#"{"firstName":"A","phone":"1"}"#);
        assert!(create.task(Some(Field::Email)).is_ok());
        let named = Details::from([("phone".to_owned(), "Invalid value".to_owned())]);
        assert_eq!(create.task(Some(Field::Phone)), Err(Refusal::Invalid(named)));
    }

    #[test]
    fn a_body_that_did_not_come_whole_is_refused() {
        let mut update = call(Target::Update("lead_1".to_owned()), "{}");
        assert!(update.task(None).is_ok());
        update.body = Err(BadBody::TooLarge);
        assert_eq!(update.task(None), Err(Refusal::Unreadable("Request body is too large")));
    }
}
