-- The embedded store, version 7. Times are nanoseconds since 1970, UTC.

-- Verified webhooks that are not sorted yet, in order of arrival.
CREATE TABLE inbox (
    place      INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    received   INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    headers    TEXT NOT NULL,           -- JSON: [[name, value], ...]
    body       BLOB NOT NULL,
    size       INTEGER NOT NULL
);

-- What is known of each lead. `id` grows, so that lanes that wait for the same time lie side by side.
CREATE TABLE lane (
    id            INTEGER PRIMARY KEY,
    ref           TEXT NOT NULL UNIQUE, -- externalRef
    state         INTEGER NOT NULL,     -- 0 idle, 1 ready, 2 waiting, 3 leased, 4 dead
    line          INTEGER NOT NULL,     -- 0 new, 1 update, 2 bulk, 3 search
    class         INTEGER NOT NULL,     -- 0 new, 1 update, 2 bulk
    ord           INTEGER NOT NULL,
    since         INTEGER NOT NULL,
    due           INTEGER,              -- waiting: until; leased: until
    why           INTEGER,              -- waiting: 0 back-off, 1 coalesce, 2 reconcile, 3 the day's leads are used up
    worker        TEXT,
    leased        INTEGER,              -- leased: since
    fence         INTEGER NOT NULL,
    settled       INTEGER NOT NULL,
    lead_id       TEXT,
    intent_fence  INTEGER,
    intent_at     INTEGER,
    intent_upto   INTEGER,
    negatives     INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    failing_since INTEGER,
    crashes       INTEGER NOT NULL,
    pending       INTEGER NOT NULL,
    forget        INTEGER,              -- idle: when it may be forgotten
    log           TEXT,                 -- JSON: the last ten calls
    cleared       INTEGER,              -- when the last doubt was settled
    told          TEXT,                 -- JSON: [[fields, event, sender's clock], ...], the newest words delivered
    telling       TEXT,                 -- and those of the open intent
    forgotten     INTEGER NOT NULL DEFAULT 0, -- an earlier lane, which knew the lead, was forgotten
    status        TEXT,                 -- where Konektor said by itself that the lead stands,
    status_at     INTEGER,              -- and when
    heard         TEXT,                 -- leased: which lead Konektor said by itself that it is
    crashed       INTEGER,              -- when the first worker of those counted was lost
    follows       TEXT,                 -- externalRef of the same person's lane that will have a lead first
    named         TEXT,                 -- JSON: whom the open intent's call names
    lands         INTEGER,              -- until when an update of a lost worker may land
    adopting      TEXT                  -- JSON: the lead that was found by its code and may be its own, and whom that shows
);
CREATE INDEX lane_line ON lane (state, line, ord) WHERE state IN (1, 2);
CREATE INDEX lane_due ON lane (state, due) WHERE due IS NOT NULL;
CREATE INDEX lane_forget ON lane (forget) WHERE forget IS NOT NULL;
CREATE INDEX lane_parked ON lane (id) WHERE state = 2 AND why = 3;
CREATE INDEX lane_lands ON lane (lands) WHERE lands IS NOT NULL;
CREATE INDEX lane_lead ON lane (lead_id) WHERE lead_id IS NOT NULL;

-- Other names of the person whose lane it is, spelt as references. A name goes before the lane of that reference.
CREATE TABLE alias (
    name TEXT PRIMARY KEY,
    lane INTEGER NOT NULL,
    past INTEGER NOT NULL               -- 1: it was one once, and is nobody's now
) WITHOUT ROWID;
CREATE INDEX alias_lane ON alias (lane);

-- Every event once: what makes a second one a duplicate, the receipt, and the payload while it is needed.
CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,
    lane        INTEGER,                -- NULL: a webhook that could not be split
    state       INTEGER NOT NULL,       -- 0 pending, 1 delivered, 2 withheld, 3 dead, 4 discarded
    joined      INTEGER NOT NULL,       -- the lane's fence when it joined
    released    INTEGER NOT NULL,
    source      TEXT NOT NULL,
    received    INTEGER NOT NULL,
    request_id  TEXT NOT NULL,
    known_until INTEGER NOT NULL,       -- the same id is a duplicate before, a new event after
    ended       INTEGER,
    reason      TEXT,
    detail      TEXT,
    lead_id     TEXT,
    forget      INTEGER,                -- delivered, discarded: when the receipt may go
    size        INTEGER NOT NULL,       -- of headers, body and fetched while they are held
    headers     TEXT,
    fetched     BLOB,
    body        BLOB
);
CREATE INDEX event_lane ON event (lane, state) WHERE lane IS NOT NULL;
CREATE INDEX event_state ON event (state);
CREATE INDEX event_forget ON event (forget) WHERE forget IS NOT NULL;

-- The limiter's log: calls that Konektor may still be counting.
CREATE TABLE permit (
    id    INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
);

-- Leads that were created after a doubt, and when to search for them once more.
CREATE TABLE verify (
    lane INTEGER PRIMARY KEY,
    due  INTEGER NOT NULL
);
CREATE INDEX verify_due ON verify (due);

-- Leads that Konektor has more than once, and people who turned out to be several leads.
CREATE TABLE incident (
    ref     TEXT PRIMARY KEY,           -- externalRef
    lead_id TEXT,
    doubles TEXT NOT NULL,              -- JSON: the other ids
    twins   TEXT NOT NULL,              -- JSON: the references of the same person's other lanes
    seen    INTEGER NOT NULL
) WITHOUT ROWID;

-- Traces of leads that were forgotten: half a hash of their reference.
CREATE TABLE forgotten (
    trace BLOB PRIMARY KEY
) WITHOUT ROWID;

-- Small things to be remembered, by what they are about.
CREATE TABLE memo (
    topic TEXT NOT NULL,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (topic, name)
) WITHOUT ROWID;

-- Sources that have ever been on.
CREATE TABLE source (
    name  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;

-- Counters (`counts`), pause, limiter and day (`gate`), the last runs (`runs`): JSON, written in the transaction that changes them.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
