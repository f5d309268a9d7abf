//! Workspaces and their keys in SQLite. Calls are let in by the registry, which holds them in memory.

use rusqlite::{Connection, Row, TransactionBehavior, named_params};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Records;
use crate::sandbox::settings::{Key, Workspace};

impl Records {
    /// Puts `workspaces` and their keys there. Those of the same name or token are replaced, others stay.
    pub(in crate::sandbox) fn establish(&mut self, workspaces: &[Workspace]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for workspace in workspaces {
            put_workspace(&transaction, workspace)?;
            workspace.keys.iter().try_for_each(|key| put_key(&transaction, &workspace.name, key))?;
        }
        transaction.commit()
    }

    /// Puts a workspace there, in place of one of the same name. Its keys stay as they are.
    pub(in crate::sandbox) fn put_workspace(&self, workspace: &Workspace) -> rusqlite::Result<()> {
        put_workspace(&self.connection, workspace)
    }

    /// Puts a key there, in place of one of the same token.
    pub(in crate::sandbox) fn put_key(&self, workspace: &str, key: &Key) -> rusqlite::Result<()> {
        put_key(&self.connection, workspace, key)
    }

    /// Every workspace with its keys, in the order in which they were made.
    pub(in crate::sandbox) fn directory(&self) -> rusqlite::Result<Vec<Workspace>> {
        let mut workspaces: Vec<Workspace> = self
            .connection
            .prepare_cached("SELECT name, settings FROM workspace ORDER BY seq")?
            .query_map([], |row| Ok(Workspace { name: row.get(0)?, keys: Vec::new(), ..settings(row)? }))?
            .collect::<rusqlite::Result<_>>()?;
        let mut statement =
            self.connection.prepare_cached("SELECT token, settings, workspace FROM api_key ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = Key { token: row.get::<_, String>(0)?.into(), ..settings(row)? };
            let owner: String = row.get(2)?;
            if let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.name == owner) {
                workspace.keys.push(key);
            }
        }
        Ok(workspaces)
    }
}

fn put_workspace(connection: &Connection, workspace: &Workspace) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO workspace (name, settings) VALUES (:name, :settings)
             ON CONFLICT (name) DO UPDATE SET settings = excluded.settings",
        )?
        .execute(named_params! {":name": workspace.name, ":settings": written(workspace)})?;
    Ok(())
}

fn put_key(connection: &Connection, workspace: &str, key: &Key) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO api_key (token, workspace, settings) VALUES (:token, :workspace, :settings)
             ON CONFLICT (token) DO UPDATE SET workspace = excluded.workspace, settings = excluded.settings",
        )?
        .execute(named_params! {
            ":token": key.token.expose_secret(),
            ":workspace": workspace,
            ":settings": written(key),
        })?;
    Ok(())
}

fn written(settings: &impl Serialize) -> String {
    serde_json::to_string(settings).expect("settings are JSON")
}

/// The settings of a row, its second column. What cannot be read was not written by this version.
fn settings<T: DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    let text: String = row.get(1)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error)))
}
