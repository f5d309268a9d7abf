SELECT count(*) FILTER (WHERE syncDueAt > :now),
       count(*) FILTER (WHERE syncDueAt <= :now AND syncEnding = 'synced'),
       count(*) FILTER (WHERE syncDueAt <= :now AND syncEnding = 'partial'),
       count(*) FILTER (WHERE syncDueAt <= :now AND syncEnding = 'failed'),
       count(*) FILTER (WHERE syncDueAt IS NULL)
FROM lead
WHERE workspace = :workspace AND createdAt >= :from AND createdAt < :to AND deletedAt IS NULL
  AND (:platform IS NULL OR adPlatform = :platform)
