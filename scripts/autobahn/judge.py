"""Judges a report of the Autobahn test suite.

Prints what every case came to and exits 1 where one failed, or where fewer or more cases ran than the suite has.
"""

import collections
import json
import sys

CASES = 301
# `INFORMATIONAL` cases have no right answer. `NON-STRICT` ones found an error later than they could have.
PASSING = {"OK", "INFORMATIONAL", "NON-STRICT"}
# How the connection ended is judged by itself; the server may well close it with a code of the client's.
PASSING_CLOSE = {"OK", "INFORMATIONAL"}


def by_number(case):
    return [int(part) for part in case.split(".")]


def judge(report):
    """Returns the lines to print and whether the report is good."""
    if len(report) != 1:
        return [f"autobahn: the report is about {len(report)} servers instead of 1"], False
    (cases,) = report.values()
    lines = []
    counts = collections.Counter(result["behavior"] for result in cases.values())
    lines += [f"  {count:4} {behaviour}" for behaviour, count in sorted(counts.items())]
    failed, non_strict = [], []
    for case in sorted(cases, key=by_number):
        behaviour, close = cases[case]["behavior"], cases[case]["behaviorClose"]
        if behaviour not in PASSING or close not in PASSING_CLOSE:
            failed.append(case)
            lines.append(f"  case {case}: {behaviour}, close {close}")
        elif behaviour == "NON-STRICT":
            non_strict.append(case)
    listed = f" ({', '.join(non_strict)})" if non_strict else ""
    lines.append(f"autobahn: {len(cases)} cases, {len(failed)} failed, {len(non_strict)} non-strict{listed}")
    if len(cases) != CASES:
        lines.append(f"autobahn: {len(cases)} cases ran instead of {CASES}")
    return lines, not failed and len(cases) == CASES


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines, good = judge(json.load(file))
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
