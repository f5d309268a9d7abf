//! What the calls answer, but for leads: the types that are sent are the ones that are described.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::conversions::SyncStatus;
use super::fields::Field;
use super::rule::Rule;
use super::wire::Details;
use crate::sandbox::settings::Plan;

/// An instant as the contract writes it: UTC, milliseconds, `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Moment(pub(in crate::sandbox) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Moment {}

/// A number as JavaScript writes it: `5000000`, not `5000000.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::sandbox) struct Number(pub(in crate::sandbox) f64);

impl From<Number> for Value {
    fn from(Number(number): Number) -> Self {
        /// Up to here whole numbers are exact.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
        if number.fract() == 0.0 && number.abs() <= EXACT { json!(number as i64) } else { json!(number) }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::from(*self).serialize(serializer)
    }
}

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).into()
    }
}

impl ToSchema for Number {}

/// Every answer to a call that was done.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct Success<T> {
    success: bool,
    data: T,
}

impl<T> Success<T> {
    pub(in crate::sandbox) fn of(data: T) -> Self {
        Self { success: true, data }
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct Listed<T> {
    success: bool,
    data: Vec<T>,
    pagination: Pagination,
}

impl<T> Listed<T> {
    pub(in crate::sandbox) fn of(data: Vec<T>, pagination: Pagination) -> Self {
        Self { success: true, data, pagination }
    }
}

/// Where in a list a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Pagination {
    /// The page that was asked for; a cursor wins over it.
    pub(in crate::sandbox) page: i64,
    /// The most leads on a page.
    pub(in crate::sandbox) limit: i64,
    /// All leads that fit, whatever the page.
    pub(in crate::sandbox) total: i64,
    /// The pages that they fill.
    pub(in crate::sandbox) total_pages: i64,
    /// What to ask for next; `null` at the end.
    #[schema(required = true)]
    pub(in crate::sandbox) next_cursor: Option<String>,
}

/// The leads of a period in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Summary {
    /// Leads created in the period.
    pub(in crate::sandbox) total_leads: i64,
    /// Those of them that are `new`.
    pub(in crate::sandbox) new_leads: i64,
    /// Those of them that are `contacted`.
    pub(in crate::sandbox) contacted_leads: i64,
    /// Those of them that are `won`.
    pub(in crate::sandbox) total_conversions: i64,
    /// What these are worth: each one's actual value, else its estimated one, else nothing.
    pub(in crate::sandbox) total_conversion_value: Number,
    /// The preset that the period is, or `custom`.
    pub(in crate::sandbox) timeframe: &'static str,
    pub(in crate::sandbox) period: Ends,
}

/// The ends of a period.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::sandbox) struct Ends {
    pub(in crate::sandbox) from: Moment,
    /// Not part of it.
    pub(in crate::sandbox) to: Moment,
}

/// The leads of a period in one status.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::sandbox) struct Stage {
    #[schema(schema_with = status)]
    pub(in crate::sandbox) status: String,
    pub(in crate::sandbox) count: i64,
    /// Of the period's leads, with two decimals.
    pub(in crate::sandbox) percentage: Number,
}

/// The leads of a period that a campaign brought.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Campaign {
    pub(in crate::sandbox) campaign_name: String,
    #[schema(required = true, schema_with = ad_platform)]
    pub(in crate::sandbox) ad_platform: Option<String>,
    pub(in crate::sandbox) leads: i64,
    /// Those of them that are `won`.
    pub(in crate::sandbox) conversions: i64,
    pub(in crate::sandbox) conversion_value: Number,
}

/// Leads of a period by how far their conversions are sent on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::sandbox) struct SyncCounts {
    pub(in crate::sandbox) pending: i64,
    pub(in crate::sandbox) synced: i64,
    pub(in crate::sandbox) partial: i64,
    pub(in crate::sandbox) failed: i64,
    pub(in crate::sandbox) none: i64,
}

/// A conversion that has not reached its ad platform.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Unsynced {
    pub(in crate::sandbox) lead_id: String,
    #[schema(required = true)]
    pub(in crate::sandbox) unique_code: Option<String>,
    #[schema(schema_with = status)]
    pub(in crate::sandbox) status: String,
    #[schema(required = true, schema_with = ad_platform)]
    pub(in crate::sandbox) ad_platform: Option<String>,
    pub(in crate::sandbox) conversion_sync_status: SyncStatus,
    #[schema(required = true, schema_with = moment_or_null)]
    pub(in crate::sandbox) last_conversion_sync_at: Option<Moment>,
}

/// The workspace that a key opens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct WorkspaceShown {
    pub(in crate::sandbox) display_name: String,
    /// By its IANA name.
    pub(in crate::sandbox) timezone: String,
    pub(in crate::sandbox) currency: String,
    pub(in crate::sandbox) language: String,
    pub(in crate::sandbox) date_format: String,
    pub(in crate::sandbox) tracking_code: String,
    pub(in crate::sandbox) subscription: Subscription,
    pub(in crate::sandbox) usage: Usage,
}

/// What is paid for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Subscription {
    #[schema(schema_with = plan)]
    pub(in crate::sandbox) plan: Plan,
    pub(in crate::sandbox) status: &'static str,
    pub(in crate::sandbox) interval: &'static str,
    pub(in crate::sandbox) current_period_end: Moment,
}

/// What is used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct Usage {
    pub(in crate::sandbox) leads_per_day: LeadsPerDay,
    pub(in crate::sandbox) team_members: u32,
    pub(in crate::sandbox) active_rotators: u32,
}

/// Leads created since the workspace's midnight.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::sandbox) struct LeadsPerDay {
    pub(in crate::sandbox) limit: u32,
    pub(in crate::sandbox) current: i64,
}

/// A support ticket that was taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::sandbox) struct TicketShown {
    pub(in crate::sandbox) ticket_id: String,
    /// What to quote.
    pub(in crate::sandbox) ticket_ref: String,
    pub(in crate::sandbox) subject: String,
    pub(in crate::sandbox) status: &'static str,
    pub(in crate::sandbox) priority: String,
    pub(in crate::sandbox) created_at: Moment,
}

/// An answer to a call that was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::sandbox) struct Failure {
    /// Always `false`.
    pub(in crate::sandbox) success: bool,
    pub(in crate::sandbox) error: Problem,
}

/// Why it was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::sandbox) struct Problem {
    pub(in crate::sandbox) code: Code,
    /// For people.
    pub(in crate::sandbox) message: String,
    /// Field → message, for `VALIDATION_ERROR`; else `null`.
    #[schema(required = true, schema_with = details_or_null)]
    pub(in crate::sandbox) details: Option<Details>,
}

/// What went wrong. Source: Agent API 2.2.0, "Error Codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::sandbox) enum Code {
    Unauthorized,
    Forbidden,
    ValidationError,
    NotFound,
    RateLimited,
    InternalError,
}

fn status() -> Object {
    Field::Status.rule().schema()
}

fn ad_platform() -> Schema {
    nullable(Field::AdPlatform)
}

/// A field as it is shown: its words or its type, or `null`.
pub(in crate::sandbox) fn nullable(field: Field) -> Schema {
    or_null(field.rule().schema().into())
}

fn moment_or_null() -> Schema {
    or_null(Moment::schema())
}

fn details_or_null() -> Schema {
    or_null(Details::schema())
}

fn or_null(schema: RefOr<Schema>) -> Schema {
    OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(schema).into()
}

fn plan() -> Object {
    Rule::one_of::<Plan>().schema()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_look() {
        let written = |number| Value::from(Number(number)).to_string();
        assert_eq!(written(5_000_000.0), "5000000");
        assert_eq!(written(-2.5), "-2.5");
        assert_eq!(written(1e300), "1e+300");
    }

    #[test]
    fn instants_have_milliseconds_and_a_z() {
        let at = "2025-01-15T10:30:00Z".parse().unwrap();
        assert_eq!(json!(Moment(at)), json!("2025-01-15T10:30:00.000Z"));
    }
}
