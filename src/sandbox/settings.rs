//! How a sandbox is set up: where it listens, what it keeps, who may call it.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::faults::Faults;
use super::seed::Seeding;
use crate::clock::{Clock, SystemClock};

/// The key of the default workspace. It has every scope.
pub const DEFAULT_KEY: &str = "kk_sandbox_all_scopes";
/// Leads a day when nothing is asked for.
pub const DEFAULT_LEADS_PER_DAY: u32 = 500;

/// Everything a sandbox is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; port 0 takes a free one. The calls under `/sandbox` ask for no key, so keep it loopback.
    pub listen: SocketAddr,
    /// Where the leads are kept.
    pub database: Database,
    /// The workspaces, at least one. Those that a file has under the same name, and keys of the same token, become these;
    /// others in it stay. The first one's limit is shown to callers whose key is refused.
    pub workspaces: Vec<Workspace>,
    /// The faults at the start; `POST /sandbox/reset` goes back to them.
    pub faults: Faults,
    /// Whether answers show `externalRef`. No example of the contract does, so it is off by default.
    pub show_external_ref: bool,
    /// The stand-in for the Meta Graph API.
    pub graph: GraphSettings,
    /// The clock that dates leads, windows and expiry.
    pub clock: Arc<dyn Clock>,
    /// Where ids and faults come from: the same seed and the same calls give the same run.
    pub seed: u64,
    /// Made-up leads for the first workspace, if it has none yet.
    pub seeding: Option<Seeding>,
    /// How long the second try of a webhook waits; each later one waits four times as long.
    pub webhook_patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            database: Database::Memory,
            workspaces: vec![Workspace::default()],
            faults: Faults::default(),
            show_external_ref: false,
            graph: GraphSettings::default(),
            clock: Arc::new(SystemClock),
            seed: 0,
            seeding: None,
            webhook_patience: Duration::from_secs(1),
        }
    }
}

/// Where leads and ledger are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// In memory, gone with the sandbox.
    Memory,
    /// In an SQLite file, made when it is not there.
    File(PathBuf),
}

/// One Konektor workspace: its leads, its limit, its keys. As JSON (camel case, name and keys left out) it is what
/// `PUT /sandbox/workspaces/{name}` takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Workspace {
    /// Its name inside the sandbox; stands beside its leads.
    #[serde(skip)]
    pub name: String,
    /// The name that `GET /api/v2/agent/workspace` shows.
    pub display_name: String,
    /// Where its days, weeks and months begin.
    #[serde(rename = "timezone", with = "jiff::fmt::serde::tz::required")]
    pub time_zone: TimeZone,
    /// The currency of its amounts, by ISO 4217.
    pub currency: String,
    /// The language of its dashboard.
    pub language: String,
    /// How its dashboard writes dates.
    pub date_format: String,
    /// What its tracker is told by.
    pub tracking_code: String,
    /// The plan, which gives the limit.
    pub plan: Plan,
    /// Whether the plan is paid for; otherwise every call is answered 403.
    pub active: bool,
    /// Requests a minute in place of the plan's.
    pub per_minute: Option<NonZeroU32>,
    /// Leads a day, as the workspace call shows it. Nothing is refused by it: that takes the fault `daily_limit`.
    pub leads_per_day: u32,
    /// People in its team.
    pub team_members: u32,
    /// WhatsApp rotators that are on.
    pub active_rotators: u32,
    /// Who is told of its leads by webhook.
    pub subscriber: Option<Subscriber>,
    /// The keys. All of them share the workspace's limit.
    #[serde(skip)]
    pub keys: Vec<Key>,
}

impl Default for Workspace {
    /// The workspace of the contract's example, but for its tracking code.
    fn default() -> Self {
        Self {
            name: "toko-budi".to_owned(),
            display_name: "Toko Budi Online".to_owned(),
            time_zone: TimeZone::get("Asia/Jakarta").expect("the time zones are built in"),
            currency: "IDR".to_owned(),
            language: "id".to_owned(),
            date_format: "DD/MM/YYYY".to_owned(),
            tracking_code: "KNK-sandbox".to_owned(),
            plan: Plan::Pro,
            active: true,
            per_minute: None,
            leads_per_day: DEFAULT_LEADS_PER_DAY,
            team_members: 5,
            active_rotators: 2,
            subscriber: None,
            keys: vec![Key::with_all_scopes(DEFAULT_KEY)],
        }
    }
}

impl Workspace {
    /// Requests a minute.
    pub(super) fn limit(&self) -> NonZeroU32 {
        self.per_minute.unwrap_or(self.plan.per_minute())
    }
}

/// Where Konektor's own webhooks go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscriber {
    /// An `http` or `https` URL.
    pub url: String,
    /// What they are signed with.
    #[serde(serialize_with = "exposed")]
    pub secret: SecretString,
}

/// An API key. As JSON (camel case, the token left out) it is what `PUT /sandbox/keys/{token}` takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Key {
    /// What follows `Bearer `.
    #[serde(skip)]
    pub token: SecretString,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    pub revoked: bool,
}

impl Default for Key {
    /// May do everything and never expires.
    fn default() -> Self {
        Self { token: SecretString::default(), scopes: Scope::VARIANTS.to_vec(), expires_at: None, revoked: false }
    }
}

impl Key {
    /// A key that may do everything and never expires.
    #[must_use]
    pub fn with_all_scopes(token: &str) -> Self {
        Self { token: token.into(), ..Self::default() }
    }
}

/// A secret of the sandbox, which nobody real has.
fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// What a key may do. Source: Agent API 2.2.0, "Scopes Reference".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantArray)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Scope {
    #[serde(rename = "agent.leads.read")]
    #[strum(serialize = "agent.leads.read")]
    LeadsRead,
    #[serde(rename = "agent.leads.write")]
    #[strum(serialize = "agent.leads.write")]
    LeadsWrite,
    #[serde(rename = "agent.analytics.read")]
    #[strum(serialize = "agent.analytics.read")]
    AnalyticsRead,
    #[serde(rename = "agent.conversions.read")]
    #[strum(serialize = "agent.conversions.read")]
    ConversionsRead,
    #[serde(rename = "agent.workspace.read")]
    #[strum(serialize = "agent.workspace.read")]
    WorkspaceRead,
    #[serde(rename = "agent.support.write")]
    #[strum(serialize = "agent.support.write")]
    SupportWrite,
}

/// A subscription, which sets the limit. Source: Agent API 2.2.0, "Rate Limits".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Plan {
    /// 60 requests a minute.
    Starter,
    /// 200 requests a minute.
    Pro,
    /// 600 requests a minute.
    Enterprise,
    /// 200 requests a minute.
    Custom,
}

impl Plan {
    /// Requests a minute, all keys of the workspace together.
    #[must_use]
    pub fn per_minute(self) -> NonZeroU32 {
        let limit = match self {
            Self::Starter => 60,
            Self::Pro | Self::Custom => 200,
            Self::Enterprise => 600,
        };
        NonZeroU32::new(limit).expect("no plan has a limit of zero")
    }
}

/// The stand-in for the Meta Graph API.
#[derive(Debug, Clone, Default)]
pub struct GraphSettings {
    /// With it `appsecret_proof` is required and checked; without it any proof passes.
    pub app_secret: Option<SecretString>,
    /// The only token that is taken; without it any that is not empty.
    pub access_token: Option<SecretString>,
}
