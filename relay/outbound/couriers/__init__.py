"""Couriers hand a composed mail to a provider."""
