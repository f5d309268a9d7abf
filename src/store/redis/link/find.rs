//! Which server has our keys now.

use futures_util::future::select_ok;
use redis::Value;

use super::LinkError;
use super::dial::{Door, dial};
use crate::servers::{Host, RedisUrl, Servers};

/// The primary for the keys below `root`, as those who know it say. All of them are asked, and the first answer counts.
pub(super) async fn primary(url: &RedisUrl, root: &str) -> Result<Host, LinkError> {
    match &url.servers {
        Servers::One(host) => Ok(host.clone()),
        Servers::Cluster(nodes) => {
            let door = Door { tls: url.tls, login: &url.login, db: 0 };
            first(nodes.iter().map(|node| Box::pin(of_the_cluster(node, door, root)))).await
        }
        Servers::Sentinel { sentinels, primary, login } => {
            let door = Door { tls: url.tls, login, db: 0 };
            first(sentinels.iter().map(|sentinel| Box::pin(of_the_sentinel(sentinel, door, primary)))).await
        }
    }
}

async fn first<F>(asked: impl Iterator<Item = F>) -> Result<Host, LinkError>
where
    F: Future<Output = Result<Host, LinkError>> + Unpin,
{
    select_ok(asked).await.map(|(host, _)| host)
}

async fn of_the_sentinel(sentinel: &Host, door: Door<'_>, primary: &str) -> Result<Host, LinkError> {
    let mut connection = dial(sentinel, door).await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(primary);
    let answer = connection.send_packed_command(&ask).await?.extract_error()?;
    let found: Option<(String, u16)> = redis::from_redis_value(answer).map_err(|_| LinkError::Answer)?;
    let (name, port) = found.ok_or(LinkError::Forbidden("its sentinels know no primary of the name in REDIS_URL"))?;
    Ok(Host { name, port })
}

async fn of_the_cluster(node: &Host, door: Door<'_>, root: &str) -> Result<Host, LinkError> {
    let mut connection = dial(node, door).await?;
    let mut ask = redis::pipe();
    ask.cmd("CLUSTER").arg("KEYSLOT").arg(root).cmd("CLUSTER").arg("SLOTS");
    let mut answers = connection.send_packed_commands(&ask, 0, 2).await?.into_iter();
    let (Some(slot), Some(slots)) = (answers.next(), answers.next()) else { return Err(LinkError::Answer) };
    let slot: i64 = redis::from_redis_value(slot.extract_error()?).map_err(|_| LinkError::Answer)?;
    let Value::Array(ranges) = slots.extract_error()? else { return Err(LinkError::Answer) };
    let owner = ranges.iter().find_map(|range| owner(range, slot));
    let (name, port) = owner.ok_or_else(|| LinkError::Unready("CLUSTERDOWN".into()))?;
    // A node that does not know its own name is the one that was asked.
    let name = if name.is_empty() || name == "?" { node.name.clone() } else { name };
    Ok(Host { name, port })
}

/// The primary of a range (first slot, last slot, primary, replicas …), if the slot is in it.
fn owner(range: &Value, slot: i64) -> Option<(String, u16)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = parts.as_slice() else { return None };
    let [name, Value::Int(port), ..] = primary.as_slice() else { return None };
    let name = redis::from_redis_value_ref::<Option<String>>(name).ok()?.unwrap_or_default();
    (*from..=*to).contains(&slot).then_some((name, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_slot_is_the_primary_of_its_range() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |name: &str, port| Value::Array(vec![bulk(name), Value::Int(port), bulk("id")]);
        let range = Value::Array(vec![Value::Int(0), Value::Int(99), node("a", 1), node("replica", 2)]);
        assert_eq!(owner(&range, 99), Some(("a".into(), 1)));
        assert_eq!(owner(&range, 100), None);
        let nameless = Value::Array(vec![Value::Int(0), Value::Int(9), Value::Array(vec![Value::Nil, Value::Int(7)])]);
        assert_eq!(owner(&nameless, 0), Some((String::new(), 7)));
    }
}
