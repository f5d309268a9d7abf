//! Parameters in a query string: each is read and described by the same line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter as Described, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use super::wire::{Details, Refusal};

/// A parameter that may be given.
pub(in crate::sandbox) struct Parameter<T: 'static> {
    pub(in crate::sandbox) name: &'static str,
    pub(in crate::sandbox) about: &'static str,
    /// `Err` is the message for `details`.
    pub(in crate::sandbox) read: fn(&str) -> Result<T, String>,
    pub(in crate::sandbox) schema: fn() -> Object,
}

impl<T> Parameter<T> {
    /// As the description shows it.
    pub(in crate::sandbox) fn described(&self) -> Described {
        described(self.name, self.about, (self.schema)())
    }
}

/// An optional parameter of a query string, as the description shows it.
pub(in crate::sandbox) fn described(name: &str, about: &str, schema: Object) -> Described {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

/// A query string, and what was wrong with the parameters read so far.
pub(in crate::sandbox) struct Reader {
    parameters: Vec<(String, String)>,
    details: Details,
}

impl Reader {
    /// Of a repeated parameter the first counts; those that nobody takes are ignored.
    pub(in crate::sandbox) fn of(query: &str) -> Self {
        Self { parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), details: Details::new() }
    }

    /// The value of `parameter`; its message is kept when it cannot be read.
    pub(in crate::sandbox) fn take<T>(&mut self, parameter: &Parameter<T>) -> Option<T> {
        self.read(parameter.name, parameter.read)
    }

    /// The parameter `name` as `read` gives it; its message is kept when it cannot be read.
    pub(in crate::sandbox) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (_, text) = self.parameters.iter().find(|(known, _)| known == name)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.details.insert(name.to_owned(), message);
                None
            }
        }
    }

    /// `read`, unless something was wrong.
    pub(in crate::sandbox) fn done<T>(self, read: T) -> Result<T, Refusal> {
        if self.details.is_empty() { Ok(read) } else { Err(Refusal::Invalid(self.details)) }
    }
}

/// A point in time as a caller writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum When {
    /// With `Z` or an offset.
    Instant(Timestamp),
    /// Without one: the clock on the wall of the workspace. A day is its first instant.
    Local(DateTime),
}

impl When {
    /// Reads ISO 8601: an instant, a local time, or a day.
    pub(in crate::sandbox) fn read(text: &str) -> Result<Self, String> {
        let instant = text.parse().map(Self::Instant);
        instant.or_else(|_| text.parse().map(Self::Local)).map_err(|_| "Invalid datetime".to_owned())
    }

    /// The instant it is in `zone`. What no clock can show is the end of time on that side.
    pub(in crate::sandbox) fn instant(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            Self::Local(local) => {
                zone.to_timestamp(local).unwrap_or(if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX })
            }
        }
    }

    /// A point in time as JSON Schema.
    pub(in crate::sandbox) fn schema() -> Object {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_the_workspaces_own() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let instant = |text: &str| When::read(text).unwrap().instant(&zone).to_string();
        assert_eq!(instant("2026-11-24T07:00:00Z"), "2026-11-24T07:00:00Z");
        assert_eq!(instant("2026-11-24T07:00:00+09:00"), "2026-11-23T22:00:00Z");
        assert_eq!(instant("2026-11-24T07:00:00"), "2026-11-24T00:00:00Z");
        assert_eq!(instant("2026-11-24"), "2026-11-23T17:00:00Z");
        assert!(When::read("tomorrow").is_err());
    }

    #[test]
    fn the_ends_of_the_calendar_are_no_trap() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        assert_eq!(When::read("-009999-01-01").unwrap().instant(&zone), Timestamp::MIN);
        assert_eq!(When::read("9999-12-31T23:59:59").unwrap().instant(&TimeZone::UTC), Timestamp::MAX);
    }
}
