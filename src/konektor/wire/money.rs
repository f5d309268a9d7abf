//! Amounts of money on the wire: the digits as they were written, so that none is lost on the way through.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An amount in the workspace's currency: a JSON number in its own digits. A binary number of 64 bits would turn
/// `0.10` into `0.1` and lose what lies beyond 2^53.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Money(Box<str>);

/// The text is no number as JSON writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no number; write it with digits and at most one dot, such as 5000000 or 12.50")]
pub struct NotANumber;

impl Money {
    /// The amount `number`, in the fewest digits that mean it. `None` for what is no amount: infinite, not a number.
    #[must_use]
    pub fn from_f64(number: f64) -> Option<Self> {
        number.is_finite().then(|| Self(number.to_string().into()))
    }

    /// Its digits, as they stand on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest binary number: for comparing, not for keeping.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.0.parse().expect("every JSON number is one for Rust too")
    }
}

impl FromStr for Money {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        // Only the grammar is of interest: whoever reads a number loses digits.
        let text = text.trim();
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match RawValue::from_string(text.to_owned()) {
            Ok(_) if is_number => Ok(Self(text.into())),
            Ok(_) | Err(_) => Err(NotANumber),
        }
    }
}

impl Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(out)
    }
}

/// Reads an amount, also one that is written as a string, which is how many systems keep a decimal whole. Anything else
/// is none: an amount that cannot be read must not cost the lead it stands in.
pub(super) fn amount<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Money>, D::Error> {
    let raw = Box::<RawValue>::deserialize(json)?;
    let text = raw.get();
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok(digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Deal {
        #[serde(default, deserialize_with = "amount")]
        value: Option<Money>,
    }

    fn through(json: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<Deal>(json).unwrap()).unwrap()
    }

    #[test]
    fn an_amount_goes_through_digit_by_digit() {
        for digits in ["5000000", "0.10", "-2.5", "9007199254740993", "123456789012345678901234567890.0001", "1e400"] {
            let json = format!(r#"{{"value":{digits}}}"#);
            assert_eq!(through(&json), json);
        }
        assert_eq!(through(r#"{"value":"5000000.00"}"#), r#"{"value":5000000.00}"#, "a string that is a number");
    }

    #[test]
    fn what_is_no_amount_is_none_and_costs_nothing_else() {
        for odd in ["null", "true", r#""much""#, r#""""#, "[1]", r#"{"amount":1}"#, r#""0x10""#] {
            assert_eq!(through(&format!(r#"{{"value":{odd}}}"#)), r#"{"value":null}"#, "{odd}");
        }
        assert_eq!(through("{}"), r#"{"value":null}"#);
    }

    #[test]
    fn only_what_json_takes_for_a_number_is_typed_in() {
        assert_eq!(" 12.50 ".parse::<Money>().unwrap().as_str(), "12.50");
        for wrong in ["", "Rp 5", "5.000.000", "5,0", "+5", ".5", "NaN", "1e", "0x1f"] {
            assert_eq!(wrong.parse::<Money>(), Err(NotANumber), "{wrong}");
        }
        assert_eq!(Money::from_f64(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn a_binary_number_comes_back_the_same(number in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let money = Money::from_f64(number).unwrap();
            prop_assert_eq!(money.as_str().parse::<Money>().unwrap().to_f64(), number);
        }
    }
}
