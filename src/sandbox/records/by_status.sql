SELECT status, count(*), total(CASE WHEN status = 'won' THEN coalesce(actualValue, estimatedValue) END)
FROM lead
WHERE workspace = :workspace AND createdAt >= :from AND createdAt < :to AND deletedAt IS NULL
GROUP BY status
