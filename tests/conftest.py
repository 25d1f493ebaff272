"""How long made-up input is tried: `make fuzz` takes the profile fuzz, everything else hypothesis' own."""

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
