"""Shows that the judge of the Autobahn report sees what is wrong."""

import unittest

from judge import CASES, judge


def report(**changes):
    cases = {f"1.1.{number}": {"behavior": "OK", "behaviorClose": "OK"} for number in range(1, CASES + 1)}
    cases.update({name.replace("_", "."): result for name, result in changes.items()})
    return {"herenow": cases}


class Judge(unittest.TestCase):
    def test_a_good_report_passes(self):
        lines, good = judge(report())
        self.assertTrue(good)
        self.assertEqual(lines[-1], "autobahn: 301 cases, 0 failed, 0 non-strict")

    def test_non_strict_cases_pass_and_are_named(self):
        lines, good = judge(report(**{"1.1.7": {"behavior": "NON-STRICT", "behaviorClose": "OK"}}))
        self.assertTrue(good)
        self.assertEqual(lines[-1], "autobahn: 301 cases, 0 failed, 1 non-strict (1.1.7)")

    def test_a_failed_case_fails(self):
        for behaviour in ("FAILED", "UNIMPLEMENTED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"):
            lines, good = judge(report(**{"1.1.10": {"behavior": behaviour, "behaviorClose": "OK"}}))
            self.assertFalse(good)
            self.assertIn(f"  case 1.1.10: {behaviour}, close OK", lines)

    def test_a_bad_close_fails_a_good_case(self):
        for close in ("FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"):
            lines, good = judge(report(**{"1.1.2": {"behavior": "OK", "behaviorClose": close}}))
            self.assertFalse(good)
            self.assertEqual(lines[-1], "autobahn: 301 cases, 1 failed, 0 non-strict")

    def test_missing_cases_fail(self):
        few = report()
        del few["herenow"]["1.1.1"]
        self.assertFalse(judge(few)[1])
        self.assertFalse(judge({})[1])


if __name__ == "__main__":
    unittest.main()
