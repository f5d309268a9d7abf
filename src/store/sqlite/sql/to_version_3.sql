-- From version 2 to 3: other names of a person, what Konektor says of leads by itself, memos.
ALTER TABLE lane ADD COLUMN status TEXT;
ALTER TABLE lane ADD COLUMN status_at INTEGER;
ALTER TABLE lane ADD COLUMN heard TEXT;

CREATE TABLE alias (
    name TEXT PRIMARY KEY,
    lane INTEGER NOT NULL,
    past INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alias_lane ON alias (lane);

ALTER TABLE incident RENAME TO incident_2;
CREATE TABLE incident (
    ref     TEXT PRIMARY KEY,
    lead_id TEXT,
    doubles TEXT NOT NULL,
    twins   TEXT NOT NULL,
    seen    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO incident (ref, lead_id, doubles, twins, seen) SELECT ref, lead_id, doubles, '[]', seen FROM incident_2;
DROP TABLE incident_2;

CREATE TABLE memo (
    topic TEXT NOT NULL,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (topic, name)
) WITHOUT ROWID;
