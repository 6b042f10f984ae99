"""Joins a Ray cluster in a process of its own: where Ray gives up, it ends the process that it is in.

`python -m engine.farm.backends.ray_probe ADDRESS` prints one line of JSON: the cluster's address, or what went wrong.
"""

import json
import logging
import sys
from typing import Any

from engine.farm.backends.ray_library import library


def look(address: str) -> dict[str, Any]:
    """Join, and say what came of it."""
    ray = library()
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
        return {"address": ray.get_runtime_context().gcs_address}
    except ConnectionError as none:
        return {"none": str(none)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(look(sys.argv[1])) + "\n")
