"""Runs one file of unittest tests and speaks TAP: `python tap.py test_read.py`."""
import importlib.util
import os
import sys
import unittest
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class Result(unittest.TestResult):
    def line(self, ok, test, tail=""):
        number = getattr(self, "number", 0) + 1
        self.number = number
        print(f"{'ok' if ok else 'not ok'} {number} - {test.id()}{tail}", flush=True)

    def addSuccess(self, test):
        self.line(True, test)

    def addSkip(self, test, reason):
        self.line(True, test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(False, test)
        print("# " + self.failures[-1][1].replace("\n", "\n# "))

    def addError(self, test, err):
        super().addError(test, err)
        self.line(False, test)
        print("# " + self.errors[-1][1].replace("\n", "\n# "))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        self.line(False, subtest)
        print("# " + (self.failures + self.errors)[-1][1].replace("\n", "\n# "))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    spec = importlib.util.spec_from_file_location("tests", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    print(f"1..{getattr(result, 'number', 0)}")
    sys.exit(not result.wasSuccessful())
