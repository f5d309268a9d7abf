-- All that the sandbox keeps. Columns that stand for a field have the field's name on the wire. Instants are Unix
-- milliseconds.

-- Workspaces and their keys, in the order in which they were made; what they are set to is a JSON object.
CREATE TABLE IF NOT EXISTS workspace (
    seq      INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS api_key (
    seq       INTEGER PRIMARY KEY,
    token     TEXT NOT NULL UNIQUE,
    workspace TEXT NOT NULL,
    settings  TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS lead (
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    workspace      TEXT NOT NULL,
    uniqueCode     TEXT,
    firstName      TEXT NOT NULL,
    lastName       TEXT,
    email          TEXT,
    phone          TEXT,
    status         TEXT NOT NULL,
    priority       TEXT NOT NULL,
    source         TEXT,
    adPlatform     TEXT,
    assignedTo     TEXT,
    estimatedValue REAL,
    actualValue    REAL,
    notes          TEXT,
    externalRef    TEXT,
    -- what brought it; no call can say so
    campaign       TEXT,
    -- when its conversion is sent on (null when there is none), how that ends, and when the one before it ended
    syncDueAt      INTEGER,
    syncEnding     TEXT CHECK (syncEnding IN ('synced', 'partial', 'failed')),
    syncedBefore   INTEGER,
    createdAt      INTEGER NOT NULL,
    updatedAt      INTEGER NOT NULL,
    deletedAt      INTEGER
) STRICT;

-- For the leads of a period: it holds all that is counted of them.
CREATE INDEX IF NOT EXISTS lead_by_creation
    ON lead (workspace, createdAt, seq, deletedAt, status, actualValue, estimatedValue);

-- For the campaigns: most leads of a bridge have none.
CREATE INDEX IF NOT EXISTS lead_by_campaign
    ON lead (workspace, campaign, adPlatform, createdAt, deletedAt, status, actualValue, estimatedValue)
    WHERE campaign IS NOT NULL;

CREATE TABLE IF NOT EXISTS ledger (
    seq         INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    deed        TEXT NOT NULL CHECK (deed IN ('create', 'update')),
    workspace   TEXT NOT NULL,
    leadId      TEXT NOT NULL,
    externalRef TEXT,
    -- the fields as they were sent, a JSON object
    fields      TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS ticket (
    seq       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL,
    ref       TEXT NOT NULL,
    workspace TEXT NOT NULL,
    subject   TEXT NOT NULL,
    message   TEXT NOT NULL,
    priority  TEXT NOT NULL,
    createdAt INTEGER NOT NULL
) STRICT;
