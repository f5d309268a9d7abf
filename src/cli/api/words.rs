//! The published words as arguments: what is not among them is refused, with the list.

use std::fmt::Debug;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray;

/// Takes the words of `T`.
pub(in crate::cli) fn word<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + Copy + Into<&'static str> + FromStr<Err: Debug> + Send + Sync,
{
    let words = T::VARIANTS.iter().map(|word| -> &'static str { (*word).into() });
    PossibleValuesParser::new(words).map(|word| word.parse().expect("it is one of them"))
}
