//! How a sandbox is set up: where it listens, what it keeps, who may call it.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

use super::faults::Faults;
use crate::clock::{Clock, SystemClock};

/// The key of the default workspace. It has every scope.
pub const DEFAULT_KEY: &str = "kk_sandbox_all_scopes";

/// Everything a sandbox is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; port 0 takes a free one. The calls under `/sandbox` ask for no key, so keep it loopback.
    pub listen: SocketAddr,
    /// Where the leads are kept.
    pub database: Database,
    /// The workspaces, at least one. The first one's limit is shown to callers whose key is refused.
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

/// One Konektor workspace: its leads, its limit, its keys.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its name inside the sandbox; stands beside its leads.
    pub name: String,
    /// The name `GET /api/v2/agent/workspace` shows.
    pub display_name: String,
    /// The plan, which gives the limit.
    pub plan: Plan,
    /// Requests a minute in place of the plan's.
    pub per_minute: Option<NonZeroU32>,
    /// Leads a day, as the workspace call shows it. Nothing is refused by it: that takes the fault `daily_limit`.
    pub leads_per_day: u32,
    /// The keys. All of them share the workspace's limit.
    pub keys: Vec<Key>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            name: "toko-budi".to_owned(),
            display_name: "Toko Budi Online".to_owned(),
            plan: Plan::Pro,
            per_minute: None,
            leads_per_day: 500,
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

/// An API key.
#[derive(Debug, Clone)]
pub struct Key {
    /// What follows `Bearer `.
    pub token: SecretString,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    pub revoked: bool,
}

impl Key {
    /// A key that may do everything and never expires.
    #[must_use]
    pub fn with_all_scopes(token: &str) -> Self {
        Self { token: token.into(), scopes: Scope::VARIANTS.to_vec(), expires_at: None, revoked: false }
    }
}

/// What a key may do. Source: Agent API 2.2.0, "Scopes Reference".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantArray)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Scope {
    #[strum(serialize = "agent.leads.read")]
    LeadsRead,
    #[strum(serialize = "agent.leads.write")]
    LeadsWrite,
    #[strum(serialize = "agent.analytics.read")]
    AnalyticsRead,
    #[strum(serialize = "agent.conversions.read")]
    ConversionsRead,
    #[strum(serialize = "agent.workspace.read")]
    WorkspaceRead,
    #[strum(serialize = "agent.support.write")]
    SupportWrite,
}

/// A subscription, which sets the limit. Source: Agent API 2.2.0, "Rate Limits".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
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
