"""How hard the properties are searched: `make test` repeats the same examples, a soak looks for new ones.

`HYPOTHESIS_PROFILE=search pytest tests/property` draws new examples each time, and more of them.
"""

import os

from hypothesis import HealthCheck, Phase, settings

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "repeat",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    stateful_step_count=25,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=SLOW,
)
settings.register_profile(
    "search",
    settings.get_profile("repeat"),
    derandomize=False,
    max_examples=2000,
    stateful_step_count=40,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
