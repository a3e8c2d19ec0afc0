"""Mails and files inside parts: S/MIME, TNEF, iCalendar, mails in mails, rich text."""
