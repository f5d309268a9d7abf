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

-- What came in is counted from the beginning: as many as there must have been.
UPDATE meta
SET value = json_set(
    value,
    '$.sorted', json_extract(value, '$.next_place') - 1 - json_extract(value, '$.inbox'),
    '$.gone', json_extract(value, '$.next_seq') - 1 - (SELECT count(*) FROM event)
)
WHERE name = 'counts' AND json_extract(value, '$.sorted') IS NULL;
