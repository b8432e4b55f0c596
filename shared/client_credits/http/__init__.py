"""The HTTP API: who may ask what, the routes, and how refusals are answered. No rule about credits lives here."""
