"""The status page: how every monitor is, for a person, a badge and a program.

    query ─▶ survey ─▶ views ─▶ render (HTML)      live: what changed, to open pages
                  └──▶ records (JSON), badge (SVG)

`site` joins them behind one listener's routes. It reads what the ledger knows and can
change nothing; tokens and ping URLs are not known here.
"""
