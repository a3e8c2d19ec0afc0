"""Letters of the relay to people: review requests and sign-in links."""
