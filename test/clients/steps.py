"""Runs the steps of a client's program, and prints how they went."""
import sys
import traceback

BODIES = [b"", b"small", bytes(range(256)) * 1200]


def step(run):
    name = run.__name__.replace("_", " ")
    try:
        run()
        print("ok", name, flush=True)
    except BaseException as error:
        traceback.print_exc()
        print("not ok", name + ":", repr(error), flush=True)
        sys.exit(1)
