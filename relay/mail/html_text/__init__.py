"""HTML of a message as text: words, links, hidden words and references of a page."""
