"""What a service imports: its frame, the names of statuses and faults.

This package holds no reference to the kernel. A service's only way into it is the integer it
yields.
"""

from bulkhead.frame import BadOperand, Frame, NoCapability
from kernel.abi import DEAD, FULL, NOTIFIED, OK, REFUSED, TIMEOUT, UNKNOWN
