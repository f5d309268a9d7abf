//! Which sites may send forms: an exact list of origins.

use url::Url;

use crate::providers::{Header, Reply, SettingsError, Webhook};

/// The origins whose forms are let in, as browsers write them (`https://toko.example`).
///
/// An `Origin` keeps other *sites* out, not scripts: those can send any header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// Reads the entries of the setting; blank ones are skipped, a path of `/` is forgiven.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] names the entry that is no origin.
    pub(super) fn parse<'a>(entries: impl Iterator<Item = &'a str>) -> Result<Self, SettingsError> {
        let entries = entries.flat_map(|entry| entry.split(',')).map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(origin).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first one that is a site, for samples.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// The hosts of the sites, for what names hosts only.
    pub(super) fn hosts(&self) -> Vec<String> {
        let urls = self.0.iter().filter_map(|origin| Url::parse(origin).ok());
        urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
    }

    /// The origin that the browser names, if it is in the list. Compared letter by letter: browsers write it in one way.
    pub(super) fn allowed<'w>(&self, webhook: &'w Webhook) -> Option<&'w str> {
        match webhook.header("origin") {
            Header::Once(given) => Some(given).filter(|given| self.lists(given)),
            Header::Absent | Header::Several => None,
        }
    }

    fn lists(&self, given: &str) -> bool {
        self.0.iter().any(|origin| origin == given)
    }

    /// What lets the scripts of the page at `given` read an answer, if it is in the list.
    pub(super) fn readable_by(&self, given: &str) -> Vec<(&'static str, String)> {
        if self.lists(given) { allow(Reply::empty(200), given).headers } else { Vec::new() }
    }

    /// `target`, made absolute against `page`, if it leads to a site in the list: otherwise anybody could make a link
    /// to us that ends anywhere (an open redirect).
    pub(super) fn redirect(&self, target: &str, page: Option<&str>) -> Option<Url> {
        let url = match page.and_then(|page| Url::parse(page).ok()) {
            Some(page) => page.join(target).ok()?,
            None => Url::parse(target).ok()?,
        };
        let plain = url.username().is_empty() && url.password().is_none();
        let listed = is_web(&url) && self.0.contains(&url.origin().ascii_serialization());
        (plain && listed).then_some(url)
    }

    /// The answer to a browser that asks whether it may send; `None` when it may not, or does not ask.
    pub(super) fn preflight(&self, webhook: &Webhook) -> Option<Reply> {
        let reply = Reply::empty(204)
            .header("access-control-allow-methods", "POST")
            .header("access-control-allow-headers", "content-type")
            .header("access-control-max-age", "600");
        self.allowed(webhook).map(|origin| allow(reply, origin))
    }

    /// `reply`, readable by the scripts of the site that sent the form, if it is in the list.
    pub(super) fn readable(&self, reply: Reply, webhook: &Webhook) -> Reply {
        match self.allowed(webhook) {
            Some(origin) => allow(reply, origin),
            None => reply,
        }
    }
}

/// Cookies play no part here, so `Access-Control-Allow-Credentials` is never sent.
fn allow(reply: Reply, origin: &str) -> Reply {
    reply.header("access-control-allow-origin", origin).header("vary", "Origin")
}

/// True for the schemes of web pages; others (`data:`) share the origin `null`.
fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// `null` is what browsers send for sandboxed frames, local files and pages that hide their referrer: anybody can make
/// such a page, so it counts only where it is listed. `*` is not taken: without a secret it would leave no check at all.
fn origin(entry: &str) -> Result<String, SettingsError> {
    if entry == "null" {
        return Ok(entry.to_owned());
    }
    let url = Url::parse(entry).ok().filter(|url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        is_web(url) && bare && url.query().is_none() && url.fragment().is_none()
    });
    url.map(|url| url.origin().ascii_serialization()).ok_or_else(|| {
        SettingsError::Invalid(format!(
            "allowed_origins: `{entry}` is not an origin; write each site like https://toko.example, without a path \
             (`*` is not taken: list the sites)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(setting: &str) -> Origins {
        Origins::parse([setting].into_iter()).unwrap()
    }

    #[test]
    fn entries_are_written_as_browsers_write_them() {
        let parsed = origins(" https://Toko.Example/ ,,http://localhost:8000,https://a.example:443, null ");
        assert_eq!(parsed.0, ["https://toko.example", "http://localhost:8000", "https://a.example", "null"]);
        assert!(origins(" , ").is_empty());
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for bad in
            ["*", "https://*.toko.example/x", "toko.example", "https://a.example/path", "ftp://a.example", "data:"]
        {
            assert!(matches!(Origins::parse([bad].into_iter()), Err(SettingsError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn a_redirect_leads_to_a_listed_site_or_nowhere() {
        let list = origins("https://toko.example,null");
        let page = Some("https://toko.example");
        let leads = |target: &str, page| list.redirect(target, page).map(String::from);
        assert_eq!(leads("https://toko.example/ok?a=b", None).as_deref(), Some("https://toko.example/ok?a=b"));
        assert_eq!(leads("/ok", page).as_deref(), Some("https://toko.example/ok"));
        assert_eq!(leads("https://toko.example/a\r\nX: y", None).as_deref(), Some("https://toko.example/aX:%20y"));
        for bad in [
            "https://evil.example",
            "//evil.example",
            r"/\evil.example",
            "https://toko.example@evil.example",
            "https://user:password@toko.example",
            "https://toko.example.evil.example",
            "http://toko.example",
            "https://toko.example:8443",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert_eq!(leads(bad, page), None, "{bad}");
            assert_eq!(leads(bad, None), None, "{bad}");
        }
        assert_eq!(leads("/ok", None), None);
    }
}
