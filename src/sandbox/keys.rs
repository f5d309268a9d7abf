//! Who calls: from an `Authorization` header to a workspace and its scopes.

use std::collections::HashMap;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::settings::{Key, Scope, Workspace};
use super::wire::Refusal;

/// Every key, by its token.
#[derive(Debug)]
pub(super) struct Keyring {
    keys: HashMap<String, Holder>,
}

/// A key and the place of its workspace in the settings.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) workspace: usize,
    key: Key,
}

/// Two keys have the same token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SameToken;

impl Keyring {
    /// The keys of all `workspaces`.
    pub(super) fn of(workspaces: &[Workspace]) -> Result<Self, SameToken> {
        let mut keys = HashMap::new();
        for (workspace, key) in
            workspaces.iter().enumerate().flat_map(|(at, w)| w.keys.iter().map(move |key| (at, key)))
        {
            let holder = Holder { workspace, key: key.clone() };
            if keys.insert(key.token.expose_secret().to_owned(), holder).is_some() {
                return Err(SameToken);
            }
        }
        Ok(Self { keys })
    }

    /// Whose key `authorization` carries, at `now`. `revoked` is a token that a fault has taken back.
    pub(super) fn open(
        &self,
        authorization: Option<&str>,
        revoked: Option<&str>,
        now: Timestamp,
    ) -> Result<&Holder, Refusal> {
        let token = authorization.and_then(bearer).ok_or(Refusal::Unauthorized("Missing API key"))?;
        let holder = self.keys.get(token).ok_or(Refusal::Unauthorized("Invalid API key"))?;
        if holder.key.revoked || revoked == Some(token) {
            return Err(Refusal::Unauthorized("API key has been revoked"));
        }
        if holder.key.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Unauthorized("API key has expired"));
        }
        Ok(holder)
    }
}

impl Holder {
    /// Refuses a call that needs a scope the key does not have.
    pub(super) fn need(&self, scope: Scope) -> Result<(), Refusal> {
        if self.key.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Refusal::Forbidden(format!("Insufficient scope: {scope} is required")))
        }
    }
}

/// The token of an `Authorization: Bearer …` header.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ring(change: impl FnOnce(&mut Key)) -> Keyring {
        let mut workspace = Workspace::default();
        workspace.keys[0] = Key::with_all_scopes("kk_1");
        change(&mut workspace.keys[0]);
        Keyring::of(&[workspace]).unwrap()
    }

    fn refusal(ring: &Keyring, authorization: Option<&str>) -> Refusal {
        ring.open(authorization, None, NOW).unwrap_err()
    }

    #[test]
    fn a_bearer_key_opens_its_workspace_whatever_the_case_of_the_scheme() {
        let ring = ring(|_| ());
        assert_eq!(ring.open(Some("Bearer kk_1"), None, NOW).unwrap().workspace, 0);
        assert!(ring.open(Some("bearer  kk_1"), None, NOW).is_ok());
    }

    #[test]
    fn what_is_no_bearer_key_is_missing_and_a_strange_one_is_invalid() {
        let ring = ring(|_| ());
        for missing in [None, Some(""), Some("kk_1"), Some("Basic kk_1"), Some("Bearer "), Some("Bearer")] {
            assert_eq!(refusal(&ring, missing), Refusal::Unauthorized("Missing API key"), "{missing:?}");
        }
        assert_eq!(refusal(&ring, Some("Bearer kk_2")), Refusal::Unauthorized("Invalid API key"));
    }

    #[test]
    fn a_key_ends_at_its_expiry_or_when_it_is_revoked() {
        let expired = ring(|key| key.expires_at = Some(NOW));
        assert_eq!(refusal(&expired, Some("Bearer kk_1")), Refusal::Unauthorized("API key has expired"));
        let before = NOW - jiff::SignedDuration::from_millis(1);
        assert!(expired.open(Some("Bearer kk_1"), None, before).is_ok());

        let revoked = ring(|key| key.revoked = true);
        assert_eq!(refusal(&revoked, Some("Bearer kk_1")), Refusal::Unauthorized("API key has been revoked"));

        let fine = ring(|_| ());
        assert!(fine.open(Some("Bearer kk_1"), Some("kk_1"), NOW).is_err());
        assert!(fine.open(Some("Bearer kk_1"), Some("kk_2"), NOW).is_ok());
    }

    #[test]
    fn a_call_beyond_the_scopes_is_forbidden() {
        let ring = ring(|key| key.scopes = vec![Scope::LeadsRead]);
        let holder = ring.open(Some("Bearer kk_1"), None, NOW).unwrap();
        assert_eq!(holder.need(Scope::LeadsRead), Ok(()));
        let refused = Refusal::Forbidden("Insufficient scope: agent.leads.write is required".to_owned());
        assert_eq!(holder.need(Scope::LeadsWrite), Err(refused));
    }

    #[test]
    fn one_token_cannot_open_two_workspaces() {
        let twice = [Workspace::default(), Workspace::default()];
        assert_eq!(Keyring::of(&twice).unwrap_err(), SameToken);
    }
}
