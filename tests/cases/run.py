"""Run one case on this interpreter: MODULE NAME. Prints `ok`, or the traceback, on its last lines.

On MicroPython the folded firmware and the folder above this one are on the path.
"""

import sys


def run(module_name, name):
    """Run one case; raises what it raises."""
    from cases.ports import CasePort
    from cases.rig import Rig

    module = __import__("cases." + module_name, None, None, (name,))
    port = CasePort()
    try:
        getattr(module, name)(Rig(port))
    finally:
        port.close()


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
    print("ok")
