"""Runs a client's program and ends with it, whatever threads still wait: run_client.py PROGRAM ARGUMENTS.

Local mode's threads wait for containers that a failed program stops no more.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback


def main() -> int:
    del sys.argv[0]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except BaseException:  # noqa: BLE001 - it is printed, and the process ends with it
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
