UPDATE lane SET due = due - ?1, leased = leased - ?1, intent_at = intent_at - ?1, cleared = cleared - ?1, lands = lands - ?1,
       crashed = crashed - ?1
WHERE due IS NOT NULL OR intent_at IS NOT NULL OR cleared IS NOT NULL OR lands IS NOT NULL OR crashed IS NOT NULL
