"""Packages the templates and the code, and deploys them; never part of the layer."""
