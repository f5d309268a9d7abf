//! The table of service variables: one place for names, defaults and meanings.

use super::{Environment, nearest};

/// A variable that the service reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value where it is unset.
    pub default: Option<&'static str>,
    /// Never shown. May be given as `NAME_FILE`, like any other; for a secret that is the better way.
    pub secret: bool,
    /// What it is for, and what it may be.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: Some(default), secret: false, meaning }
}

const fn optional(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: None, secret: false, meaning }
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: None, secret: true, meaning }
}

/// Every variable of the service. Those of the sources stand in the sources' own file
/// ([`built_in_variables`](super::built_in_variables)).
pub const VARIABLES: &[Variable] = &[
    secret("KONEKTOR_API_KEY", "key of the Konektor workspace; needed by serve, check and api"),
    setting("KONEKTOR_BASE_URL", "https://konektor.id", "where Konektor is; http only for this machine"),
    setting(
        "KONEKTOR_COMMIT_WITHIN",
        "30s",
        "longest time in which Konektor commits a lead after it was sent, 10s to 1h; an unanswered one is not sent again before",
    ),
    setting(
        "KONEKTOR_SEARCH_WITHIN",
        "15s",
        "longest time until Konektor's search finds a new lead, up to 1h; `check --measure-search` measures it",
    ),
    setting(
        "KONEKTOR_SEARCH_FIRST",
        "in_doubt",
        "always searches for each new lead before it is created (a call more); in_doubt only when it may be there",
    ),
    setting(
        "BRIDGE_ALLOW_INSECURE_UPSTREAM",
        "false",
        "true lets KONEKTOR_BASE_URL and the senders' APIs be http anywhere",
    ),
    setting("BRIDGE_LISTEN", "0.0.0.0:8080", "public address: /hooks/… and /healthz, nothing else"),
    setting(
        "BRIDGE_ADMIN_LISTEN",
        "127.0.0.1:8081",
        "private address: admin API, /metrics, /readyz, /healthz; off turns it off",
    ),
    secret("BRIDGE_ADMIN_TOKEN", "bearer token of the admin API; needed unless its address is loopback"),
    optional("BRIDGE_ADMIN_URL", "where commands find the admin API; otherwise BRIDGE_ADMIN_LISTEN on this machine"),
    setting("BRIDGE_DATA_DIR", "./data", "directory of the embedded store"),
    secret(
        "REDIS_URL",
        "keeps everything in Redis 7 or newer, which several bridges share, instead of on this machine: redis://user:password@host:6379/0, \
         redis+cluster://host1,host2 or redis+sentinel://host1,host2/mymaster; rediss for TLS",
    ),
    setting("REDIS_PREFIX", "bridge", "what tells these bridges' keys from those of others on the same Redis"),
    setting(
        "REDIS_DURABILITY",
        "fsync",
        "when a webhook counts as kept: fsync (on the disk of Redis), replicated:N (and N replicas have it), relaxed (in its memory)",
    ),
    optional("BRIDGE_CONFIG", "file with sources and rules; otherwise config/bridge.toml if it is there"),
    optional("BRIDGE_PUBLIC_URL", "how senders reach the bridge, as https://leads.example.com"),
    optional("BRIDGE_TRUSTED_PROXIES", "networks whose Forwarded and X-Forwarded-For are believed, as 10.0.0.0/8,::1"),
    setting("BRIDGE_DEFAULT_REGION", "ID", "region of phone numbers without a country code, two letters"),
    setting(
        "BRIDGE_LOG",
        "info",
        "what is logged: error, warn, info, debug, trace, or by module as warn,konektor_bridge=debug",
    ),
    setting("BRIDGE_LOG_FORMAT", "auto", "auto (text on a terminal, otherwise json), text or json"),
    setting(
        "BRIDGE_BODY_LIMIT",
        "4MiB",
        "largest webhook that is taken, 1KiB to 64MiB; a form with files may be 10MiB, of which the files are not kept",
    ),
    setting("BRIDGE_SHUTDOWN_GRACE", "20s", "how long a shutdown waits for what is under way, up to 10m"),
];

/// The variables that begin like ours but are not: typing errors, probably.
///
/// A warning and no error, because Kubernetes sets `BRIDGE_PORT` and the like for a service called `bridge`.
pub(super) fn misspelt(environment: &Environment) -> Vec<String> {
    let ours: Vec<_> = VARIABLES.iter().filter_map(|variable| variable.name.strip_prefix("BRIDGE_")).collect();
    environment
        .names()
        .filter_map(|name| name.strip_prefix("BRIDGE_"))
        .filter(|name| !ours.contains(&name.strip_suffix("_FILE").unwrap_or(name)))
        .filter_map(|name| Some((name, nearest(name, ours.iter().copied())?)))
        .map(|(name, meant)| format!("BRIDGE_{name} is not a variable of the bridge; did you mean BRIDGE_{meant}?"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_pointed_out_and_kubernetes_is_let_be() {
        let environment =
            Environment::from_iter([("BRIDGE_LISTN", "x"), ("BRIDGE_LISTEN", "x"), ("BRIDGE_ADMIN_TOKEN_FILE", "x")]);
        assert_eq!(
            misspelt(&environment),
            ["BRIDGE_LISTN is not a variable of the bridge; did you mean BRIDGE_LISTEN?"]
        );
        assert!(misspelt(&Environment::from_iter([("BRIDGE_PORT_8080_TCP_ADDR", "x")])).is_empty());
    }
}
