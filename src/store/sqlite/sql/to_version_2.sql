-- From version 1 to 2: what was settled after a doubt, whose words are late, what is to be verified, what is there twice.
ALTER TABLE lane ADD COLUMN cleared INTEGER;
ALTER TABLE lane ADD COLUMN told INTEGER;
CREATE INDEX lane_parked ON lane (id) WHERE state = 2 AND why = 3;

CREATE TABLE verify (
    lane INTEGER PRIMARY KEY,
    due  INTEGER NOT NULL
);
CREATE INDEX verify_due ON verify (due);

CREATE TABLE incident (
    ref     TEXT PRIMARY KEY,
    lead_id TEXT NOT NULL,
    doubles TEXT NOT NULL,
    seen    INTEGER NOT NULL
) WITHOUT ROWID;
