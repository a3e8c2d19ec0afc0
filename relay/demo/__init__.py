"""`mailseal demo`: the whole way of three mails, shown."""
