#!/usr/bin/python3
"""A million forged SYNs, in virtual time; an honest client connects in the middle of them."""

import os
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(os.environ["NARU_BUILD"]) / "tests" / "test-trace-stack-time"

sys.exit(subprocess.run([PROGRAM, "1000000"], check=False).returncode)
