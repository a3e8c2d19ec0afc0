"""The way out to a webhook: claiming, posting, and what an answer means."""
