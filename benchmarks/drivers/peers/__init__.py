"""One client for each peer: the scenarios' verbs in that library's own way."""
