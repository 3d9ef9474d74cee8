"""
A command that needs a cloud's modules, started again where Python finds them.

They import each other by plain name, as they do where they are shipped, so their folder must be among those that Python
searches: in PYTHONPATH, which is read when Python starts.
"""

import importlib.util
import os
import sys
from pathlib import Path

CLOUDS = Path(__file__).resolve().parent.parent / "clouds"


def among(cloud: str, wanted: str, command: str) -> None:
    """Return if Python finds the module ``wanted`` in the folder of ``cloud``, or never could; otherwise go on as
    ``python -m command`` with the same words, which does."""
    folder = str(CLOUDS / cloud)
    if os.pathsep in folder:
        return  # PYTHONPATH cannot name it: started again, it would look again for ever
    if importlib.util.find_spec(wanted) is None and (CLOUDS / cloud / f"{wanted}.py").exists():
        before = os.environ.get("PYTHONPATH")
        places = os.pathsep.join([folder, *([before] if before else [])])
        words = [sys.executable, "-m", command, *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, "PYTHONPATH": places})  # noqa: S606 - no shell, our own words
