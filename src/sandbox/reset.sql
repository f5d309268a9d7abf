DELETE FROM lead;
INSERT INTO lead_search (lead_search) VALUES ('delete-all');
DELETE FROM ledger;
