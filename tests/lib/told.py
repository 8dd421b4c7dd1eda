"""What a failed test shows beside its traceback: the ends of the logs of servers and agents below its folders.

    told.shows(folder)      logs in it are shown whenever a test of this process fails, as long as they are there
"""
import faulthandler
import os
import sys
import unittest

SIZE = 4000
LATE_S = 570  # shortly before ctest ends a file (cmake/tests.cmake): where it is by then
folders = []


def shows(folder):
    if folder not in folders:
        folders.append(folder)


def show(test, faults):
    print("\n%s\n%s" % (test, faults[-1][1]), file=sys.stderr, flush=True)
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.startswith("serve.log") or name in ("server.log", "agent.log"):
                    show_end(os.path.join(folder, name))


def show_end(path):
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - SIZE))
            text = f.read().decode("utf-8", "replace")
    except OSError:
        return
    print("---- the end of %s:\n%s----" % (path, text), file=sys.stderr, flush=True)


class Result(unittest.TextTestResult):
    """Hears of a failure before the test's folder is removed. What failed is said at once, too: a file that runs out of time says
    nothing at its end."""

    def addError(self, test, err):
        super().addError(test, err)
        show(test, self.errors)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        show(test, self.failures)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            show(subtest, self.failures if issubclass(err[0], test.failureException) else self.errors)


faulthandler.dump_traceback_later(LATE_S)
unittest.TextTestRunner.resultclass = Result
