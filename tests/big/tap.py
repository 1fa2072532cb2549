"""Tests of one folder each, told as TAP."""
import os
import tempfile


def run(tests):
    """The exit status; a test's name is what its function says of itself."""
    failures = 0
    with tempfile.TemporaryDirectory(prefix="tenon-big-", dir=os.environ.get("TMPDIR")) as folder:
        for i, test in enumerate(tests, 1):
            try:
                test(folder)
                print(f"ok {i} - {test.__doc__}")
            except (AssertionError, KeyError, OSError) as problem:
                failures += 1
                print(f"not ok {i} - {test.__doc__}\n# {problem}")
    print(f"1..{len(tests)}")
    return failures > 0
