//! One connection, from the socket to the greeting.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo, Script,
    Value,
};
use secrecy::ExposeSecret as _;

use super::{Arg, LinkError};
use crate::servers::{Host, Login};

/// How long a server may take to let us in, and to answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How a server is entered.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    /// Encrypted, and its certificate checked.
    pub(super) tls: bool,
    /// Who we are there.
    pub(super) login: &'a Login,
    /// The database.
    pub(super) db: i64,
}

/// A connection to a primary. Clones share it.
#[derive(Clone)]
pub(super) struct Line {
    connection: MultiplexedConnection,
    /// When it was opened: lines of before the last trouble are not used any more.
    pub(super) age: u64,
    /// Whether the server can wait until replicas have it on disk (7.2).
    waits_for_disks: bool,
}

/// What came of a script and of the waiting for replicas after it.
pub(super) struct Waited {
    pub(super) value: Value,
    pub(super) replicas: u32,
}

/// Connects to a server.
pub(super) async fn dial(host: &Host, door: Door<'_>) -> Result<MultiplexedConnection, LinkError> {
    let Door { tls, login, db } = door;
    let (name, port) = (host.name.clone(), host.port);
    let address = match tls {
        true => ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(name, port),
    };
    let mut us = RedisConnectionInfo::default().set_db(db).set_skip_set_lib_name();
    if let Some(user) = &login.user {
        us = us.set_username(user);
    }
    if let Some(password) = &login.password {
        us = us.set_password(password.expose_secret());
    }
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = address.into_connection_info()?.set_redis_settings(us).set_tcp_settings(tcp);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    Ok(Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await?)
}

impl Line {
    /// Looks who is at the other end of a connection, which has to be a primary, says who we are, and asks for its time.
    pub(super) async fn greet(
        mut connection: MultiplexedConnection,
        root: &str,
        age: u64,
    ) -> Result<(Self, Timestamp, Instant), LinkError> {
        let mut greeting = redis::pipe();
        // Who is not allowed to have a name has none.
        greeting.cmd("ROLE").cmd("INFO").arg("server").cmd("CLIENT").arg("SETNAME").arg(root);
        let answers = connection.send_packed_commands(&greeting, 0, 3).await?;
        let [role, info, _named] = <[Value; 3]>::try_from(answers).map_err(|_| LinkError::Answer)?;
        // A user may be forbidden to ask for the role; a replica is then noticed by what it refuses.
        match first_word(&role).as_deref() {
            Some("slave") => return Err(LinkError::Unready("READONLY".into())),
            Some("sentinel") => return Err(LinkError::Forbidden("it is a sentinel; write redis+sentinel://HOST/NAME")),
            _ => {}
        }
        let mut line = Self { connection, age, waits_for_disks: version(&info) >= Some((7, 2)) };
        let (now, at) = line.time().await?;
        Ok((line, now, at))
    }

    /// What time it is on the server, and when that was by this process.
    pub(super) async fn time(&mut self) -> Result<(Timestamp, Instant), LinkError> {
        let asked = Instant::now();
        let answer = self.ask(&redis::cmd("TIME")).await?;
        let at = asked + asked.elapsed() / 2;
        Ok((server_time(answer).ok_or(LinkError::Answer)?, at))
    }

    /// Asks several things; each may be answered by an error.
    pub(super) async fn all<const COUNT: usize>(&mut self, ask: &Pipeline) -> Result<[Value; COUNT], LinkError> {
        let answers = self.connection.send_packed_commands(ask, 0, COUNT).await?;
        answers.try_into().map_err(|_| LinkError::Answer)
    }

    /// Runs a script by its digest; loads it first where the server does not have it.
    pub(super) async fn eval(mut self, script: &Script, root: &str, args: &[Arg]) -> Result<Value, LinkError> {
        let call = call(script, root, args);
        match self.ask(&call).await {
            Err(error) if is_unknown(&error) => {
                script.load_async(&mut self.connection).await?;
                self.ask(&call).await
            }
            answer => answer,
        }
    }

    async fn ask(&mut self, call: &Cmd) -> Result<Value, LinkError> {
        Ok(self.connection.send_packed_command(call).await?.extract_error()?)
    }

    /// Runs a script, and waits on the same connection until so many replicas have what was written.
    pub(super) async fn eval_and_wait(
        &mut self,
        script: &Script,
        barrier: &Script,
        root: &str,
        args: &[Arg],
        replicas: u32,
        within: Duration,
    ) -> Result<Waited, LinkError> {
        let mut calls = redis::pipe();
        calls.add_command(call(script, root, args)).add_command(call(barrier, root, &[]));
        calls.add_command(self.wait(replicas, within));
        match self.ask_all(&calls).await {
            Err(error) if is_unknown(&error) => {
                script.load_async(&mut self.connection).await?;
                barrier.load_async(&mut self.connection).await?;
                self.ask_all(&calls).await
            }
            answer => answer,
        }
    }

    async fn ask_all(&mut self, calls: &Pipeline) -> Result<Waited, LinkError> {
        let [value, barrier, waited] = self.all(calls).await?;
        let value = value.extract_error()?;
        barrier.extract_error()?;
        let replicas = match waited.extract_error()? {
            Value::Int(replicas) => replicas,
            // Whether it is on the primary's own disk, and on how many others.
            Value::Array(counts) => match counts.as_slice() {
                [Value::Int(1..), Value::Int(replicas)] => *replicas,
                _ => 0,
            },
            _ => return Err(LinkError::Answer),
        };
        Ok(Waited { value, replicas: replicas.try_into().unwrap_or_default() })
    }

    fn wait(&self, replicas: u32, within: Duration) -> Cmd {
        let milliseconds = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let mut wait = if self.waits_for_disks { redis::cmd("WAITAOF") } else { redis::cmd("WAIT") };
        if self.waits_for_disks {
            wait.arg(1);
        }
        wait.arg(replicas).arg(milliseconds);
        wait
    }

    /// Asks for a key that is never there: whoever answers that would take a script, too.
    pub(super) async fn ping(mut self, root: &str) -> Result<(), LinkError> {
        let mut ping = redis::cmd("EXISTS");
        ping.arg(root);
        self.ask(&ping).await.map(|_| ())
    }
}

fn call(script: &Script, root: &str, args: &[Arg]) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(script.get_hash()).arg(1).arg(root).arg(args);
    call
}

fn is_unknown(error: &LinkError) -> bool {
    matches!(error, LinkError::Script { code, .. } if code == "NOSCRIPT")
}

/// The first element of a list, as text.
fn first_word(answer: &Value) -> Option<String> {
    let Value::Array(parts) = answer else { return None };
    redis::from_redis_value_ref(parts.first()?).ok()
}

/// The time of `TIME`: seconds and microseconds.
pub(super) fn server_time(answer: Value) -> Option<Timestamp> {
    let (seconds, micros): (i64, i32) = redis::from_redis_value(answer).ok()?;
    Timestamp::new(seconds, micros.checked_mul(1000)?).ok()
}

/// Major and minor version of `INFO server`.
fn version(info: &Value) -> Option<(u32, u32)> {
    let info: String = redis::from_redis_value_ref(info).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
    let (major, rest) = line.split_once('.')?;
    Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read() {
        let info = Value::BulkString(b"# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n".to_vec());
        assert_eq!(version(&info), Some((7, 2)));
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let time = server_time(Value::Array(vec![bulk("1800000000"), bulk("250000")])).unwrap();
        assert_eq!(time, Timestamp::new(1_800_000_000, 250_000_000).unwrap());
        assert_eq!(first_word(&Value::Array(vec![bulk("slave"), bulk("h")])).as_deref(), Some("slave"));
        assert_eq!(first_word(&Value::Nil), None);
    }
}
