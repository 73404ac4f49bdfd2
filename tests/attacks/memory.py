"""Attacks on memory: by type codes, by sizes that wrap around, by lengths that are lies."""

from attacks.tools import KEPT, after, reached, refused

# What only an image changes in MicroPython stops.
ON_AN_IMAGE = (
    "a_bytearray_with_more_than_its_length",
    "be_indexed_by_code",
    "call_what_calls_itself",
    "compare_lists_that_hold_each_other",
    "compare_what_is_gone",
    "keep_what_a_stream_is_given",
    "look_at_memory_that_was_given_back",
    "make_names_by_other_ways",
    "make_names_without_end",
    "make_a_class_of_its_class",
    "print_into_a_derived_stream",
    "print_what_clears_itself",
    "read_more_than_was_asked",
)
WRAPPED = "1073741823x" * 4 + "4x"  # the sum of whose sizes is 0 in 32 bits


class Liar:
    """Says a length, and has other items."""

    def __init__(self, length, items):
        self.length, self.items = length, items

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.items)


@after
def unpack_an_object(_sys):
    """Make an object of an address."""
    import struct

    struct.unpack("O", struct.pack("I", id(KEPT)))
    reached()


@after
def unpack_an_object_from_within(_sys):
    """Make an object of an address within a buffer."""
    import struct

    struct.unpack_from("<IO", bytearray(64), 8)
    reached()


@after
def pack_an_object(_sys):
    """Learn an object's address by writing it into a buffer."""
    import struct

    struct.pack_into("O", bytearray(16), 0, KEPT)
    reached()


@after
def pack_a_pointer(_sys):
    """Pack and unpack a pointer."""
    import struct

    struct.unpack("P", struct.pack("P", 0x20000000))
    reached()


@after
def unpack_a_text_at_an_address(_sys):
    """Read memory as a text."""
    import struct

    struct.unpack("S", struct.pack("I", 0x10000000))
    reached()


@after
def calculate_the_size_of_an_object(_sys):
    """Ask for the size of objects, in every order of bytes."""
    import struct

    for order in ("", "@", "=", "<", ">", "!"):
        for code in "OPS":
            refused(ValueError, struct.calcsize, order + "2I" + code)


@after
def hide_the_code_in_bytes(_sys):
    """Give a format as bytes, or as an object that derives from str."""
    import struct

    class Form(str):
        pass

    for form in (b"O", b"<P", Form("O"), bytearray(b"O"), memoryview(b"O")):
        refused((ValueError, TypeError), struct.calcsize, form)


@after
def hide_the_code_behind_a_good_one(_sys):
    """Give a format that was good, and one that is not, in turn."""
    import struct

    for _ in range(3):
        struct.calcsize("2I")
        refused(ValueError, struct.calcsize, "2I0O")


@after
def an_array_of_objects(_sys):
    """Make an array of objects by their addresses."""
    import array

    array.array("O", [KEPT])
    reached()


@after
def an_array_of_pointers(_sys):
    """Make arrays of pointers, and of codes that there are not."""
    import array

    for code in ("P", "S", "x", "s", "", "OO", "\x00", "z"):
        refused((ValueError, TypeError), array.array, code, [1])
    raise ValueError("refused")


@after
def keep_the_array_type(_sys):
    """Find the array type behind what makes arrays."""
    import array

    refused((ValueError, TypeError), type(array.array("I", [1])), "O", [KEPT])
    raise ValueError("refused")


@after
def wrap_a_format_around(_sys):
    """Have the sizes of a format sum up to nothing."""
    import struct

    for form in (WRAPPED, "I" + WRAPPED, "99999999999999999999s", "4294967296x"):
        refused(ValueError, struct.calcsize, form)


@after
def read_beyond_a_buffer(_sys):
    """Read behind a buffer by a format that wraps around."""
    import struct

    struct.unpack_from("1073741823xI" + WRAPPED, bytes(8))
    reached()


@after
def write_beyond_a_buffer(_sys):
    """Write behind a buffer by a format that wraps around."""
    import struct

    struct.pack_into("I" + WRAPPED, bytearray(8), 8, 0x55)
    reached()


@after
def pack_more_than_its_size(_sys):
    """Pack more bytes than the size that a format sums up to."""
    import struct

    struct.pack("99s" + WRAPPED, bytes(99))
    reached()


@after
def an_array_over_all_memory(_sys):
    """Make an array whose size wraps around to nothing."""
    import array

    refused(MemoryError, array.array, "I", Liar(1 << 30, ()))
    raise ValueError("refused")


@after
def an_array_with_more_than_its_length(_sys):
    """Fill an array with more items than their length says."""
    import array

    made = array.array("B", Liar(2, range(64)))
    if len(made) == 64:
        return
    reached()


@after
def a_bytearray_with_more_than_its_length(_sys):
    """Fill a bytearray with more items than their length says."""
    bytearray(Liar(2, range(64)))
    reached()


@after
def a_list_beyond_memory(_sys):
    """Multiply a list until its size wraps around."""
    made = [0] * 4 * (1 << 30)
    made[1 << 20] = 1
    reached()


@after
def a_tuple_beyond_memory(_sys):
    """Multiply a tuple until its size wraps around."""
    made = (0,) * 4 * (1 << 30)
    made[1 << 20]
    reached()


@after
def a_text_beyond_memory(_sys):
    """Multiply texts and bytes until their size wraps around."""
    for piece in ("abcd", b"abcd"):
        refused(MemoryError, lambda piece=piece: piece * (1 << 30))


@after
def a_bytearray_of_negative_size(_sys):
    """Make buffers of negative and of huge size."""
    for size in (-1, -16, 1 << 30, 1 << 28):
        refused((MemoryError, ValueError, OverflowError), bytearray, size)


@after
def keep_what_a_stream_is_given(_sys):
    """Keep the memory that a stream of its own was given to write."""
    from io import IOBase

    class Stream(IOBase):
        def write(self, data):
            KEPT.append(data)
            return len(data)

    text = "".join([chr(97 + n) for n in range(20)])
    print(text, file=Stream())
    KEPT[0][0] = 88
    if text[0] != "a":
        reached()


@after
def read_more_than_was_asked(_sys):
    """Tell that it has read more than there is room for."""
    from io import IOBase

    class Stream(IOBase):
        def write(self, data):
            KEPT.append(len(data))
            return 1000

    print("x" * 64, file=Stream())
    reached()


@after
def look_at_memory_that_was_given_back(_sys):
    """Look through memoryviews at what was buffers' before they grew, in every way."""

    def insert(data):
        data[0:0] = bytes(400)

    def append(data):
        for _ in range(400):
            data.append(0)

    def add(data):
        data += bytes(400)

    views = []
    for grow in (lambda data: data.extend(bytes(400)), insert, append, add):
        data = bytearray(32)
        views.append(memoryview(data))
        grow(data)
    for number in range(40):
        KEPT.append(bytearray(b"%32d" % number))
    for view in views:
        view[0] = 88
    if [one for one in KEPT if one[0] == 88]:
        reached()


@after
def write_a_constant(_sys):
    """Write into bytes and texts by a memoryview."""
    view = memoryview(b"constant")
    view[0] = 88
    reached()


# --- code in the midst of C, and C that calls itself


class Clears:
    """Clears what it is used with, whose memory goes to others, when it is looked at."""

    def __init__(self, of):
        self.of = of

    def act(self):
        self.of.clear()
        KEPT[:] = [b"A" * (64 + 8 * at) for at in range(20)]

    def __int__(self):
        self.act()
        return 30

    def __eq__(self, _other):
        self.act()
        return False

    def __hash__(self):
        return 7

    def __repr__(self):
        self.act()
        return "gone"


@after
def be_indexed_by_code(_sys):
    """Clear a list by the number that it is indexed with, and take what is there then."""
    items = [0] * 32
    items[Clears(items)]
    reached()


@after
def compare_what_is_gone(_sys):
    """Clear a dictionary by the key that is looked for."""
    table = {}
    table[Clears(table)] = bytes(2)
    table.get(Clears([]))
    reached()


@after
def print_what_clears_itself(_sys):
    """Clear a dictionary by the text of its key, and print the value that is there then."""
    table = {}
    table[Clears(table)] = b"own"
    if "own" not in str(table):
        reached()
    raise ValueError("printed")


@after
def compare_lists_that_hold_each_other(_sys):
    """Use up the stack in C, by two lists that hold themselves."""
    one, another = [], []
    one.append(one)
    another.append(another)
    one == another  # noqa: B015
    reached()


@after
def call_what_calls_itself(_sys):
    """Use up the stack in C, by a class whose objects are called by its objects."""

    class Callee:
        pass

    Callee.__call__ = Callee()
    Callee()()
    reached()


@after
def compile_a_pattern_without_end(_sys):
    """Use up the stack in C, by a pattern of opening brackets."""
    import re

    re.compile("(" * 4000)
    reached()


@after
def make_a_class_of_its_class(_sys):
    """Have a class taken for an object of it, whose built-in part is its own inside."""

    class Derived(list):
        pass

    super(Derived, Derived).__init__(5)
    super(Derived, Derived).append(1)
    reached()


@after
def print_into_a_derived_stream(_sys):
    """Print into an object that derives from a stream, and is taken for one."""
    import io

    class Derived(io.BytesIO):
        pass

    print("x" * 64, file=Derived())
    reached()


@after
def ask_for_a_queue_beyond_memory(_sys):
    """Make a queue whose size wraps around."""
    from collections import deque

    refused((MemoryError, OverflowError, ValueError), deque, (), 0x40000003)
    raise ValueError("refused")


def _made(ask, letter):
    """Return how many of 40 names of 100 letters MicroPython makes where each is asked for."""
    made = 0
    for number in range(40):
        try:
            ask(letter * 100 + str(number))
            made += 1
        except MemoryError:
            pass
    return made


@after
def make_names_without_end(_sys):
    """Ask for ever new attributes, each a name that is kept for good."""
    for number in range(40):
        hasattr(KEPT, "a" * 100 + str(number))
    reached()


@after
def make_names_by_other_ways(_sys):
    """Go on making names where one was refused, by keywords, classes and attributes."""
    own = type("Own", (), {})
    made = _made(lambda name: dict(**{name: 1}), "k")
    made += _made(lambda name: type(name, (), {}), "c")
    made += _made(lambda name: setattr(own, name, 1), "s")
    if made > 20:
        reached()
