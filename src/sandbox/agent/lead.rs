//! How leads are shown. The contract's examples show different fields for a list, a create and an update.

use serde::Serialize;
use serde_json::{Map, Value, json};
use strum::VariantArray;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::answers::{Moment, Number, nullable};
use super::fields::{Field, Fields};
use super::rule::Datum;
use crate::sandbox::records::lead::Lead;

/// Whether answers show `externalRef`. No example of the contract does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum RefShown {
    /// In every lead.
    Yes,
    /// Nowhere.
    No,
}

impl RefShown {
    fn fields(self) -> impl Iterator<Item = Field> {
        Field::VARIANTS.iter().copied().filter(move |field| self == Self::Yes || *field != Field::ExternalRef)
    }
}

/// A lead in a list or by itself: every field, nulls written.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct WholeLead(Map<String, Value>);

/// The answer to a create: what the lead has. As in the contract's example, nulls are left out.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct CreatedLead(Map<String, Value>);

/// The answer to an update: as in the contract's example, who the lead is and what was sent.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct UpdatedLead(Map<String, Value>);

impl WholeLead {
    pub(in crate::sandbox) fn of(lead: &Lead, shown: RefShown) -> Self {
        Self(dated(lead, shown.fields()))
    }

    /// A lead as the sandbox's own calls show it: everything there is.
    pub(in crate::sandbox) fn bare(lead: &Lead) -> Map<String, Value> {
        let Self(mut object) = Self::of(lead, RefShown::Yes);
        object.insert("workspace".to_owned(), json!(lead.workspace));
        object.insert("deletedAt".to_owned(), json!(lead.deleted_at.map(Moment)));
        object
    }
}

impl CreatedLead {
    pub(in crate::sandbox) fn of(lead: &Lead, shown: RefShown) -> Self {
        Self(dated(lead, shown.fields().filter(|field| lead.value(*field).is_some())))
    }
}

impl UpdatedLead {
    pub(in crate::sandbox) fn of(lead: &Lead, sent: &Fields, shown: RefShown) -> Self {
        let told = |field: &Field| matches!(field, Field::UniqueCode | Field::FirstName) || sent.contains_key(field);
        let mut object = object(lead, shown.fields().filter(told));
        object.insert("updatedAt".to_owned(), json!(Moment(lead.updated_at)));
        Self(object)
    }
}

/// Fields as they were sent, for the ledger.
pub(in crate::sandbox) fn sent(fields: &Fields) -> Map<String, Value> {
    fields.iter().map(|(field, datum)| (field.to_string(), plain(datum.as_ref()))).collect()
}

fn dated(lead: &Lead, fields: impl Iterator<Item = Field>) -> Map<String, Value> {
    let mut object = object(lead, fields);
    object.insert("createdAt".to_owned(), json!(Moment(lead.created_at)));
    object.insert("updatedAt".to_owned(), json!(Moment(lead.updated_at)));
    object
}

fn object(lead: &Lead, fields: impl Iterator<Item = Field>) -> Map<String, Value> {
    let id = ("id".to_owned(), json!(lead.id));
    std::iter::once(id).chain(fields.map(|field| (field.to_string(), plain(lead.value(field))))).collect()
}

/// A value as it is sent.
pub(in crate::sandbox) fn plain(datum: Option<&Datum>) -> Value {
    match datum {
        None => Value::Null,
        Some(Datum::Text(text)) => json!(text),
        Some(Datum::Number(number)) => Number(*number).into(),
    }
}

/// A schema of the fields, each as `shown` gives it, with id and `dates`. `externalRef` may be there or not.
fn shape(shown: fn(Field) -> Schema, required: fn(Field) -> bool, dates: &[&str]) -> RefOr<Schema> {
    let id = ObjectBuilder::new().schema_type(Type::String).description(Some("Opaque."));
    let object = ObjectBuilder::new().property("id", id).required("id");
    let object = Field::VARIANTS.iter().fold(object, |object, field| {
        let object = object.property(field.to_string(), shown(*field));
        if required(*field) { object.required(field.to_string()) } else { object }
    });
    dates.iter().fold(object, |object, date| object.property(*date, Moment::schema()).required(*date)).into()
}

/// A field as a lead shows it that has it: a name and a status are always there.
fn of_lead(field: Field) -> Schema {
    match field {
        Field::FirstName | Field::Status | Field::Priority => field.rule().schema().into(),
        _ => nullable(field),
    }
}

impl PartialSchema for WholeLead {
    fn schema() -> RefOr<Schema> {
        shape(of_lead, |field| field != Field::ExternalRef, &["createdAt", "updatedAt"])
    }
}

impl PartialSchema for CreatedLead {
    fn schema() -> RefOr<Schema> {
        let always = |field| matches!(field, Field::UniqueCode | Field::FirstName | Field::Status | Field::Priority);
        shape(|field| field.rule().schema().into(), always, &["createdAt", "updatedAt"])
    }
}

impl PartialSchema for UpdatedLead {
    fn schema() -> RefOr<Schema> {
        shape(of_lead, |field| matches!(field, Field::UniqueCode | Field::FirstName), &["updatedAt"])
    }
}

impl ToSchema for WholeLead {}
impl ToSchema for CreatedLead {}
impl ToSchema for UpdatedLead {}

/// The body of a create or an update as JSON Schema.
pub(in crate::sandbox) fn body(task: Body) -> Schema {
    let fields = Field::VARIANTS.iter().fold(ObjectBuilder::new(), |object, field| match field {
        Field::FirstName => object.property(field.to_string(), field.rule().schema()),
        other => object.property(other.to_string(), nullable(*other)),
    });
    match task {
        Body::Create => fields.required(Field::FirstName.to_string()).into(),
        Body::Update => fields.into(),
    }
}

/// What a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Body {
    /// `firstName` is required.
    Create,
    /// Nothing is.
    Update,
}
