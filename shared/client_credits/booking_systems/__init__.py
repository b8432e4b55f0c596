"""Booking systems in: what they tell, as the domain's booking events."""
