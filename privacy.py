"""Recognises returning visitors without knowing who they are: a visitor's salted hash, and the set of hashes seen.

The set is an exact list while it is small. Beyond a limit it becomes a HyperLogLog sketch (Flajolet et al. 2007) of a
few kilobytes, for any number of visitors. The number of visitors is updated with each one, using the sketch's
probability of noticing a new visitor (the HIP estimator: Cohen, "All-Distances Sketches", 2014; Ting, "Streamed
approximate counting of distinct elements", 2014). So it continues from the exact number without a jump, never
decreases, and has a smaller error than the classic estimate: sqrt(ln 2 / 2^14) = 0.65 % instead of 0.81 %.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice
from typing import NamedTuple

PRECISION = 14
REGISTERS = 1 << PRECISION  # of the set of all visitors
_ONE = 1 << 64  # 2^-register as an integer, so that sums are exact: _ONE >> register


def visitor_hash(salt: str, vid: str) -> str:
    """The only trace of a visitor: the SHA-256 of `salt:vid` in hex. Keep `salt` secret and never change it: with
    another salt every visitor is new."""
    return hashlib.sha256(f"{salt}:{vid}".encode()).hexdigest()


def names_id(salt: str, visit_id: str) -> str:
    """The id of a visit's journal entry for page and source. Only who knows `salt` can connect it with the visit."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"page:{salt}:{visit_id}".encode()).digest()[:9]).decode("ascii")


class Sketch:
    """A HyperLogLog sketch of visitor hashes. Immutable."""

    __slots__ = ("_inverse_sum", "_text", "registers")

    def __init__(self, registers: bytes = bytes(REGISTERS)) -> None:
        self.registers = registers
        self._inverse_sum = 0  # the sum of all 2^-register, calculated when it is first needed
        self._text: str | None = None

    @property
    def precision(self) -> int:
        """The sketch has 2^precision registers; the first bits of a hash select one."""
        return len(self.registers).bit_length() - 1

    @classmethod
    def of(cls, hashes: Iterable[str], precision: int = PRECISION) -> Sketch:
        """The sketch of all `hashes`, built in one pass and constant memory."""
        registers, rest_bits = bytearray(1 << precision), 64 - precision
        mask, highest = (1 << rest_bits) - 1, rest_bits + 1
        rest = iter(hashes)
        while batch := list(islice(rest, 4096)):
            for (bits,) in struct.iter_unpack(">Q24x", _digests(batch)):
                index, rank = bits >> rest_bits, highest - (bits & mask).bit_length()
                if rank > registers[index]:  # noqa: PLR1730 - max() is slow a million times
                    registers[index] = rank
        return cls(bytes(registers))

    def add(self, visitor: str) -> tuple[Sketch, int]:
        """The sketch with `visitor`, and by how much the number of visitors grows: 0 if nothing changed, otherwise one
        divided by the probability that a new visitor is noticed. The fraction is rounded up or down by other bits of
        the hash, so the average is right and a repeated call gives the same number."""
        bits, tie = struct.unpack_from(">QQ", _digest(visitor))
        rest_bits = 64 - self.precision
        index, rank = bits >> rest_bits, rest_bits + 1 - (bits & (1 << rest_bits) - 1).bit_length()
        before = self.registers[index]
        if rank <= before:
            return self, 0
        if not self._inverse_sum:
            times = Counter(self.registers)
            self._inverse_sum = sum(number * (_ONE >> register) for register, number in times.items())
        whole, rest = divmod(len(self.registers) * _ONE, self._inverse_sum)
        sketch = Sketch(self.registers[:index] + bytes((rank,)) + self.registers[index + 1 :])
        sketch._inverse_sum = self._inverse_sum - (_ONE >> before) + (_ONE >> rank)
        return sketch, whole + (tie * self._inverse_sum < rest << 64)

    def merge(self, other: Sketch) -> Sketch:
        """The union of both sketches."""
        return Sketch(bytes(map(max, self.registers, other.registers)))

    def estimate(self) -> float:
        """The number of different visitors in the sketch, for a document that lacks its number of visitors: the
        estimate of Flajolet et al., and linear counting while enough registers are empty. The standard error is about
        1 %."""
        size, empty = len(self.registers), self.registers.count(0)
        if empty > size / 25:
            return size * math.log(size / empty)
        inverse_sum = sum(times * 2.0**-register for register, times in Counter(self.registers).items())
        # A forged sketch may claim any number; browsers show this one exactly.
        return min(0.7213 * size * size / inverse_sum, 2.0**52)

    def text(self) -> str:
        """The sketch as printable text of at most 16 KB, starting with its version; `parse` reads it."""
        if self._text is None:
            packed = zlib.compress(self.registers, 1)
            self._text = f"hll{self.precision}-1:{base64.b64encode(packed).decode()}"
        return self._text

    @classmethod
    def parse(cls, text: object, precision: int = PRECISION) -> Sketch:
        """The sketch from its `text` form. Raises ValueError for anything else. Memory is bounded for any input."""
        version, size = f"hll{precision}-1:", 1 << precision
        if not isinstance(text, str) or not text.startswith(version):
            raise ValueError("is of an unknown version")
        try:
            packed = base64.b64decode(text[len(version) :], validate=True)
            unpacking = zlib.decompressobj()
            registers = unpacking.decompress(packed, size + 1)
        except (binascii.Error, zlib.error, ValueError) as error:
            raise ValueError("is damaged") from error
        is_whole = unpacking.eof and not unpacking.unused_data and len(registers) == size
        if not is_whole or registers.translate(None, bytes(range(66 - precision))):
            raise ValueError("has not the right size")
        sketch = cls(registers)
        sketch._text = text
        return sketch


class Seen(NamedTuple):
    """The set of visitors seen: a list up to a limit, a sketch beyond. Immutable."""

    hashes: tuple[str, ...] = ()
    sketch: Sketch | None = None

    @classmethod
    def of(cls, hashes: Iterable[str], limit: int, sketch: Sketch | None = None) -> Seen:
        """The union of `hashes` and `sketch`. `hashes` is read once, and not held in memory if it is longer than
        `limit`."""
        rest = iter(hashes)
        kept = tuple(islice(rest, limit if sketch is None else 0))
        over = next(rest, None)
        if over is None:
            return cls(kept, sketch)
        more = Sketch.of(chain(kept, (over,), rest))
        return cls((), sketch.merge(more) if sketch else more)

    def size(self) -> int:
        """The number of different visitors in the set; an estimate if it is a sketch."""
        return len(set(self.hashes)) if self.sketch is None else round(self.sketch.estimate())

    def add(self, visitor: str, limit: int, precision: int = PRECISION) -> tuple[Seen, int]:
        """The set with `visitor`, and by how much the number of visitors grows (0 for a known one). Beyond `limit` it
        becomes a sketch of 2^precision registers."""
        if self.sketch is not None:
            sketch, more = self.sketch.add(visitor)
            return (Seen((), sketch), more) if more else (self, 0)
        if visitor in self.hashes:
            return self, 0
        hashes = (*self.hashes, visitor)
        if len(hashes) > limit:
            return Seen((), Sketch.of(hashes, precision)), 1
        return Seen(hashes), 1


def _digest(visitor: str) -> bytes:
    # An older counter's document may have texts that are not our hashes; they are hashed instead of refused.
    try:
        digest = bytes.fromhex(visitor)
    except ValueError:
        digest = b""
    return digest if len(digest) == 32 else hashlib.sha256(visitor.encode("utf-8", "surrogatepass")).digest()


def _digests(visitors: list[str]) -> bytes:
    # All at once if all are hashes, so that a million visitors of an older document are read within one call.
    try:
        digests = bytes.fromhex("".join(visitors)) if all(map((64).__eq__, map(len, visitors))) else b""
    except ValueError:
        digests = b""
    return digests if len(digests) == 32 * len(visitors) else b"".join(map(_digest, visitors))
