//! Why Redis did not do what it was asked, in words that hold no secret and nothing of a lead.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{Cap, StoreError};

/// Why a call was not answered as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store::redis) enum LinkError {
    /// It has failed several times in a row; a look whether it is there again is under way.
    #[error("Redis does not answer, and is being looked for")]
    Resting,
    /// No connection, or it has ended. What became of the call is not known.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time. What became of the call is not known.
    #[error("Redis has not answered in time")]
    Slow,
    /// This server is not the one, or not ready (`READONLY`, `MOVED`, `LOADING` …). Nothing was done.
    #[error("Redis does not take calls now ({0})")]
    Unready(String),
    /// It is not let in, or may not do what is needed. Nothing was done.
    #[error("Redis does not let us in: {0}")]
    Forbidden(&'static str),
    /// It is full. Nothing was done.
    #[error("Redis is full: raise its maxmemory, or deliver and discard what it holds")]
    Full,
    /// It takes no writes (`NOREPLICAS`, `MISCONF`). Nothing was done.
    #[error("Redis takes no writes now ({0})")]
    Unwilling(String),
    /// Written, but not by as many replicas as were asked for: it may be lost.
    #[error("{reached} of {wanted} replicas of Redis have it")]
    Replicas {
        /// So many have it.
        reached: u32,
        /// So many should.
        wanted: u32,
    },
    /// The script ended with an error of its own: its first word, and the rest.
    #[error("a script failed: {code} {detail}")]
    Script {
        /// `ERR`, or what the script says.
        code: String,
        /// The rest.
        detail: String,
    },
    /// An answer that is none of what was expected.
    #[error("Redis gave an answer of another kind")]
    Answer,
}

/// Whether a call that failed may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// On another connection it may be answered at once.
    AtOnce,
    /// It would fail again, or take too long.
    No,
}

impl LinkError {
    /// The server is not there for anybody, and a look whether it is there again would show it.
    pub(super) fn is_of_the_server(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow | Self::Unready(_) | Self::Forbidden(_) => true,
            Self::Resting
            | Self::Full
            | Self::Unwilling(_)
            | Self::Replicas { .. }
            | Self::Script { .. }
            | Self::Answer => false,
        }
    }

    /// Whether it may be over by itself: a server that is just starting or has much to do, or that others are taking over
    /// from. What it forbids stays forbidden.
    pub(in crate::store::redis) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow | Self::Unready(_) | Self::Resting => true,
            Self::Forbidden(_)
            | Self::Full
            | Self::Unwilling(_)
            | Self::Replicas { .. }
            | Self::Script { .. }
            | Self::Answer => false,
        }
    }

    /// The connection is to be used no more: it is broken, or leads to the wrong server.
    pub(super) fn ends_the_line(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow | Self::Unready(_) => true,
            Self::Resting
            | Self::Forbidden(_)
            | Self::Full
            | Self::Unwilling(_)
            | Self::Replicas { .. }
            | Self::Script { .. }
            | Self::Answer => false,
        }
    }

    /// A connection that had ended may have ended long ago, and a server that is not the one any more was found long ago.
    /// Whoever has waited for an answer in vain has no time left.
    pub(super) fn again(&self) -> Again {
        match self {
            Self::Unreachable(_) => Again::AtOnce,
            Self::Unready(code) if ["READONLY", "MOVED"].contains(&code.as_str()) => Again::AtOnce,
            // The digest was forgotten between loading and running.
            Self::Script { code, .. } if code == "NOSCRIPT" => Again::AtOnce,
            Self::Unready(_)
            | Self::Resting
            | Self::Slow
            | Self::Forbidden(_)
            | Self::Full
            | Self::Unwilling(_)
            | Self::Replicas { .. }
            | Self::Script { .. }
            | Self::Answer => Again::No,
        }
    }
}

impl From<LinkError> for StoreError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Full => Self::Full(Cap::Memory),
            other => Self::Backend(other.to_string(), Box::new(other)),
        }
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Slow;
        }
        let code = error.code().unwrap_or_default().to_owned();
        match (error.kind(), code.as_str()) {
            (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS" | "NOAUTH") => {
                Self::Forbidden("it refuses the user or the password of REDIS_URL")
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
                Self::Forbidden("the user of REDIS_URL may not run the commands or use the keys that the bridge needs")
            }
            (_, "OOM") => Self::Full,
            (_, "NOREPLICAS" | "MISCONF") => Self::Unwilling(code),
            (
                _,
                "READONLY" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY"
                | "UNBLOCKED",
            ) => Self::Unready(code),
            (ErrorKind::Server(_) | ErrorKind::Extension, _) => Self::Script { detail: said(&error), code },
            // What a value was that could not be read stays unsaid.
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => Self::Answer,
            _ => Self::Unreachable(error.category().to_owned() + &of_the_system(&error)),
        }
    }
}

/// What the server says of its error. A command that it does not know is quoted with its arguments, which are leads.
fn said(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    detail.split(", with args").next().unwrap_or_default().chars().take(200).collect()
}

/// The operating system's reason, if there is one: `connection refused`.
fn of_the_system(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        return " (connection refused)".to_owned();
    }
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    io.map(|error| format!(" ({})", error.kind())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, detail: &str) -> LinkError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned())).into()
    }

    #[test]
    fn what_an_error_means_is_read_from_its_first_word() {
        assert_eq!(of("OOM", "command not allowed"), LinkError::Full);
        assert_eq!(of("NOREPLICAS", "x"), LinkError::Unwilling("NOREPLICAS".into()));
        assert_eq!(of("READONLY", "x").again(), Again::AtOnce);
        assert_eq!(of("ASK", "1 h:1").again(), Again::No);
        assert!(matches!(of("WRONGPASS", "x"), LinkError::Forbidden(_)));
    }

    #[test]
    fn the_arguments_of_a_command_that_is_not_known_are_not_repeated() {
        let said = of("ERR", "unknown command 'EVALSHA', with args beginning with: 'x' 'Siti' ").to_string();
        assert!(said.contains("EVALSHA") && !said.contains("Siti"), "{said}");
    }
}
