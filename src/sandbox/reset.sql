DELETE FROM lead;
DELETE FROM lead_search;
DELETE FROM ledger;
