//! Which ad network a submission came from, and whether a paid click is proven: click ids, UTM values, page addresses.

use super::labels::words;
use super::status::AdPlatform;
use super::submission::Fact;
use super::text::{is_among, one_line};

/// The most parameters of one page address that are looked at.
const MAX_PARAMETERS: usize = 100;

/// What the attribution of one submission says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// The network that gets the credit; only with proof of a paid click.
    pub paid_by: Option<AdPlatform>,
    /// Every fact, and what the page addresses hold that no fact says, in order and verbatim.
    pub facts: Vec<Fact>,
}

impl Attribution {
    /// Weighs the facts.
    ///
    /// A click id in a field of its own counts before one inside a page address, and among equals Google before Meta, TikTok,
    /// LinkedIn and others. `fbclid` is put on unpaid links too, so it needs a paid `utm_medium` that no other network claims;
    /// without any click id a paid `utm_medium` and a known `utm_source` are proof together. Browser cookies that every
    /// visitor gets (`_fbp`, `_ttp`) prove nothing.
    #[must_use]
    pub fn read(facts: Vec<Fact>) -> Self {
        let found = facts.iter().filter(|fact| is_page(&fact.label)).flat_map(|fact| parameters(&fact.value));
        let mut in_pages = Vec::<Fact>::new();
        for fact in found {
            let is_known = facts.iter().chain(&in_pages).any(|known| key(&known.label) == key(&fact.label));
            if is_label(&fact.label) && is_filled(&fact.value) && !is_known {
                in_pages.push(fact);
            }
        }
        let paid_by = paid_by(&facts, &in_pages);
        Self {
            paid_by,
            facts: facts.into_iter().chain(in_pages).filter(|fact| !fact.value.trim().is_empty()).collect(),
        }
    }
}

fn paid_by(fields: &[Fact], in_pages: &[Fact]) -> Option<AdPlatform> {
    let value = |name: &str| {
        let of = |fact: &&Fact| key(&fact.label) == name && is_filled(&fact.value);
        fields.iter().chain(in_pages).find(of).map(|fact| one_line(&fact.value).to_lowercase())
    };
    let named = value("utmsource").and_then(|source| network(&source));
    let medium_is_paid = value("utmmedium").is_some_and(|medium| is_paid(&medium));
    let proven_by = |fact: &Fact| {
        let (platform, proof) = click_id(&key(&fact.label), &fact.value)?;
        let proven = match proof {
            Proof::Click => true,
            Proof::WithPaidMedium => medium_is_paid && named.is_none_or(|named| named == platform),
        };
        (proven && is_filled(&fact.value)).then_some(platform)
    };
    let best = |facts: &[Fact]| facts.iter().filter_map(proven_by).min_by_key(|platform| rank(*platform));
    best(fields).or_else(|| best(in_pages)).or(named.filter(|_| medium_is_paid))
}

/// How much a click id proves.
enum Proof {
    /// A paid click.
    Click,
    /// A click; a paid one only when `utm_medium` says so.
    WithPaidMedium,
}

fn click_id(key: &str, value: &str) -> Option<(AdPlatform, Proof)> {
    Some(match key {
        "gclid" | "gbraid" | "wbraid" | "hsgoogleclickid" => (AdPlatform::Google, Proof::Click),
        "ctwaclid" => (AdPlatform::Meta, Proof::Click),
        // WhatsApp's referral. A `source_type` of anybody else is not one of Meta's.
        "referralsourcetype" if value.trim().eq_ignore_ascii_case("ad") => (AdPlatform::Meta, Proof::Click),
        "fbclid" | "fbc" | "hsfacebookclickid" => (AdPlatform::Meta, Proof::WithPaidMedium),
        "ttclid" => (AdPlatform::Tiktok, Proof::Click),
        "lifatid" => (AdPlatform::Linkedin, Proof::Click),
        "msclkid" | "twclid" | "sccid" | "epik" | "rdtcid" => (AdPlatform::Other, Proof::Click),
        _ => return None,
    })
}

fn rank(platform: AdPlatform) -> u8 {
    match platform {
        AdPlatform::Google => 0,
        AdPlatform::Meta => 1,
        AdPlatform::Tiktok => 2,
        AdPlatform::Linkedin => 3,
        AdPlatform::Posthog | AdPlatform::Other => 4,
    }
}

/// The network that a `utm_source` names, or a tool by its own word for it.
#[must_use]
pub fn network(source: &str) -> Option<AdPlatform> {
    let source = source.trim().to_lowercase();
    let name = source.trim_end_matches(".com").replace([' ', '-', '_', '.'], "");
    let name = name.strip_suffix("ads").or_else(|| name.strip_suffix("ad")).unwrap_or(&name);
    Some(match name {
        "facebook" | "fb" | "ig" | "instagram" | "meta" => AdPlatform::Meta,
        "google" => AdPlatform::Google,
        "tiktok" => AdPlatform::Tiktok,
        "linkedin" => AdPlatform::Linkedin,
        _ => return None,
    })
}

/// True for a `utm_medium` of paid traffic: `cpc`, `ppc`, `cpm`, `ads`, and whatever begins with `paid`.
fn is_paid(medium: &str) -> bool {
    matches!(medium, "cpc" | "ppc" | "cpm" | "cpv" | "cpa" | "ads") || medium.starts_with("paid")
}

/// False for nothing and for a template that was never filled in (`{{gclid}}`, `__CLICKID__`, `undefined`).
fn is_filled(value: &str) -> bool {
    let value = value.trim();
    let is_template =
        value.contains(['{', '[']) || value.starts_with("__") || value.starts_with('%') && value.ends_with('%');
    !(is_template
        || matches!(
            value.to_lowercase().as_str(),
            "" | "-" | "null" | "undefined" | "none" | "nan" | "(not set)" | "n/a"
        ))
}

/// True for the label of a click id, a UTM value, an ad's or campaign's id, or a page address.
#[must_use]
pub fn is_label(label: &str) -> bool {
    is_label_of(&words(label), label)
}

/// [`is_label`] for a label whose words are known.
pub(super) fn is_label_of(words: &[String], label: &str) -> bool {
    let key = words.concat();
    let is_utm = words.len() > 1 && words[0] == "utm";
    is_utm
        || is_among(OTHER_KEYS, &key)
        || is_among(PAGE_KEYS, &key)
        || click_id(&key, "ad").is_some()
        || is_own_page(label)
}

fn is_page(label: &str) -> bool {
    is_among(PAGE_KEYS, &key(label)) || is_own_page(label)
}

/// Contact Form 7's `_url`. A plain `URL` is a question for the person's own site.
fn is_own_page(label: &str) -> bool {
    label.trim() == "_url"
}

/// A label in lower case without anything but letters and digits: `Page URL`, `page_url` and `pageUrl` are one.
fn key(label: &str) -> String {
    words(label).concat()
}

/// The parameters in a page address, whole (`https://…?a=b#c`), relative or only its query.
fn parameters(address: &str) -> Vec<Fact> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS).map(|(name, value)| Fact::new(name, value)).collect()
}

/// What page builders, analytics and WhatsApp call the address of the page.
const PAGE_KEYS: &str = "\
    pageurl, pagelocation, currenturl, landingpage, landingpageurl, landingurl, sourceurl, referrer, referer, \
    referrerurl, initialreferrer, entrypage, submissionurl, landingsite, referringsite, wphttpreferer, \
    urlhalaman, halamanurl";

/// Attribution that proves nothing: UTM written as one word, cookies, and the parameters of the URL templates that Konektor
/// recommends for Meta and TikTok.
const OTHER_KEYS: &str = "\
    sourcetype, utmsource, utmmedium, utmcampaign, utmterm, utmcontent, utmid, fbp, ttp, gaclientid, gadsource, \
    gadcampaignid, srsltid, dclid, yclid, campaignid, campaignname, adsetid, adsetname, adgroupid, adgroupname, \
    adid, adname, adaccountid, sitesourcename, placement";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paid_by(facts: &[(&str, &str)]) -> Option<AdPlatform> {
        Attribution::read(facts.iter().map(|(label, value)| Fact::new(*label, *value)).collect()).paid_by
    }

    #[test]
    fn click_ids_prove_a_paid_click() {
        for (label, platform) in [
            ("gclid", AdPlatform::Google),
            ("GCLID", AdPlatform::Google),
            ("gcl_id", AdPlatform::Google),
            ("gbraid", AdPlatform::Google),
            ("wbraid", AdPlatform::Google),
            ("ctwa-clid", AdPlatform::Meta),
            ("ttclid", AdPlatform::Tiktok),
            ("li_fat_id", AdPlatform::Linkedin),
            ("msclkid", AdPlatform::Other),
            ("twclid", AdPlatform::Other),
            ("ScCid", AdPlatform::Other),
            ("epik", AdPlatform::Other),
            ("rdt_cid", AdPlatform::Other),
        ] {
            assert_eq!(paid_by(&[(label, "Cj0-Ab_9")]), Some(platform), "{label}");
            assert_eq!(paid_by(&[(label, " ")]), None, "{label}");
            assert!(is_label(label), "{label}");
        }
        assert_eq!(paid_by(&[("referral.source_type", "ad")]), Some(AdPlatform::Meta));
        assert_eq!(paid_by(&[("referral.source_type", "post")]), None);
        assert_eq!(paid_by(&[("source_type", "ad")]), None);
        assert!(is_label("source_type"));
    }

    #[test]
    fn fbclid_needs_a_paid_medium() {
        assert_eq!(paid_by(&[("fbclid", "IwAR0abc")]), None);
        assert_eq!(paid_by(&[("fbclid", "IwAR0abc"), ("utm_medium", "social")]), None);
        assert_eq!(paid_by(&[("fbclid", "IwAR0abc"), ("utm_medium", "Paid_Social")]), Some(AdPlatform::Meta));
        assert_eq!(paid_by(&[("_fbc", "fb.1.1.x"), ("utm-medium", "cpc")]), Some(AdPlatform::Meta));
        // A Google ad's address, shared on Facebook.
        let shared = [("fbclid", "IwAR0abc"), ("utm_medium", "cpc"), ("utm_source", "google")];
        assert_eq!(paid_by(&shared), Some(AdPlatform::Google));
    }

    #[test]
    fn cookies_of_every_visitor_prove_nothing() {
        assert_eq!(paid_by(&[("_fbp", "fb.1.1.1"), ("_ttp", "x"), ("utm_medium", "cpc")]), None);
        assert_eq!(
            paid_by(&[("_fbp", "fb.1.1.1"), ("utm_source", "tiktok"), ("utm_medium", "paid")]),
            Some(AdPlatform::Tiktok)
        );
    }

    #[test]
    fn utm_alone_needs_both_halves() {
        let utm = |source, medium| paid_by(&[("utm_source", source), ("utm_medium", medium)]);
        for source in ["facebook", "ig", "FB", "meta", "Instagram", "facebook_ads"] {
            assert_eq!(utm(source, "paid"), Some(AdPlatform::Meta), "{source}");
        }
        assert_eq!(utm("google", "ppc"), Some(AdPlatform::Google));
        assert_eq!(utm("tiktok", "ads"), Some(AdPlatform::Tiktok));
        assert_eq!(utm("linkedin.com", "cpc"), Some(AdPlatform::Linkedin));
        assert_eq!(utm("google", "organic"), None);
        assert_eq!(utm("newsletter", "cpc"), None);
        assert_eq!(paid_by(&[("utm_source", "google")]), None);
    }

    #[test]
    fn a_field_counts_before_a_page_address_and_google_before_meta() {
        assert_eq!(
            paid_by(&[("Page URL", "https://site.example/?gclid=x"), ("ttclid", "y")]),
            Some(AdPlatform::Tiktok)
        );
        assert_eq!(paid_by(&[("ttclid", "y"), ("ctwa_clid", "x"), ("gclid", "z")]), Some(AdPlatform::Google));
        assert_eq!(paid_by(&[("ttclid", "y"), ("li_fat_id", "x"), ("msclkid", "z")]), Some(AdPlatform::Tiktok));
    }

    #[test]
    fn page_addresses_are_read() {
        for label in
            ["Page URL", "page_url", "pageUrl", "referrer", "source_url", "$current_url", "_url", "landing-page"]
        {
            assert_eq!(
                paid_by(&[(label, "https://site.example/kontak/?a=1&GCLID=x#y")]),
                Some(AdPlatform::Google),
                "{label}"
            );
        }
        assert_eq!(paid_by(&[("page_url", "/x?utm_source=fb&utm_medium=paid")]), Some(AdPlatform::Meta));
        assert_eq!(paid_by(&[("page_url", "https://site.example/#?gclid=")]), None);
        assert_eq!(paid_by(&[("website", "https://site.example/?gclid=x")]), None);
    }

    #[test]
    fn an_unfilled_template_is_no_click() {
        for value in ["{{gclid}}", "{gclid}", "__CLICKID__", "undefined", "null", "%gclid%", "-"] {
            assert_eq!(paid_by(&[("gclid", value)]), None, "{value}");
        }
    }

    #[test]
    fn facts_stay_verbatim_and_page_parameters_join_them_once() {
        let facts = vec![
            Fact::new("utm_source", "FB "),
            Fact::new("gclid", ""),
            Fact::new("Page URL", "https://site.example/?utm_source=x&fbclid=AbC%2B1&lang=id"),
            Fact::new("referrer", "https://l.example/?fbclid=other"),
        ];
        let read = Attribution::read(facts.clone()).facts;
        assert_eq!(read, [&facts[0], &facts[2], &facts[3], &Fact::new("fbclid", "AbC+1")].map(Clone::clone));
    }

    proptest! {
        #[test]
        fn any_facts_can_be_weighed(facts in prop::collection::vec((".{0,20}|gclid|page_url", ".{0,80}|https?://x/\\?.{0,60}"), 0..8)) {
            let facts = facts.into_iter().map(|(label, value)| Fact::new(label, value)).collect::<Vec<_>>();
            let filled = facts.iter().filter(|fact| !fact.value.trim().is_empty()).cloned().collect::<Vec<_>>();
            prop_assert!(Attribution::read(facts).facts.starts_with(&filled));
        }
    }
}
