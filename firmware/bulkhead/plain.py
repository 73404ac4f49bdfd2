"""Text from elsewhere within a line: it cannot look like another line, or move a cursor."""

from micropython import const

_SPACE = const(0x20)
_DELETE = const(0x7F)
_CONTROLS_END = const(0xA0)


def plain(text):
    """Return `text` with `?` in the place of each control character, C0 and C1 alike."""
    data = text.encode()
    if not data or min(data) >= _SPACE and b"\x7f" not in data and b"\xc2" not in data:
        return text
    return "".join([one if is_plain(ord(one)) else "?" for one in text])


def is_plain(code):
    """Tell whether a code point is no control character."""
    return _SPACE <= code < _DELETE or code >= _CONTROLS_END


def fault_lines(words, is_cut):
    """Return the bytes of a traceback as lines; none can be taken for a record of the log.

    Its frames have a line each. Then comes what was raised, in one line whatever its text is.
    `is_cut` tells that the beginning is missing.
    """
    try:
        text = str(words, "utf-8")
    except UnicodeError:  # cut within a character, or written by who likes
        text = "".join([chr(byte) if byte < _DELETE else "?" for byte in words])
    lines = text.rstrip("\n").split("\n")
    count = 0
    while count < len(lines) and (lines[count].startswith(_FRAMES) or count == 0 and is_cut):
        count += 1
    found = [plain(line) for line in lines[:count]]
    if is_cut and found:
        found[0] = "..." + found[0]
    if count < len(lines):
        found.append(plain("\\n".join(lines[count:])))
    return found


_FRAMES = ("Traceback (", "  File ")
