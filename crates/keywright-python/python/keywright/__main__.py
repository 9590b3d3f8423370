"""`python -m keywright`, and the command `keywright` of the package: the command line of Keywright."""

from __future__ import annotations

import signal
import sys

from keywright import _native


def main() -> int:
    # The command line hears Ctrl-C itself; Python would wait until it is done.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["keywright", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
