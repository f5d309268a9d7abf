SELECT campaign, adPlatform, count(*) AS leads, sum(status = 'won'),
       total(CASE WHEN status = 'won' THEN coalesce(actualValue, estimatedValue) END)
FROM lead
WHERE workspace = :workspace AND campaign IS NOT NULL AND createdAt >= :from AND createdAt < :to AND deletedAt IS NULL
GROUP BY campaign, adPlatform
ORDER BY leads DESC, campaign, adPlatform
