"""Runs the counter on a laptop, without a cloud account.

`python -m local` starts the real function in its cloud's own runtime, behind a gateway that calls it as that cloud
does. Storage is a stand-in for Oracle's services, or the database engine that stands in for AWS's or Azure's.
"""
