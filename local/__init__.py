"""The counter on a laptop, without any account: the real function in real `fdk` processes, behind a gateway that wraps
HTTP into Fn calls as Oracle API Gateway does, in front of a stand-in of Object Storage and Notifications that speaks
Oracle's dialect and breaks on request. `python -m local` runs it all; tests and benchmarks use `local.serving`."""
