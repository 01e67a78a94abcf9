# SPDX-License-Identifier: Apache-2.0
"""The Test Anything Protocol for tests in Python."""
import sys
import traceback

count = failures = 0


def ok(name, good, note=""):
    global count, failures
    count += 1
    failures += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        print("".join("# %s\n" % line for line in str(note).splitlines()), end="", flush=True)
    return good


def equal(name, got, wanted):
    return ok(name, got == wanted, "got:    %r\nwanted: %r" % (got, wanted))


def skip_all(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def run(*parts):
    """Runs the parts of a test, each to its end or its first exception, and ends the program."""
    for part in parts:
        try:
            part()
        except Exception:  # one broken part says so, and the others run
            ok(part.__name__ + " runs to its end", False, traceback.format_exc())
    print("1..%d" % count)
    sys.stdout.flush()
    return failures != 0
