-- From version 6 to 7: the lead that was found by its code and may be the lane's own.
ALTER TABLE lane ADD COLUMN adopting TEXT;
