"""`python -m heartbeats`: the same as the `heartbeats` command."""

from heartbeats.cli import main

if __name__ == "__main__":
    main()
