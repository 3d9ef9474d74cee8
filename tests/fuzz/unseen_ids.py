"""Loaded by Schemathesis: which of its cases are no use."""

from typing import Any

import schemathesis  # type: ignore[import-not-found] # in an environment of its own


@schemathesis.hook  # type: ignore[untyped-decorator]
def filter_case(context: Any, case: Any) -> bool:
    """Leave out a wrong id where it is not looked at, and so cannot be refused."""
    headers = {str(name).lower(): str(value).strip() for name, value in (case.headers or {}).items()}
    peek = str((case.query or {}).get("peek", "0")).lower() not in ("0", "false", "no")
    unseen = peek or "1" in (headers.get("sec-gpc"), headers.get("dnt"))
    return not (unseen and case.meta and case.meta.generation.mode is schemathesis.GenerationMode.NEGATIVE)
