"""One piece of a campaign on the unix port: `micropython judging_run.py SEED FAULTS`."""

import json
import sys

from cases.judging import run
from cases.ports import CasePort

port = CasePort()
print(json.dumps(run(port, int(sys.argv[1]), int(sys.argv[2])).told()))
port.close()
