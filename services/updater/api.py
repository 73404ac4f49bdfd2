"""Operations of the updater service. The console calls it for the host, and lends what it sends.

An update is a transaction: BEGIN, for each service ADD and its DATA, then COMMIT. All services
of it change, or none does. Its code is tried for a while before it is kept, and STATE tells how
that goes.
"""

from micropython import const

BEGIN = const(1)  # lent: BEGIN_FORMAT -> OK; BUSY while an update is on trial
ADD = const(2)  # lent: a signed head (`bulkhead_slots`) -> OK; REFUSED_BY or HELD, arg: why
DATA = const(3)  # lent: offset u32, a piece of the files of the service added last -> as ADD
COMMIT = const(4)  # -> OK: the trial begins; REFUSED_BY, HELD
STATE = const(5)  # -> OK, arg: bytes of STATE_FORMAT, then why it failed
LIST = const(6)  # lent: a service's name -> OK, arg: bytes, see `_listed` of the service
ROLLBACK = const(7)  # lent: names, NUL between them -> as COMMIT
AGAIN = const(8)  # as ROLLBACK, but to the code that is in use: as an update to the same would

BEGIN_FORMAT = "<HB"  # probation_ms; options
OLDER = const(1)  # option: also code whose version is lower than that in use

REFUSED_BY = const(1)  # arg says why
BUSY = const(2)  # an update is on trial
HELD = const(3)  # a service of the update is held; arg: which, and why that matters

# Phase, and updates that were refused, modulo 2**16.
STATE_FORMAT = "<BxH"
IDLE = const(0)
TAKING = const(1)
STARTING = const(2)
PROBATION = const(3)
KEPT = const(4)
FAILED = const(5)
PHASE_NAMES = ("idle", "taking", "starting", "probation", "kept", "failed")
