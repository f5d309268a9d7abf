INSERT INTO lane (id, ref, state, line, class, ord, since, due, why, worker, leased, fence, settled, lead_id,
                  intent_fence, intent_at, intent_upto, negatives, attempts, failing_since, crashes, pending,
                  forget, cleared, told, telling, forgotten, status, status_at, heard, crashed, follows, named, lands,
                  adopting)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
        ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)
