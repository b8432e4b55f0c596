"""The rules about credits: pure functions over frozen values.

Owns every decision. Knows no clock, no storage, no network: `now` and ids are arguments.
Read `wallet`, then `settling`, `granting`, `booking`.
"""
