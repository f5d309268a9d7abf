//! Who calls: from an `Authorization` header to a workspace, its limit, and what the key may do. In memory, so that a call
//! that is refused costs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::agent::wire::Refusal;
use super::faults::RateLimit;
use super::rate::{Limiter, Passage, Quota};
use super::settings::{Key, Scope, Workspace};

/// Every workspace, and every key by its token.
#[derive(Debug)]
pub(super) struct Registry {
    tenants: Vec<Tenant>,
    keys: HashMap<String, Holder>,
}

/// A workspace and what it has used of its limit.
#[derive(Debug)]
struct Tenant {
    workspace: Arc<Workspace>,
    limiter: Limiter,
}

/// A key and the place of its workspace.
#[derive(Debug)]
struct Holder {
    tenant: usize,
    key: Key,
}

/// A caller whose key is good and whose workspace is within its limit.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) workspace: &'a Arc<Workspace>,
    key: &'a Key,
}

impl Registry {
    /// The registry of `workspaces`, of which there is at least one. `limit` is a fault that stands in for each plan's.
    pub(super) fn of(workspaces: Vec<Workspace>, limit: Option<RateLimit>) -> Self {
        let mut registry = Self { tenants: Vec::new(), keys: HashMap::new() };
        registry.replace(workspaces, limit);
        registry
    }

    /// Takes these workspaces and keys in place of all that were there. What a workspace of the same name has used of its
    /// limit stays used.
    pub(super) fn replace(&mut self, workspaces: Vec<Workspace>, limit: Option<RateLimit>) {
        let limit = limit.unwrap_or_default();
        let mut before = std::mem::take(&mut self.tenants);
        self.keys.clear();
        for (tenant, workspace) in workspaces.into_iter().enumerate() {
            for key in &workspace.keys {
                self.keys.insert(key.token.expose_secret().to_owned(), Holder { tenant, key: key.clone() });
            }
            let per_minute = limit.per_minute.unwrap_or(workspace.limit());
            let known = before.iter().position(|tenant| tenant.workspace.name == workspace.name);
            let mut limiter =
                known.map_or_else(|| Limiter::new(limit.model, per_minute), |at| before.swap_remove(at).limiter);
            limiter.change(limit.model, per_minute);
            self.tenants.push(Tenant { workspace: Arc::new(workspace), limiter });
        }
    }

    /// Another limit for all, or each plan's own again.
    pub(super) fn limit(&mut self, limit: Option<RateLimit>) {
        let limit = limit.unwrap_or_default();
        for tenant in &mut self.tenants {
            tenant.limiter.change(limit.model, limit.per_minute.unwrap_or(tenant.workspace.limit()));
        }
    }

    /// The workspace called `name`; the first one when no name is given.
    pub(super) fn workspace(&self, name: Option<&str>) -> Option<&Arc<Workspace>> {
        self.workspaces().find(|workspace| name.is_none_or(|name| workspace.name == name))
    }

    /// The key of this token, and its workspace.
    pub(super) fn key(&self, token: &str) -> Option<(&Arc<Workspace>, &Key)> {
        let Holder { tenant, key } = self.keys.get(token)?;
        Some((&self.tenants[*tenant].workspace, key))
    }

    /// All of them.
    pub(super) fn workspaces(&self) -> impl Iterator<Item = &Arc<Workspace>> {
        self.tenants.iter().map(|tenant| &tenant.workspace)
    }

    /// Lets in whom `authorization` names, at `now`, and counts the request; a caller whose key is refused is shown the
    /// first workspace's limit. `revoked` is a token that a fault has taken back.
    pub(super) fn admit(
        &mut self,
        authorization: Option<&str>,
        revoked: Option<&str>,
        now: Timestamp,
    ) -> (Result<Caller<'_>, Refusal>, Quota) {
        match holder(&self.keys, authorization, revoked, now) {
            Err(refusal) => {
                let first = self.tenants.first_mut().expect("there is at least one workspace");
                (Err(refusal), first.limiter.quota(now))
            }
            Ok(Holder { tenant, key }) => {
                let Tenant { workspace, limiter } = &mut self.tenants[*tenant];
                let (passage, quota) = limiter.pass(now);
                (opened(passage).map(|()| Caller { workspace, key }), quota)
            }
        }
    }
}

/// Whose key `authorization` carries.
fn holder<'a>(
    keys: &'a HashMap<String, Holder>,
    authorization: Option<&str>,
    revoked: Option<&str>,
    now: Timestamp,
) -> Result<&'a Holder, Refusal> {
    let token = authorization.and_then(bearer).ok_or(Refusal::Unauthorized("Missing API key"))?;
    let holder = keys.get(token).ok_or(Refusal::Unauthorized("Invalid API key"))?;
    if holder.key.revoked || revoked == Some(token) {
        return Err(Refusal::Unauthorized("API key has been revoked"));
    }
    if holder.key.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::Unauthorized("API key has expired"));
    }
    Ok(holder)
}

fn opened(passage: Passage) -> Result<(), Refusal> {
    match passage {
        Passage::Open => Ok(()),
        Passage::Closed(wait) => Err(Refusal::RateLimited(wait)),
    }
}

impl Caller<'_> {
    /// Refuses a call for which the plan is not paid, or that needs a scope the key does not have.
    pub(super) fn need(&self, scope: Scope) -> Result<(), Refusal> {
        if !self.workspace.active {
            Err(Refusal::Forbidden("Your plan does not support the Agent API".to_owned()))
        } else if self.key.scopes.contains(&scope) {
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

    fn registry(change: impl FnOnce(&mut Workspace)) -> Registry {
        let mut workspace = Workspace { keys: vec![Key::with_all_scopes("kk_1")], ..Workspace::default() };
        change(&mut workspace);
        Registry::of(vec![workspace], None)
    }

    /// Whether the key `kk_1` is let in.
    fn admitted(registry: &mut Registry, authorization: Option<&str>, revoked: Option<&str>) -> Result<(), Refusal> {
        registry.admit(authorization, revoked, NOW).0.map(|_| ())
    }

    #[test]
    fn a_bearer_key_opens_its_workspace_whatever_the_case_of_the_scheme() {
        let mut registry = registry(|_| ());
        let (caller, _) = registry.admit(Some("Bearer kk_1"), None, NOW);
        assert_eq!(caller.unwrap().workspace.name, "toko-budi");
        assert!(admitted(&mut registry, Some("bearer  kk_1"), None).is_ok());
    }

    #[test]
    fn what_is_no_bearer_key_is_missing_and_a_strange_one_is_invalid() {
        let mut registry = registry(|_| ());
        for missing in [None, Some(""), Some("kk_1"), Some("Basic kk_1"), Some("Bearer "), Some("Bearer")] {
            let refusal = Refusal::Unauthorized("Missing API key");
            assert_eq!(admitted(&mut registry, missing, None), Err(refusal), "{missing:?}");
        }
        let refusal = Refusal::Unauthorized("Invalid API key");
        assert_eq!(admitted(&mut registry, Some("Bearer kk_2"), None), Err(refusal));
    }

    #[test]
    fn a_key_ends_at_its_expiry_or_when_it_is_revoked() {
        let bearer = Some("Bearer kk_1");
        let refused = |message| Err(Refusal::Unauthorized(message));
        let mut expired = registry(|workspace| workspace.keys[0].expires_at = Some(NOW));
        assert_eq!(admitted(&mut expired, bearer, None), refused("API key has expired"));
        let before = NOW - jiff::SignedDuration::from_millis(1);
        assert!(expired.admit(bearer, None, before).0.is_ok());

        let mut revoked = registry(|workspace| workspace.keys[0].revoked = true);
        assert_eq!(admitted(&mut revoked, bearer, None), refused("API key has been revoked"));

        let mut fine = registry(|_| ());
        assert!(admitted(&mut fine, bearer, Some("kk_1")).is_err());
        assert!(admitted(&mut fine, bearer, Some("kk_2")).is_ok());
    }

    #[test]
    fn a_call_beyond_the_scopes_is_forbidden() {
        let mut registry = registry(|workspace| workspace.keys[0].scopes = vec![Scope::LeadsRead]);
        let caller = registry.admit(Some("Bearer kk_1"), None, NOW).0.unwrap();
        assert_eq!(caller.need(Scope::LeadsRead), Ok(()));
        let refused = Refusal::Forbidden("Insufficient scope: agent.leads.write is required".to_owned());
        assert_eq!(caller.need(Scope::LeadsWrite), Err(refused));
    }

    #[test]
    fn a_plan_that_is_not_paid_for_forbids_everything() {
        let mut registry = registry(|workspace| workspace.active = false);
        let caller = registry.admit(Some("Bearer kk_1"), None, NOW).0.unwrap();
        assert!(matches!(caller.need(Scope::LeadsRead), Err(Refusal::Forbidden(_))));
    }

    #[test]
    fn what_is_used_of_a_limit_stays_used_when_a_workspace_changes() {
        let mut registry = registry(|_| ());
        assert!(admitted(&mut registry, Some("Bearer kk_1"), None).is_ok());
        let keys = vec![Key::with_all_scopes("kk_9")];
        let changed = Workspace { keys, plan: crate::sandbox::Plan::Starter, ..Workspace::default() };
        registry.replace(vec![changed], None);
        assert!(admitted(&mut registry, Some("Bearer kk_1"), None).is_err());
        let (_, quota) = registry.admit(Some("Bearer kk_9"), None, NOW);
        assert_eq!((quota.limit, quota.remaining), (60, 58));
    }
}
