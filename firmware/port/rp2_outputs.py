"""What a dead service drove, made safe by stores to registers of the RP2040.

The build makes the stores (`host_tools/bulkhead_host/system/outputs.py`, with the sections of the
datasheet): words are the end of the plain stores, the end of the pins' control words, the end of
all, then addresses and values; last is what ends waves and PIO programs. `boot.py` needs them
before there is a kernel.
"""

import sys
from array import array

import micropython
from micropython import const

_END = const(2)
_FIRST = const(3)
_STEP = const(8)  # bytes of an address and a value
_ADDRESS = const(0)
_VALUE = const(1)
_FUNCSEL = const(0x1F)  # of a control word, 2.19.6.1; the rest are overrides


@micropython.viper
def hold(outputs):
    """Make all stores: pins are at their safe level, and nothing else moves them. Any context."""
    at = int(ptr32(outputs))
    end = at + (ptr32(at)[_END] << 2)
    at += _FIRST << 2
    while at < end:
        ptr32(ptr32(at)[_ADDRESS])[0] = ptr32(at)[_VALUE]
        at += _STEP


def hold_all():
    """Do that for all pins that any service drives, whether there is a kernel or not.

    Return them as `release` takes them, or None.
    """
    from bulkhead_outputs import STORES

    sys.modules.pop("bulkhead_outputs")  # it is needed no more, or once more in a new interpreter
    if not STORES:
        return None
    outputs = array("I", STORES)
    hold(outputs)
    return outputs


@micropython.viper
def release(outputs):
    """Take the overrides away; the level stays, whatever was done to it meanwhile."""
    words = ptr32(outputs)
    at = _FIRST
    end = words[0]
    while at < end:
        ptr32(words[at + _ADDRESS])[0] = words[at + _VALUE]
        at += 2
    end = words[1]
    while at < end:
        ptr32(words[at + _ADDRESS])[0] = words[at + _VALUE] & _FUNCSEL
        at += 2
