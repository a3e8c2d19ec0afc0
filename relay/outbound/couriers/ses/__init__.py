"""Amazon SES v2: courier, account, identities, errors and events."""
