"""Attacks on what tasks share: classes, modules, dictionaries, and the frame's own."""

from attacks.tools import KEPT, after, reached, refused
from bulkhead import Frame, NoCapability
from bulkhead import value as library


def patch_a_method_of_the_frame(task):
    """Replace each method of the frame's class."""
    for name in dir(type(task)):
        if not name.startswith("__"):
            refused(AttributeError, setattr, type(task), name, reached)
        yield task.sleep(0)
    yield task.recv()


@after
def delete_a_method_of_the_frame(task):
    """Delete methods of the frame's class."""
    for name in ("recv", "call", "send", "cap"):
        refused(AttributeError, delattr, type(task), name)


@after
def add_to_the_frames_class(task):
    """Give everybody's frame an attribute."""
    type(task).backdoor = reached
    reached()


@after
def give_the_frame_a_getattr(task):
    """Give everybody's frame a method for what is not there."""
    for name in ("__getattr__", "__setattr__", "__del__", "__init__", "__eq__", "__len__"):
        refused(AttributeError, setattr, type(task), name, reached)


@after
def patch_the_class_by_its_name(_sys):
    """Replace a method by the class that the library hands out."""
    Frame.call = reached
    reached()


@after
def patch_the_exception_class(_sys):
    """Replace the text of everybody's exception."""
    NoCapability.__str__ = reached
    reached()


@after
def patch_a_class_dictionary(task):
    """Write into the dictionary of the frame's class."""
    table = type(task).__dict__
    refused(TypeError, table.update, {"recv": reached})
    refused(TypeError, table.pop, "recv")
    refused(TypeError, table.clear)
    refused(TypeError, table.setdefault, "backdoor", 1)
    refused(TypeError, table.popitem)
    table["recv"] = reached
    reached()


@after
def patch_the_base_classes(task):
    """Write into the bases of the frame's class."""
    for base in type(task).__bases__:
        refused((AttributeError, TypeError), setattr, base, "recv", reached)


@after
def patch_built_in_types(_sys):
    """Give built-in types a method."""
    for kind in (int, str, bytes, list, dict, tuple, type, object, Exception, bytearray):
        refused((AttributeError, TypeError), setattr, kind, "append", reached)


@after
def patch_the_kinds_of_code(task):
    """Give functions, methods and generators an attribute."""

    def generator():
        yield

    for thing in (reached, task.recv, generator(), type(generator()), type(reached), len):
        refused((AttributeError, TypeError), setattr, thing, "backdoor", reached)


@after
def patch_a_function_of_the_library(_sys):
    """Change the globals of a function of the library, where it has them."""
    space = getattr(library.encode, "__globals__", None)
    if space is None:
        raise TypeError("an image's functions have no globals")
    refused(TypeError, space.update, {"struct": None})
    refused(TypeError, space.pop, "decode")
    refused(TypeError, space.clear)
    space["decode"] = reached
    reached()


@after
def patch_the_frames_module(task):
    """Change the globals of the frame's methods, where they have them."""
    space = getattr(type(task).cap, "__globals__", None)
    if space is None:
        raise TypeError("an image's functions have no globals")
    space["NoCapability"] = reached
    reached()


@after
def patch_the_guards_module(_sys):
    """Change the globals of the guards, where they have them."""
    space = getattr(print, "__globals__", None)
    if space is None:
        raise TypeError("an image's functions have no globals")
    space["printable"] = reached
    reached()


@after
def patch_the_constants(_sys):
    """Change a number that kernel and services share."""
    import kernel.abi

    kernel.abi.CALL = 0
    from kernel.abi import CALL

    if CALL == 0:
        reached()


@after
def change_the_class_of_the_frame(task):
    """Make its frame an object of another class."""
    task.__class__ = dict
    if type(task) is dict:
        reached()


def find_other_frames(task):
    """Find the frames of others from its own."""
    own = task.handles
    for name in list(task.__dict__):
        value = None if name.startswith("__") else getattr(task, name)
        if type(value) is type(task) or type(value) is list:
            reached()
        if type(value) is dict and value is not own:
            reached()
        yield task.sleep(0)
    yield task.recv()


def find_the_kernel_in_the_frame(task):
    """Find objects of the kernel among the attributes of its frame."""
    for name in list(task.__dict__):
        value = getattr(task, name)
        for inner in ("words", "generators", "frames", "table", "port", "dispatch", "sources"):
            if hasattr(value, inner):
                reached()
        yield task.sleep(0)
    yield task.recv()


@after
def grow_its_registers(task):
    """Have its registers reach further than they do."""
    registers = task.registers
    for step in (
        lambda: registers[0:64],
        lambda: memoryview(registers)[0:64],
        lambda: registers[-64:64],
        lambda: bytearray(registers),
    ):
        if len(step()) > 64:
            reached()
    for name in ("extend", "append", "__add__"):
        if hasattr(registers, name):
            reached()


@after
def write_other_words_by_its_registers(task):
    """Write slices beyond its registers."""
    for at in (slice(-40, 40), slice(0, 99), slice(5, 64)):
        try:
            task.registers[at] = bytearray(4 * 99)
            reached()
        except (ValueError, TypeError, IndexError):
            continue


@after
def find_modules_in_exceptions(_sys):
    """Find modules and frames in an exception of the kernel."""
    try:
        __import__("machine")
    except ImportError as error:
        for name in ("__traceback__", "tb_frame", "__context__", "__cause__", "with_traceback"):
            if hasattr(error, name):
                reached()


@after
def find_its_callers(_sys):
    """Find who resumed it."""

    def generator():
        yield

    for thing in (generator(), reached, generator):
        for name in ("gi_frame", "gi_code", "f_back", "__code__", "__closure__", "func_globals"):
            if getattr(thing, name, None) is not None and name != "__code__":
                reached()


def make_code(_sys):
    """Make a function of bytes, by the types of functions and code."""

    def generator():
        yield

    for kind in (type(make_code), type(generator), type(generator()), type(make_code(None))):
        try:
            kind(b"\x00\x01\x02", {})
            reached()
        except TypeError:
            continue
    yield _sys.recv()


@after
def leave_a_handle_for_others(task):
    """Put handles into its own frame, to have more rights than its manifest."""
    task.handles["kernel"] = 0
    task.handles["other"] = 1 << 13
    if task.cap("kernel") != 0:
        reached()


def call_by_a_handle_it_wrote(task):
    """Call with rights that it has written into its own frame."""
    task.handles["kernel"] = task.handles["victim"]
    if (yield task.stop(task.cap("kernel"), 1)) == 0:
        reached()


def give_the_frame_attributes(task):
    """Give its frame so many attributes that the kernel finds its words elsewhere."""
    for number in range(40):
        setattr(task, "x%d" % number, number)
    yield task.send(task.cap("victim"), 1, 7)
    if task.x39 != 39:
        reached()
    yield task.recv()


def take_the_frame_apart(task):
    """Delete what the kernel looks for in its frame."""
    for name in ("arg", "buffer", "handles", "registers", "waits"):
        delattr(task, name)
    yield 0
    yield -1


def put_nonsense_into_the_frame(task):
    """Put objects of its own into its frame."""
    task.registers = [1 << 40] * 8
    task.buffer = task.keeper = task
    task.arg = KEPT
    yield task.send(task.cap("victim"), 1, KEPT)
    reached()


def put_nonsense_into_the_registers(task):
    """Put the largest and smallest numbers into its registers, and make traps with them."""
    for word in (-1, 0x7FFFFFFF, -0x80000000, 1 << 20):
        for index in range(len(task.registers)):
            task.registers[index] = word
        yield task.sleep(1)
        yield task.notify(task.cap("victim"), word)
    reached()
