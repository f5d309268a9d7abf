DELETE FROM lead;
DELETE FROM lead_search;
DELETE FROM ledger;
DELETE FROM ticket;
DELETE FROM api_key;
DELETE FROM workspace;
