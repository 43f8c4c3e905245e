#!/usr/bin/python3
"""The tests of tap_tcp.py with the library alone: no runner, the stack in the peer program itself.

Usage: stack_tcp.py GROUP...   Groups: bulk, loss, mtu, close, churn, gigabyte, stall.
"""

import os
import pathlib
import runpy
import sys

HERE = pathlib.Path(__file__).resolve().parent
build = pathlib.Path(os.environ.get("NARU_BUILD", HERE.parents[1] / "build"))
os.environ["NARU"] = str(build / "tests" / "stack-peer")
sys.path.insert(0, str(HERE.parent / "lib"))
runpy.run_path(str(HERE / "tap_tcp.py"), run_name="__main__")
