"""Fills a table with clients as if each had bought once, through the store's own writes.

Straight over HTTP, since botocore would take longer than the engine. One in five clients holds a lot
that ends in a year, so that the index of what is due is not empty either.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection
from itertools import batched, islice
from threading import local
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import track

from client_credits.domain.entries import Act, Actor, Cause, CauseKind, untouched
from client_credits.domain.granting import add_lot
from client_credits.domain.records import Client, EntryRef, Operation
from client_credits.domain.settings import Settings
from client_credits.domain.wallet import Wallet
from client_credits.store import writes
from client_credits.store.table import Write
