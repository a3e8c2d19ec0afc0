"""The bench: how many mails a second one process keeps, what each costs, and what a large one costs others."""
