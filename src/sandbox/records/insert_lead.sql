INSERT INTO lead (seq, id, workspace, uniqueCode, firstName, lastName, email, phone, status, priority, source, adPlatform,
                  assignedTo, estimatedValue, actualValue, notes, externalRef, campaign, syncDueAt, syncEnding,
                  syncedBefore, createdAt, updatedAt)
VALUES (:seq, :id, :workspace, :uniqueCode, :firstName, :lastName, :email, :phone, :status, :priority, :source, :adPlatform,
        :assignedTo, :estimatedValue, :actualValue, :notes, :externalRef, :campaign, :syncDueAt, :syncEnding,
        :syncedBefore, :createdAt, :updatedAt)
