SELECT id, until FROM permit
