//! The headers of a request as text, in one piece of memory: a request has a dozen of them and more, and of most nothing is
//! ever asked.

use std::fmt;

/// Names, in lower case, and values, in the order in which they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// Where each name ends, and each value.
    ends: Vec<[usize; 2]>,
}

impl Headers {
    /// None yet, but room for so many, and for so many bytes of text.
    #[must_use]
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(headers) }
    }

    /// Puts one more behind the others.
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let end = self.text.len();
        self.text.push_str(value);
        self.ends.push([end, self.text.len()]);
    }

    /// Puts one behind the others, in place of all of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        *self = self.iter().filter(|(known, _)| *known != name).chain([(name, value)]).collect();
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|[_, end]| *end));
        begins.zip(&self.ends).map(|(begin, [name, end])| (&self.text[begin..*name], &self.text[*name..*end]))
    }

    /// The same as texts of their own.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The values of each header of this name, in order, spaces around them trimmed.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.trim_ascii())
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut all = Self::default();
        all.extend(headers);
        all
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Extend<(N, V)> for Headers {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, headers: I) {
        headers.into_iter().for_each(|(name, value)| self.push(name.as_ref(), value.as_ref()));
    }
}

impl fmt::Debug for Headers {
    /// Shows names only: values hold secrets and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_out_as_they_went_in() {
        let headers: Headers = [("a", "1"), ("", ""), ("b", " ü "), ("a", "")].into_iter().collect();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "1"), ("", ""), ("b", " ü "), ("a", "")]);
        assert_eq!(headers.values("a").collect::<Vec<_>>(), ["1", ""]);
        assert_eq!(headers.values("b").collect::<Vec<_>>(), ["ü"]);
        assert_eq!(headers.values("c").next(), None);
        assert_eq!(Headers::default().iter().next(), None);
        let mut set = headers.clone();
        set.set("a", "2");
        assert_eq!(set.iter().collect::<Vec<_>>(), [("", ""), ("b", " ü "), ("a", "2")]);
    }

    #[test]
    fn no_value_is_printed() {
        let headers: Headers = [("authorization", "Bearer rahasia")].into_iter().collect();
        assert_eq!(format!("{headers:?}"), r#"["authorization"]"#);
    }
}
