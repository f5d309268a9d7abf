UPDATE verify SET due = due - ?1
