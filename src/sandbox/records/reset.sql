DELETE FROM lead;
DELETE FROM ledger;
DELETE FROM ticket;
DELETE FROM api_key;
DELETE FROM workspace;
