"""How long made-up input is tried: `make fuzz` takes the profile fuzz, everything else hypothesis' own, untimed."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A machine that does other things for a moment fails no test. The rest is as it is here, or in CI, by default.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell that starts something in the background has it ignore Ctrl-C, and with it every service that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
