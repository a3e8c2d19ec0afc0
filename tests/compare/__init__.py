"""Our reader of mail next to three others, over many mails: `make compare`."""
