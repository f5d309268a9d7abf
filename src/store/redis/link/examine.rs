//! What the server is set to, and whether it can keep what the profile promises: read at the start and by `check`.

use std::collections::BTreeMap;

use redis::Value;

use super::dial::Line;
use super::{LinkError, RedisTies, lines};
use crate::servers::{Durability, Servers};
use crate::store::StoreError;

/// Something about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub weight: Weight,
    /// What is, and what to do if there is something to do.
    pub says: String,
}

/// How bad a [`Remark`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Nothing would be kept at this moment; it may pass by itself.
    Now,
    /// What the profile promises cannot be kept: the bridge does not start.
    Refused,
}

impl Remark {
    fn new(weight: Weight, says: impl Into<String>) -> Self {
        Self { weight, says: says.into() }
    }
}

/// Looks at the server that `ties` lead to now.
///
/// # Errors
/// It cannot be asked; says why.
pub async fn examine(ties: &RedisTies) -> Result<Vec<Remark>, StoreError> {
    let mut line = lines::open_once(ties).await?;
    Ok(judge(&Facts::ask(&mut line).await?, ties))
}

/// Whether a bridge is connected to the server with this prefix; `None` where the server does not tell us.
///
/// # Errors
/// It cannot be asked.
pub async fn in_use(ties: &RedisTies) -> Result<Option<bool>, StoreError> {
    let mut line = lines::open_once(ties).await?;
    let mut ask = redis::pipe();
    ask.cmd("CLIENT").arg("ID").cmd("CLIENT").arg("LIST");
    let [ours, all] = line.all(&ask).await?;
    let ours = redis::from_redis_value::<i64>(ours).map(|id| format!("id={id}"));
    let (Ok(ours), Ok(all)) = (ours, redis::from_redis_value::<String>(all)) else { return Ok(None) };
    let name = format!("name={}", ties.root());
    let is_other = |line: &str| {
        let has = |word: &str| line.split(' ').any(|part| part == word);
        has(&name) && !has(&ours)
    };
    Ok(Some(all.lines().any(is_other)))
}

/// What the server says of itself. Absent is what it does not say.
#[derive(Debug, Default)]
struct Facts {
    /// The lines of `INFO`.
    info: BTreeMap<String, String>,
    /// Of `CONFIG GET`; `None` where that is forbidden.
    settings: Option<BTreeMap<String, String>>,
    /// The lines of `CLUSTER INFO`.
    cluster: BTreeMap<String, String>,
}

/// The settings that are asked for.
const SETTINGS: &[&str] = &[
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
];

impl Facts {
    async fn ask(line: &mut Line) -> Result<Self, LinkError> {
        let mut ask = redis::pipe();
        ask.cmd("INFO").cmd("CONFIG").arg("GET").arg(SETTINGS).cmd("CLUSTER").arg("INFO");
        let [info, settings, cluster] = line.all(&ask).await?;
        let settings = settings.extract_error().ok().and_then(|answer| redis::from_redis_value(answer).ok());
        Ok(Self { info: lines_of(info)?, settings, cluster: lines_of(cluster).unwrap_or_default() })
    }

    fn info(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// A setting by `CONFIG GET`, or, where that is forbidden, by the line of `INFO` that says the same.
    fn setting(&self, name: &str, info: &str) -> Option<&str> {
        let asked = self.settings.as_ref().and_then(|settings| settings.get(name));
        asked.or_else(|| self.info.get(info)).map(String::as_str)
    }

    /// Replicas that follow.
    fn replicas(&self) -> usize {
        let named = self.info.iter().filter(|(name, _)| name.starts_with("slave") && name[5..].parse::<u32>().is_ok());
        named.filter(|(_, says)| says.contains("state=online")).count()
    }
}

fn lines_of(answer: Value) -> Result<BTreeMap<String, String>, LinkError> {
    let text: String = redis::from_redis_value(answer.extract_error()?).map_err(|_| LinkError::Answer)?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

fn judge(facts: &Facts, ties: &RedisTies) -> Vec<Remark> {
    let mut remarks = vec![version(facts)];
    remarks.extend(mode(facts, &ties.url.servers));
    remarks.extend(disk(facts, ties.durability));
    remarks.extend(memory(facts));
    remarks.extend(replicas(facts, ties.durability));
    remarks
}

fn version(facts: &Facts) -> Remark {
    let version = facts.info("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(7..) => Remark::new(Weight::Good, format!("version {version}")),
        Some(_) => Remark::new(Weight::Refused, format!("version {version} is too old: 7.0 or newer is needed")),
        None => Remark::new(Weight::Refused, "does not say its version: Redis 7.0 or newer is needed"),
    }
}

fn mode(facts: &Facts, servers: &Servers) -> Option<Remark> {
    let refused = |says: &str| Some(Remark::new(Weight::Refused, says));
    match (servers, facts.info("redis_mode")) {
        (Servers::Cluster(_), "cluster") => cluster(facts),
        (Servers::Cluster(_), _) => refused("is no cluster: write REDIS_URL with redis://"),
        (_, "cluster") => refused("is a cluster: write REDIS_URL with redis+cluster://"),
        (Servers::One(_) | Servers::Sentinel { .. }, _) => None,
    }
}

/// Only one slot is ours, and its node has answered; the others are somebody's too.
fn cluster(facts: &Facts) -> Option<Remark> {
    let assigned = facts.cluster.get("cluster_slots_assigned").map_or("", String::as_str);
    let state = facts.cluster.get("cluster_state").map_or("", String::as_str);
    (state != "ok" || assigned != "16384").then(|| {
        let says =
            format!("its cluster is {state} with {assigned} of 16384 slots: `redis-cli --cluster fix HOST:PORT`");
        Remark::new(Weight::Now, says)
    })
}

/// Whether an answer means that it is on the disk.
fn disk(facts: &Facts, durability: Durability) -> Vec<Remark> {
    let log = facts.setting("appendonly", "aof_enabled").unwrap_or("").replace('1', "yes").replace('0', "no");
    let sync = facts.settings.as_ref().and_then(|settings| settings.get("appendfsync")).map(String::as_str);
    let mut remarks = Vec::new();
    if facts.info("aof_last_write_status") == "err" {
        remarks.push(Remark::new(Weight::Now, "cannot write its append-only file: look at its disk"));
    }
    let remark = match (durability, log.as_str(), sync) {
        (Durability::Relaxed, "yes", _) => {
            Remark::new(Weight::Good, "relaxed, as declared: it may lose the last seconds")
        }
        (Durability::Relaxed, ..) => Remark::new(
            Weight::Doubtful,
            "has no append-only file, so that a restart loses what came in since its last snapshot: `CONFIG SET appendonly yes`",
        ),
        (_, "no", _) => Remark::new(
            Weight::Refused,
            format!(
                "has no append-only file, so that {durability} cannot be kept: `redis-cli CONFIG SET appendonly yes appendfsync always`, \
                 and the same in its redis.conf (or REDIS_DURABILITY=relaxed, which may lose leads)"
            ),
        ),
        (_, _, Some("always")) if facts.setting("no-appendfsync-on-rewrite", "") == Some("yes") => Remark::new(
            Weight::Refused,
            format!(
                "has no-appendfsync-on-rewrite yes, so that {durability} is not kept while its file is rewritten: `redis-cli CONFIG \
                 SET no-appendfsync-on-rewrite no`, and the same in its redis.conf"
            ),
        ),
        (_, _, Some("always")) => Remark::new(Weight::Good, "answers once it is on disk (appendfsync always)"),
        (_, _, Some(other)) => Remark::new(
            Weight::Refused,
            format!(
                "has appendfsync {other}, so that {durability} cannot be kept: `redis-cli CONFIG SET appendfsync always`, and \
                 the same in its redis.conf (or REDIS_DURABILITY=relaxed, which may lose leads)"
            ),
        ),
        (_, _, None) => Remark::new(
            Weight::Doubtful,
            format!(
                "does not let its settings be read, so that {durability} is only declared: make sure of appendfsync always"
            ),
        ),
    };
    remarks.push(remark);
    remarks
}

/// What becomes of what is held when there is no room for more.
fn memory(facts: &Facts) -> Vec<Remark> {
    let policy = facts.setting("maxmemory-policy", "maxmemory_policy").unwrap_or("");
    if policy != "noeviction" {
        let says = format!(
            "has maxmemory-policy {policy}, which throws leads away when it is full: `redis-cli CONFIG SET maxmemory-policy \
             noeviction`, and the same in its redis.conf"
        );
        return vec![Remark::new(Weight::Refused, says)];
    }
    match facts.setting("maxmemory", "maxmemory").and_then(|bytes| bytes.parse::<u64>().ok()) {
        Some(0) => vec![Remark::new(
            Weight::Doubtful,
            "has no maxmemory, so that a flood may have it killed: `redis-cli CONFIG SET maxmemory` with what the machine has left",
        )],
        Some(most) => {
            let used = facts.info("used_memory").parse::<u64>().unwrap_or_default();
            let weight = if used > most / 10 * 9 { Weight::Doubtful } else { Weight::Good };
            let says = format!("uses {} of {} MiB and evicts nothing", used >> 20, most >> 20);
            vec![Remark::new(weight, says)]
        }
        None => Vec::new(),
    }
}

fn replicas(facts: &Facts, durability: Durability) -> Vec<Remark> {
    let Durability::Replicated(wanted) = durability else { return Vec::new() };
    let following = facts.replicas();
    let mut remarks = Vec::new();
    if following < wanted as usize {
        let says = format!(
            "has {following} replicas that follow, and {durability} wants {wanted}: nothing is kept until then"
        );
        remarks.push(Remark::new(Weight::Now, says));
    } else {
        remarks.push(Remark::new(Weight::Good, format!("has {following} replicas that follow")));
    }
    let least = facts.setting("min-replicas-to-write", "").and_then(|least| least.parse::<u32>().ok());
    if least.is_some_and(|least| least < wanted) {
        let says = format!(
            "takes writes without replicas: `redis-cli CONFIG SET min-replicas-to-write {wanted}` on each server lets one that \
             was cut off refuse at once"
        );
        remarks.push(Remark::new(Weight::Doubtful, says));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ties(url: &str, durability: &str) -> RedisTies {
        RedisTies {
            url: url.parse().unwrap(),
            prefix: "test".into(),
            durability: durability.parse().unwrap(),
            on_time: Arc::new(|_, _| ()),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// A server as it should be, with some things otherwise.
    fn facts(info: &[(&str, &str)], settings: &[(&str, &str)]) -> Facts {
        let mut all = map(&[("redis_version", "7.0.15"), ("redis_mode", "standalone"), ("used_memory", "1048576")]);
        all.extend(map(&[("aof_enabled", "1"), ("maxmemory_policy", "noeviction"), ("maxmemory", "104857600")]));
        all.extend(map(info));
        let mut set = map(&[("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory", "104857600")]);
        set.extend(map(&[("maxmemory-policy", "noeviction"), ("min-replicas-to-write", "0")]));
        set.extend(map(settings));
        Facts { info: all, settings: Some(set), cluster: BTreeMap::new() }
    }

    fn worst(facts: &Facts, durability: &str) -> Remark {
        let mut remarks = judge(facts, &ties("redis://h", durability));
        remarks.sort_by_key(|remark| remark.weight);
        remarks.pop().unwrap()
    }

    #[test]
    fn a_server_as_it_should_be_is_good() {
        assert_eq!(worst(&facts(&[], &[]), "fsync").weight, Weight::Good);
        let relaxed = facts(&[], &[("appendfsync", "everysec")]);
        assert_eq!(worst(&relaxed, "relaxed").weight, Weight::Good);
        let followed = facts(&[("slave0", "ip=h,port=1,state=online,lag=0")], &[("min-replicas-to-write", "1")]);
        assert_eq!(worst(&followed, "replicated:1").weight, Weight::Good);
    }

    #[test]
    fn a_profile_that_cannot_be_kept_is_refused_with_the_command_that_mends_it() {
        for (settings, command) in [
            (("appendfsync", "everysec"), "CONFIG SET appendfsync always"),
            (("appendonly", "no"), "CONFIG SET appendonly yes appendfsync always"),
            (("maxmemory-policy", "allkeys-lru"), "CONFIG SET maxmemory-policy noeviction"),
            (("no-appendfsync-on-rewrite", "yes"), "CONFIG SET no-appendfsync-on-rewrite no"),
        ] {
            let remark = worst(&facts(&[], &[settings]), "fsync");
            assert_eq!(remark.weight, Weight::Refused, "{remark:?}");
            assert!(remark.says.contains(command), "{remark:?}");
        }
        let old = worst(&facts(&[("redis_version", "6.2.1")], &[]), "fsync");
        assert!(old.weight == Weight::Refused && old.says.contains("7.0"), "{old:?}");
        let cluster = worst(&facts(&[("redis_mode", "cluster")], &[]), "fsync");
        assert!(cluster.weight == Weight::Refused && cluster.says.contains("redis+cluster://"), "{cluster:?}");
    }

    #[test]
    fn where_settings_are_hidden_the_profile_is_only_declared() {
        let hidden = Facts { settings: None, ..facts(&[], &[]) };
        let remark = worst(&hidden, "fsync");
        assert!(remark.weight == Weight::Doubtful && remark.says.contains("only declared"), "{remark:?}");
        let without_log = Facts { settings: None, ..facts(&[("aof_enabled", "0")], &[]) };
        assert_eq!(worst(&without_log, "fsync").weight, Weight::Refused, "INFO says as much");
    }

    #[test]
    fn too_few_replicas_stop_keeping_but_not_the_start() {
        let alone = facts(&[("slave0", "ip=h,port=1,state=wait_bgsave"), ("slave_repl_offset", "7")], &[]);
        let remark = worst(&alone, "replicated:1");
        assert!(remark.weight == Weight::Now && remark.says.contains("0 replicas"), "{remark:?}");
    }
}
