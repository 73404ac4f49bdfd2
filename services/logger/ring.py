"""The newest log records, for several readers, each in its own time.

A record stays when all have seen it, until there is no more room. Of those that are new, and then
of those that were seen, the service with the most loses its oldest: one that floods the log pushes
out its own records and nobody else's. What a reader has not seen of them it is told as a count.
"""

from struct import calcsize, pack, unpack_from

from micropython import const

# Records that a reader has not seen yet, and how many more with those that all have.
RECORDS_MAX = const(32)
SEEN_MAX = const(32)
TEXT_MAX = const(200)

# Fields of a record.
_SEQUENCE = const(0)
_NUMBER = const(3)
_TEXT = const(4)

# What an update hands over: a head, each reader with what it has lost, each record with its text.
_HEAD = "<IB"
_READER = "<BIB"
_LOST = "<BH"
_LOST_MAX = const(0xFFFF)
_RECORD = "<IIBBH"
_RECORD_BYTES = const(12)
_SIZE = const(4)  # its last field: bytes of the text
_HEAD_BYTES_MAX = const(512)  # four readers that have lost records of all


class Reader:
    """Who takes records: the last one it has seen, and how many of each service it has not."""

    def __init__(self, number, seen):
        self.number = number
        self.seen = seen
        self.lost = {}


class Ring:
    """Records in their order: (sequence, ms, level, task number, text)."""

    def __init__(self):
        self.records = []
        self.readers = {}
        self.early = {}  # records of each service that were lost before anybody read
        self.sequence = 0

    def put(self, ms, level, number, text):
        """Keep a record."""
        seen = self._seen()
        if self.sequence - seen >= RECORDS_MAX:  # so many at most are new
            new = [record for record in self.records if record[_SEQUENCE] > seen]
            if len(new) >= RECORDS_MAX:
                self._drop(new)
        if len(self.records) >= RECORDS_MAX + SEEN_MAX:
            self._drop([record for record in self.records if record[_SEQUENCE] <= seen])
        self.sequence += 1
        self.records.append((self.sequence, ms, level, number, text[:TEXT_MAX]))

    def reader(self, number, readers_max):
        """Return the reader that is task `number`, None if there are too many."""
        if number not in self.readers:
            if len(self.readers) == readers_max:
                return None
            reader = self.readers[number] = Reader(number, 0)
            reader.lost = {one: count for one, count in self.early.items() if one != number}
        return self.readers[number]

    def next(self, reader):
        """Return what a reader gets next: (ms, level, number, text), None if that is all.

        Without a time and a text it is (number, count): so many records of that service were lost.
        """
        if reader.lost:
            return reader.lost.popitem()
        for record in self.records:
            if record[_SEQUENCE] > reader.seen and record[_NUMBER] != reader.number:
                reader.seen = record[_SEQUENCE]
                return record[1:]
        reader.seen = self.sequence
        return None

    def after(self, sequence):
        """Return the first record after that number: (number, ms, level, task number, text)."""
        for record in self.records:
            if record[_SEQUENCE] > sequence:
                return record
        return None

    def packed(self, bytes_max):
        """Return all of it as bytes; the oldest records that they do not hold are lost.

        In one walk: an update gives this one step.
        """
        sizes = [_RECORD_BYTES + len(record[_TEXT].encode()) for record in self.records]
        over = sum(sizes) - (bytes_max - _HEAD_BYTES_MAX)
        for size in sizes:
            if over <= 0:
                break
            over -= size
            self._lose(self.records[0])
        rows = [pack(_HEAD, self.sequence, len(self.readers))]
        for reader in self.readers.values():
            rows.append(pack(_READER, reader.number, reader.seen, len(reader.lost)))
            for number, count in reader.lost.items():
                rows.append(pack(_LOST, number, min(count, _LOST_MAX)))
        for sequence, ms, level, number, text in self.records:
            data = text.encode()
            rows.append(pack(_RECORD, sequence, ms, level, number, len(data)))
            rows.append(data)
        return b"".join(rows)

    def unpack(self, data, at):
        """Take over what another ring has packed, from `at` on."""
        self.sequence, readers = unpack_from(_HEAD, data, at)
        at += calcsize(_HEAD)
        for _ in range(readers):
            number, seen, losses = unpack_from(_READER, data, at)
            at += calcsize(_READER)
            self.readers[number] = reader = Reader(number, seen)
            for _ in range(losses):
                sender, count = unpack_from(_LOST, data, at)
                at += calcsize(_LOST)
                reader.lost[sender] = count
        while at < len(data):
            row = unpack_from(_RECORD, data, at)
            at += _RECORD_BYTES
            end = at + row[_SIZE]
            self.records.append(row[:_SIZE] + (data[at:end].decode(),))
            at = end

    def _seen(self):
        """Return the number of the last record that all readers have seen."""
        return min([reader.seen for reader in self.readers.values()]) if self.readers else 0

    def _drop(self, among):
        """Let go of the oldest record of the service that has the most of them."""
        counts = {}
        for record in among:
            counts[record[_NUMBER]] = counts.get(record[_NUMBER], 0) + 1
        most = max(counts.values())
        self._lose(next(iter([one for one in among if counts[one[_NUMBER]] == most])))

    def _lose(self, record):
        """Let go of a record, and count it for the readers that have not seen it."""
        number = record[_NUMBER]
        self.records.remove(record)
        if not self.readers:
            self.early[number] = self.early.get(number, 0) + 1
        for reader in self.readers.values():
            if record[_SEQUENCE] > reader.seen and number != reader.number:
                reader.lost[number] = reader.lost.get(number, 0) + 1
