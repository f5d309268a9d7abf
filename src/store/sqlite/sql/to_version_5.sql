-- From version 4 to 5: whom an open create names, and until when an update of a lost worker may land.
ALTER TABLE lane ADD COLUMN named TEXT;
ALTER TABLE lane ADD COLUMN lands INTEGER;
CREATE INDEX lane_lands ON lane (lands) WHERE lands IS NOT NULL;
