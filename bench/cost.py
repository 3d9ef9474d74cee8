"""The cost of a month at list prices. The prices are parameters, as they change: look yours up."""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_A_MONTH = 30 * 24 * 3600


@dataclass(frozen=True)
class Prices:
    """Oracle's list prices in US dollars, and each month's free allowance."""

    ten_thousand_requests: float = 0.0034
    free_requests: int = 50_000
    million_invocations: float = 0.20
    free_invocations: int = 2_000_000
    gigabyte_second: float = 0.00001417
    free_gigabyte_seconds: int = 400_000
    million_gateway_calls: float = 3.00
    gigabytes: float = 0.25

    def month(self, visits: float, requests_a_visit: float, seconds_a_visit: float) -> float:
        """Return the price of a month with this many visits, with the requests and the function's seconds of each."""
        requests = max(0.0, visits * requests_a_visit - self.free_requests) / 1e4 * self.ten_thousand_requests
        calls = max(0.0, visits - self.free_invocations) / 1e6 * self.million_invocations
        memory = max(0.0, visits * seconds_a_visit * self.gigabytes - self.free_gigabyte_seconds) * self.gigabyte_second
        return requests + calls + memory + visits / 1e6 * self.million_gateway_calls
