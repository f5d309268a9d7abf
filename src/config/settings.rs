//! Service settings: the variables of the table, read and judged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::environment::Reader;
use super::variables::VARIABLES;
use super::{Finding, values};
use crate::servers::{Durability, RedisUrl};

/// The smallest and the largest `BRIDGE_BODY_LIMIT`: below, real webhooks are refused; above, one request could take the
/// memory that all share.
const BODY_LIMITS: (usize, usize) = (1024, 64 * 1024 * 1024);

/// The shortest `BRIDGE_ADMIN_TOKEN` of a listener that others than this machine reach: as of a secret that signs.
const SHORTEST_TOKEN: usize = 16;

/// The longest `BRIDGE_SHUTDOWN_GRACE`.
const MAX_GRACE: Duration = Duration::from_secs(600);

/// The shortest `KONEKTOR_COMMIT_WITHIN`: a call is waited for that long, so a commit may take as long.
const LEAST_COMMIT: Duration = Duration::from_secs(10);

/// The longest `KONEKTOR_COMMIT_WITHIN` and `KONEKTOR_SEARCH_WITHIN`.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What both are at least together: with the five seconds that a POST may be late, no search may count before the lease
/// (thirty seconds) of a worker that was lost has ended.
const LEAST_QUIET: Duration = Duration::from_secs(25);

/// What the environment says about the service itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `KONEKTOR_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `KONEKTOR_BASE_URL`.
    pub base_url: Url,
    /// `BRIDGE_ALLOW_INSECURE_UPSTREAM`.
    pub allow_insecure_upstream: bool,
    /// `KONEKTOR_COMMIT_WITHIN`.
    pub commit_within: Duration,
    /// `KONEKTOR_SEARCH_WITHIN`.
    pub search_within: Duration,
    /// `KONEKTOR_SEARCH_FIRST`.
    pub search_first: SearchFirst,
    /// `BRIDGE_LISTEN`.
    pub listen: SocketAddr,
    /// `BRIDGE_ADMIN_LISTEN` and `BRIDGE_ADMIN_TOKEN`.
    pub admin: Admin,
    /// `BRIDGE_ADMIN_URL`, or the admin address on this machine: where commands find the admin API. `None` when it is
    /// off, or on a port that is not known beforehand.
    pub admin_url: Option<Url>,
    /// `BRIDGE_ADMIN_TOKEN`, for commands.
    pub admin_token: Option<SecretString>,
    /// Where what came in is kept.
    pub backend: Backend,
    /// `BRIDGE_DATA_DIR`, also where Redis is used.
    pub data_dir: PathBuf,
    /// `BRIDGE_PUBLIC_URL`.
    pub public_url: Option<Url>,
    /// `BRIDGE_TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// `BRIDGE_DEFAULT_REGION`.
    pub default_region: String,
    /// `BRIDGE_LOG`: a valid filter.
    pub log: String,
    /// `BRIDGE_LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `BRIDGE_BODY_LIMIT`, in bytes.
    pub body_limit: usize,
    /// `BRIDGE_SHUTDOWN_GRACE`.
    pub shutdown_grace: Duration,
}

/// The private side.
#[derive(Debug, Clone)]
pub enum Admin {
    /// There is none.
    Off,
    /// On an address that only this machine reaches, open to whoever is on it.
    Open(SocketAddr),
    /// For those who have the token.
    Guarded(SocketAddr, SecretString),
}

/// Where what came in is kept, with what that place needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Redis, which several bridges share.
    Redis(Redis),
    /// The embedded store.
    Embedded {
        /// Its directory.
        data_dir: PathBuf,
    },
}

/// `REDIS_URL`, `REDIS_PREFIX` and `REDIS_DURABILITY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is, and who we are there.
    pub url: RedisUrl,
    /// Tells the keys of these bridges from those of others on the same Redis.
    pub prefix: String,
    /// When what came in counts as kept.
    pub durability: Durability,
}

/// When a lead is searched for before it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum SearchFirst {
    /// When it may be there already.
    InDoubt,
    /// Always: a call more for each.
    Always,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// The table's variables as text; those with a default always have a value.
#[derive(Deserialize)]
struct Raw {
    konektor_api_key: Option<SecretString>,
    konektor_base_url: String,
    konektor_commit_within: String,
    konektor_search_within: String,
    konektor_search_first: String,
    bridge_allow_insecure_upstream: String,
    bridge_listen: String,
    bridge_admin_listen: String,
    bridge_admin_token: Option<SecretString>,
    bridge_admin_url: Option<String>,
    bridge_data_dir: String,
    redis_url: Option<SecretString>,
    redis_prefix: String,
    redis_durability: String,
    bridge_public_url: Option<String>,
    bridge_trusted_proxies: Option<String>,
    bridge_default_region: String,
    bridge_log: String,
    bridge_log_format: String,
    bridge_body_limit: String,
    bridge_shutdown_grace: String,
}

/// Reads every variable of the table; `None` when one is wrong, with the reason among the `findings`.
pub(super) fn read(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Option<Settings> {
    let raw = raw(reader, findings);
    let mut judge = Judge { findings };
    let backend = judge.backend(&raw);
    let insecure = judge.value("BRIDGE_ALLOW_INSECURE_UPSTREAM", &raw.bridge_allow_insecure_upstream, values::flag);
    let upstream = |text: &str| values::upstream(text, insecure == Some(true));
    let base_url = judge.value("KONEKTOR_BASE_URL", &raw.konektor_base_url, upstream);
    let waits = judge.waits(&raw);
    let search_first = judge.value("KONEKTOR_SEARCH_FIRST", &raw.konektor_search_first, |text| {
        text.parse().map_err(|_| "is neither in_doubt nor always".to_owned())
    });
    let listen = judge.value("BRIDGE_LISTEN", &raw.bridge_listen, values::address);
    let admin = judge.admin(&raw);
    let admin_url = judge.maybe("BRIDGE_ADMIN_URL", raw.bridge_admin_url.as_deref(), values::web_address);
    let public_url = judge.maybe("BRIDGE_PUBLIC_URL", raw.bridge_public_url.as_deref(), values::web_address);
    let proxies = judge.maybe("BRIDGE_TRUSTED_PROXIES", raw.bridge_trusted_proxies.as_deref(), values::networks);
    let region = judge.value("BRIDGE_DEFAULT_REGION", &raw.bridge_default_region, values::region);
    let log = judge.value("BRIDGE_LOG", &raw.bridge_log, values::log_filter);
    let log_format = judge.value("BRIDGE_LOG_FORMAT", &raw.bridge_log_format, |text| {
        text.parse().map_err(|_| "is none of auto, text, json".to_owned())
    });
    let body_limit = judge.value("BRIDGE_BODY_LIMIT", &raw.bridge_body_limit, body_limit);
    let grace = judge.value("BRIDGE_SHUTDOWN_GRACE", &raw.bridge_shutdown_grace, grace);
    let admin = admin?;
    let (commit_within, search_within) = waits?;
    Some(Settings {
        api_key: raw.konektor_api_key,
        base_url: base_url?,
        allow_insecure_upstream: insecure?,
        commit_within,
        search_within,
        search_first: search_first?,
        listen: listen?,
        admin_url: admin_url?.or_else(|| local_url(&admin)),
        admin,
        admin_token: raw.bridge_admin_token,
        backend: backend?,
        data_dir: PathBuf::from(raw.bridge_data_dir),
        public_url: public_url?,
        trusted_proxies: proxies?.unwrap_or_default(),
        default_region: region?,
        log: log?,
        log_format: log_format?,
        body_limit: body_limit?,
        shutdown_grace: grace?,
    })
}

/// The text of each variable: set, in a file, or by default.
fn raw(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Raw {
    let mut texts = BTreeMap::new();
    for variable in VARIABLES {
        let set = reader.variable(variable.name).unwrap_or_else(|problem| {
            findings.push(Finding::new(variable.name, problem));
            None
        });
        if let Some(text) = set.or(variable.default.map(str::to_owned)) {
            texts.insert(variable.name.to_owned(), text);
        }
    }
    envy::from_iter(texts).expect("every field without a default in the table is optional")
}

/// Collects what is wrong.
struct Judge<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Judge<'_> {
    /// The value of a variable, or `None` and a finding.
    fn value<T>(&mut self, name: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        read(text).map_err(|problem| self.findings.push(Finding::new(name, problem))).ok()
    }

    /// The value of a variable that may be unset: then `Some(None)`.
    fn maybe<T>(
        &mut self,
        name: &str,
        text: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match text {
            None => Some(None),
            Some(text) => self.value(name, text, read).map(Some),
        }
    }

    /// The private side: what strangers could reach needs a token.
    fn admin(&mut self, raw: &Raw) -> Option<Admin> {
        if raw.bridge_admin_listen == "off" {
            return Some(Admin::Off);
        }
        let address = self.value("BRIDGE_ADMIN_LISTEN", &raw.bridge_admin_listen, values::address)?;
        let is_private = address.ip().is_loopback();
        let problem = match &raw.bridge_admin_token {
            Some(token) if is_private || token.expose_secret().len() >= SHORTEST_TOKEN => {
                return Some(Admin::Guarded(address, token.clone()));
            }
            None if is_private => return Some(Admin::Open(address)),
            Some(_) => format!(
                "has fewer than {SHORTEST_TOKEN} characters and could be guessed, for BRIDGE_ADMIN_LISTEN is not loopback; make a \
                 longer one, for example by `openssl rand -hex 32`"
            ),
            None => {
                "is not set, but BRIDGE_ADMIN_LISTEN is not loopback; set it, or listen on 127.0.0.1:8081".to_owned()
            }
        };
        self.findings.push(Finding::new("BRIDGE_ADMIN_TOKEN", problem));
        None
    }

    /// How long Konektor is waited for before finding nothing proves something.
    fn waits(&mut self, raw: &Raw) -> Option<(Duration, Duration)> {
        let commit = self.value("KONEKTOR_COMMIT_WITHIN", &raw.konektor_commit_within, |text| {
            within(text).and_then(|wait| if wait < LEAST_COMMIT { Err("is shorter than 10s".into()) } else { Ok(wait) })
        });
        let search = self.value("KONEKTOR_SEARCH_WITHIN", &raw.konektor_search_within, within);
        let waits = (commit?, search?);
        if waits.0 + waits.1 < LEAST_QUIET {
            let problem = "is less than 25s together with KONEKTOR_COMMIT_WITHIN; make one of them longer";
            self.findings.push(Finding::new("KONEKTOR_SEARCH_WITHIN", problem));
        }
        Some(waits)
    }

    /// Where what came in is kept. What Redis is told is judged even where it is not used: who sets it means something.
    fn backend(&mut self, raw: &Raw) -> Option<Backend> {
        let durability = self.value("REDIS_DURABILITY", &raw.redis_durability, str::parse);
        let prefix = self.value("REDIS_PREFIX", &raw.redis_prefix, values::key_prefix);
        let url = raw.redis_url.as_ref().map(ExposeSecret::expose_secret);
        let url = self.maybe("REDIS_URL", url, str::parse);
        match url? {
            Some(url) => Some(Backend::Redis(Redis { url, prefix: prefix?, durability: durability? })),
            None => Some(Backend::Embedded { data_dir: PathBuf::from(&raw.bridge_data_dir) }),
        }
    }
}

fn body_limit(text: &str) -> Result<usize, String> {
    let limit = values::bytes(text)?;
    let (least, most) = BODY_LIMITS;
    if (least..=most).contains(&limit) { Ok(limit) } else { Err("is not between 1KiB and 64MiB".into()) }
}

fn grace(text: &str) -> Result<Duration, String> {
    let grace = values::duration(text)?;
    if grace <= MAX_GRACE { Ok(grace) } else { Err("is longer than 10m".into()) }
}

fn within(text: &str) -> Result<Duration, String> {
    let wait = values::duration(text)?;
    if wait <= MAX_WAIT { Ok(wait) } else { Err("is longer than 1h".into()) }
}

/// How a command on this machine reaches the admin listener.
fn local_url(admin: &Admin) -> Option<Url> {
    let (Admin::Open(address) | Admin::Guarded(address, _)) = admin else { return None };
    let mut address = *address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    (address.port() != 0).then(|| Url::parse(&format!("http://{address}")).expect("an address makes a URL"))
}
