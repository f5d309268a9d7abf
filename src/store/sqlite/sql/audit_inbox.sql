SELECT place, source, headers, size, length(body) FROM inbox
