-- From version 5 to 6: lanes of one lead hear each other.
CREATE INDEX lane_lead ON lane (lead_id) WHERE lead_id IS NOT NULL;
