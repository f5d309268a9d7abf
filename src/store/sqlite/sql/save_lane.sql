UPDATE lane SET state = ?3, line = ?4, class = ?5, ord = ?6, since = ?7, due = ?8, why = ?9, worker = ?10, leased = ?11,
       fence = ?12, settled = ?13, lead_id = ?14, intent_fence = ?15, intent_at = ?16, intent_upto = ?17,
       negatives = ?18, attempts = ?19, failing_since = ?20, crashes = ?21, pending = ?22, forget = ?23,
       cleared = ?24, told = ?25, telling = ?26, forgotten = ?27, status = ?28, status_at = ?29, heard = ?30, crashed = ?31,
       follows = ?32, named = ?33, lands = ?34, adopting = ?35
WHERE id = ?1
