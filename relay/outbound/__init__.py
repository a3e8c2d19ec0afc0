"""Mail that agents write: composed, answered, forwarded, and carried out."""
