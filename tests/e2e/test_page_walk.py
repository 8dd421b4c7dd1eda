"""What runs and what ran, on every screen of the page that shows it, against a real server where every name tries something; and
whether what the page says and does is what the server has. WRATA_SHOTS=folder keeps a picture of each screen in light and dark."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import hostile  # noqa: E402
import wrata  # noqa: E402


class PageWalk(hostile.Walk):
    def test_what_runs_and_what_ran(self):
        self.walk("work")


if __name__ == "__main__":
    wrata.main()
