"""What the benchmarks beside the kernel share: rows with targets and verdicts, and skipping.

A row's ratio says how many times worse than the limit it is: the median of the rounds' own ratios,
as what stands in one round was measured in the same moments.  In JSON the names are those of
naru-bench --json.
"""

import contextlib
import io
import json
import statistics
import sys


def add_options(parser, rounds):
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=rounds)


class Rows:
    """Prints rows as they come, as lines or as objects."""

    def __init__(self, as_json):
        self.as_json = as_json

    def setup(self, name, make):
        """What make() returns; where it skips, the reason is printed and the program ends well."""
        text = io.StringIO()
        try:
            with contextlib.redirect_stdout(text):
                return make()
        except SystemExit as end:
            if end.code != 77:
                raise
        self.skipped(name, text.getvalue().strip())
        sys.exit(0)

    def skipped(self, name, why):
        print(json.dumps({"row": name, "skipped": why}) if self.as_json
              else f"{name:28} skipped: {why}")
        sys.stdout.flush()

    def add(self, name, unit, values, more, target=None, limits=None, at_most=None):
        """values, and limits if there are any, one of each round.  more: is better.  target: of the
        value; at_most: of the ratio to the limit."""
        value = statistics.median(values)
        row = {"row": name, "value": round(value, 3), "unit": unit,
               "better": "more" if more else "less"}
        met = []
        if target is not None:
            row["target"] = target
            met.append(value >= target if more else value <= target)
        if limits:
            ratios = [(b / a if more else a / b) if a and b else float("inf")
                      for a, b in zip(values, limits)]
            row["limit"] = round(statistics.median(limits), 3)
            row["limit_ratio"] = round(statistics.median(ratios), 3)
            if at_most is not None:
                row["limit_ratio_target"] = at_most
                met.append(row["limit_ratio"] <= at_most)
        if met:
            row["met"] = all(met)
        print(json.dumps(row) if self.as_json else self.line(row))
        sys.stdout.flush()

    @staticmethod
    def line(row):
        text = f"{row['row']:28} {row['value']:10.2f} {row['unit']:13}"
        if "target" in row:
            text += f"; {'at least' if row['better'] == 'more' else 'at most'} {row['target']:g}"
        if "limit" in row:
            text += f"; limit {row['limit']:.2f} x {row['limit_ratio']:.2f}"
        if "limit_ratio_target" in row:
            text += f", at most {row['limit_ratio_target']:.2f}"
        return text + (f": {'met' if row['met'] else 'missed'}" if "met" in row else "")
