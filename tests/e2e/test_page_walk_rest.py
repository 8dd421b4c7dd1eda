"""The other screens: lists, schedules, servers, tables of admins, accounts, ways in; see test_page_walk.py."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import hostile  # noqa: E402
import wrata  # noqa: E402


class PageWalkRest(hostile.Walk):
    def test_lists_schedules_servers_tables_accounts(self):
        self.walk("rest")


if __name__ == "__main__":
    wrata.main()
