//! Redis as the settings name it: where it is, who we are there, and when what was written counts as kept. Pure.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// Redis' own port.
const PORT: u16 = 6379;

/// The port of its sentinels.
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is, and who we are there. [`Debug`] and [`Display`](fmt::Display) show no user and no password.
#[derive(Clone)]
pub struct RedisUrl {
    /// Who is asked for data.
    pub servers: Servers,
    /// Encrypted, and their certificates checked.
    pub tls: bool,
    /// Who we are to the servers that hold data.
    pub login: Login,
    /// The number of the database; 0 in a cluster.
    pub db: i64,
}

/// Which servers there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// One, always the same.
    One(Host),
    /// A cluster: some of its nodes, which know the others.
    Cluster(Vec<Host>),
    /// One of several, and sentinels know which.
    Sentinel {
        /// The sentinels, each of which is asked.
        sentinels: Vec<Host>,
        /// What the sentinels call the primary.
        primary: String,
        /// Who we are to the sentinels.
        login: Box<Login>,
    },
}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name or address, without brackets.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// A user of the server's ACL, or its one password.
#[derive(Clone, Default)]
pub struct Login {
    /// None is the user `default`.
    pub user: Option<String>,
    /// Never shown.
    pub password: Option<SecretString>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        let secret = |login: &Self| login.password.as_ref().map(|password| password.expose_secret().to_owned());
        self.user == other.user && secret(self) == secret(other)
    }
}

impl Eq for Login {}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let Self { servers, tls, login, db } = self;
        (servers, tls, login, db) == (&other.servers, &other.tls, &other.login, &other.db)
    }
}

impl Eq for RedisUrl {}

/// When what was written counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The primary has it on disk when it answers: `appendfsync always`.
    Fsync,
    /// As before, and so many replicas have it, too.
    Replicated(u32),
    /// The primary has it in memory: the last seconds may be lost.
    Relaxed,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fsync => f.write_str("fsync"),
            Self::Replicated(replicas) => write!(f, "replicated:{replicas}"),
            Self::Relaxed => f.write_str("relaxed"),
        }
    }
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let replicas = text.strip_prefix("replicated:").and_then(|count| count.parse().ok());
        match (text, replicas) {
            ("fsync", _) => Ok(Self::Fsync),
            ("relaxed", _) => Ok(Self::Relaxed),
            (_, Some(replicas @ 1..=16)) => Ok(Self::Replicated(replicas)),
            _ => Err("is none of fsync, replicated:1 (to 16), relaxed".into()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls { "s" } else { "" };
        match &self.servers {
            Servers::One(host) => write!(f, "redis{s}://{host}/{}", self.db),
            Servers::Cluster(nodes) => write!(f, "redis{s}+cluster://{}", listed(nodes)),
            Servers::Sentinel { sentinels, primary, .. } => {
                write!(f, "redis{s}+sentinel://{}/{primary}/{}", listed(sentinels), self.db)
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

fn listed(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for RedisUrl {
    type Err = String;

    /// Reads `redis://`, `rediss://` (TLS), `redis+cluster://` and `redis+sentinel://` (with `rediss` likewise). Users and
    /// passwords are percent-encoded. What is wrong is said without the text itself, for there are secrets in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("is not a URL; write it as redis://host:6379")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Login::parse(login)?, hosts),
            None => (Login::default(), authority),
        };
        let plain = scheme.replacen("rediss", "redis", 1);
        let (servers, db) = match plain.as_str() {
            "redis" => (Servers::One(one(hosts)?), db(path)?),
            "redis+cluster" if path.is_empty() || path == "0" => (Servers::Cluster(several(hosts, PORT)?), 0),
            "redis+cluster" => return Err("names a database, but a cluster has only 0; take it off".into()),
            "redis+sentinel" => {
                let (primary, number) = path.split_once('/').unwrap_or((path, ""));
                (sentinel(hosts, primary, query)?, db(number)?)
            }
            _ => {
                return Err(
                    "begins with none of redis://, redis+cluster://, redis+sentinel:// (or rediss, for TLS)".into()
                );
            }
        };
        if !query.is_empty() && !matches!(servers, Servers::Sentinel { .. }) {
            return Err("has a query, which only redis+sentinel:// may have".into());
        }
        Ok(Self { servers, tls: scheme.starts_with("rediss"), login, db })
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, String> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let user = Some(decoded(user)?).filter(|user| !user.is_empty());
        let password = Some(decoded(password)?).filter(|password| !password.is_empty()).map(SecretString::from);
        if user.is_some() && password.is_none() {
            return Err("has a user without a password; write it as redis://user:password@host".into());
        }
        Ok(Self { user, password })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "has a user or password that is not UTF-8")?;
    Ok(text.into_owned())
}

fn sentinel(hosts: &str, primary: &str, query: &str) -> Result<Servers, String> {
    if primary.is_empty() {
        return Err("does not name the primary; write it as redis+sentinel://host1,host2/mymaster".into());
    }
    let mut login = Login::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "sentinel_user" => login.user = Some(value.into_owned()),
            "sentinel_password" => login.password = Some(SecretString::from(value.into_owned())),
            _ => return Err("has a query with more than sentinel_user and sentinel_password".into()),
        }
    }
    let sentinels = several(hosts, SENTINEL_PORT)?;
    Ok(Servers::Sentinel { sentinels, primary: decoded(primary)?, login: Box::new(login) })
}

fn one(hosts: &str) -> Result<Host, String> {
    match hosts.contains(',') {
        true => Err("names several hosts; write redis+cluster:// or redis+sentinel://".into()),
        false => Host::parse(hosts, PORT),
    }
}

fn several(hosts: &str, port: u16) -> Result<Vec<Host>, String> {
    hosts.split(',').map(|host| Host::parse(host, port)).collect()
}

fn db(path: &str) -> Result<i64, String> {
    match path {
        "" => Ok(0),
        number => number.parse::<u16>().map(i64::from).map_err(|_| "has a database that is not a number".into()),
    }
}

impl Host {
    fn parse(text: &str, usual: u16) -> Result<Self, String> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (name, port) = match bracketed {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let strange = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-._:".contains(&byte);
        if name.is_empty() || name.bytes().any(strange) {
            return Err(
                "has no host, or a strange one; encode what is special in a password (`@` is %40, `/` is %2F)".into()
            );
        }
        let port = port.map_or(Ok(usual), |port| port.parse().map_err(|_| "has a port that is not a number"))?;
        Ok(Self { name: name.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn url(text: &str) -> RedisUrl {
        text.parse().unwrap_or_else(|problem| panic!("{text} {problem}"))
    }

    #[test]
    fn one_server_has_the_usual_port_a_database_and_an_encoded_password() {
        let read = url("rediss://bridge:p%40ss%2Fw%3Ard@redis.example.com/3");
        assert_eq!(read.servers, Servers::One(Host { name: "redis.example.com".into(), port: 6379 }));
        assert_eq!((read.tls, read.db, read.login.user.as_deref()), (true, 3, Some("bridge")));
        assert_eq!(read.login.password.unwrap().expose_secret(), "p@ss/w:rd");
        assert_eq!(url("redis://:only@[::1]:7000").to_string(), "redis://[::1]:7000/0");
    }

    #[test]
    fn clusters_and_sentinels_have_several_hosts() {
        let cluster = url("redis+cluster://a:7000,b");
        assert_eq!(cluster.to_string(), "redis+cluster://a:7000,b:6379");
        let sentinel = url("rediss+sentinel://u:p@a,b:5000/mymaster/2?sentinel_password=s%20s");
        assert_eq!(sentinel.to_string(), "rediss+sentinel://a:26379,b:5000/mymaster/2");
        let Servers::Sentinel { login, .. } = sentinel.servers else { panic!("it is one") };
        assert_eq!(login.password.unwrap().expose_secret(), "s s");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for wrong in [
            "geheim",
            "http://:geheim@h",
            "redis://:geheim@",
            "redis://:geheim@h:port",
            "redis://:geheim@h/x",
            "redis://:geheim@a,b",
            "redis://:ge/heim@h",
            "redis://geheim@h",
            "redis://:geheim@h?x=1",
            "redis+cluster://:geheim@a,b/1",
            "redis+sentinel://:geheim@a,b",
            "redis+sentinel://:geheim@a/m?geheim=1",
        ] {
            let problem = wrong.parse::<RedisUrl>().unwrap_err();
            assert!(!problem.contains("heim"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn nothing_printed_shows_who_we_are() {
        let url = url("redis+sentinel://user:geheim@h/m?sentinel_user=user&sentinel_password=geheim");
        let printed = format!("{url} {url:?}");
        assert!(!printed.contains("geheim") && !printed.contains("user"), "{printed}");
    }

    #[test]
    fn what_counts_as_kept_is_one_of_three() {
        for text in ["fsync", "replicated:2", "relaxed"] {
            assert_eq!(text.parse::<Durability>().unwrap().to_string(), text);
        }
        for wrong in ["", "replicated", "replicated:0", "replicated:17", "always"] {
            assert!(wrong.parse::<Durability>().is_err(), "{wrong}");
        }
    }
}
