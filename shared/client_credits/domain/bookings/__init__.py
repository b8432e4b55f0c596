"""Bookings: whether a client may book, and what a booking takes and gives back."""
