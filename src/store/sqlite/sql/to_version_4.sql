-- From version 3 to 4: the newest words are told apart by field, and lost workers are counted by the day. What was known of a lead counts for
-- all of its fields.
ALTER TABLE lane ADD COLUMN crashed INTEGER;
ALTER TABLE lane ADD COLUMN follows TEXT;
ALTER TABLE lane ADD COLUMN telling TEXT;
ALTER TABLE lane RENAME COLUMN told TO told_3;
ALTER TABLE lane ADD COLUMN told TEXT;
UPDATE lane SET told = json_array(json_array(4095, delivered, told_3)) WHERE delivered > 0;
ALTER TABLE lane DROP COLUMN told_3;
ALTER TABLE lane DROP COLUMN delivered;
