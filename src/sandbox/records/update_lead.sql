UPDATE lead
SET uniqueCode = :uniqueCode, firstName = :firstName, lastName = :lastName, email = :email, phone = :phone, status = :status,
    priority = :priority, source = :source, adPlatform = :adPlatform, assignedTo = :assignedTo,
    estimatedValue = :estimatedValue, actualValue = :actualValue, notes = :notes, externalRef = :externalRef,
    syncDueAt = :syncDueAt, syncEnding = :syncEnding, syncedBefore = :syncedBefore,
    updatedAt = :updatedAt
WHERE id = :id
