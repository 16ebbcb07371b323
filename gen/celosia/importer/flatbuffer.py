# SPDX-License-Identifier: BSD-2-Clause
"""Bounds-checked reading of flatbuffers.

The Python runtime of flatbuffers trusts the file: an offset may lead anywhere, a length may be
anything. The classes generated from a schema do all their reading through one table object, so a
table that checks each access before it happens makes all of them safe::

    model = root(tflite.Model, data)
    subgraph = checked(model.Subgraphs(0))

Objects that the generated accessors return have an unchecked table and must pass through
``checked``. What an access needs is checked, not the whole file in advance: there is no recursion,
and work is bounded by the number of accesses.
"""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers.table

_SOFFSET = struct.Struct("<i")
_UOFFSET = struct.Struct("<I")
_VOFFSETS = struct.Struct("<HH")


class CorruptFileError(ValueError):
    """An offset, a length or an index in the file leads to where nothing can be."""


class CheckedTable(flatbuffers.table.Table):  # type: ignore[misc]
    """A flatbuffer table at a known position; every access raises CorruptFileError if impossible.

    Overrides all of the reading methods that generated code calls.
    """

    __slots__ = ("_fields", "_size")

    def __init__(self, data: bytes, position: int) -> None:
        if not 0 <= position <= len(data) - _SOFFSET.size:
            raise CorruptFileError(f"a table lies at byte {position}, outside of the file")
        super().__init__(data, position)
        vtable = position - _SOFFSET.unpack_from(data, position)[0]
        if not 0 <= vtable <= len(data) - _VOFFSETS.size:
            raise CorruptFileError(f"the table at byte {position} has its layout outside the file")
        length, self._size = _VOFFSETS.unpack_from(data, vtable)
        if length < _VOFFSETS.size or length % 2 or vtable + length > len(data):
            raise CorruptFileError(f"the table at byte {position} has an impossible layout")
        if self._size < _SOFFSET.size or position + self._size > len(data):
            raise CorruptFileError(f"the table at byte {position} has an impossible size")
        self._fields = struct.unpack_from(f"<{length // 2}H", data, vtable)

    def Offset(self, vtableOffset: int) -> int:  # noqa: N802, N803 - the base class's names
        """Where a field lies in the table, 0 if it is absent."""
        if vtableOffset // 2 >= len(self._fields):
            return 0
        offset = int(self._fields[vtableOffset // 2])
        if offset and not _SOFFSET.size <= offset < self._size:
            raise CorruptFileError(f"a field of the table at byte {self.Pos} lies outside of it")
        return offset

    def Get(self, flags: Any, off: int) -> Any:  # noqa: N802
        """The number at byte ``off``."""
        if not 0 <= off <= len(self.Bytes) - flags.bytewidth:
            raise CorruptFileError(f"a number lies at byte {off}, outside of the file")
        return flags.py_type(flags.packer_type.unpack_from(self.Bytes, off)[0])

    def Indirect(self, off: int) -> int:  # noqa: N802
        """The position that the offset at byte ``off`` leads to."""
        return self._follow(off)

    def String(self, off: int) -> bytes:  # noqa: N802
        """The string that the offset at byte ``off`` leads to."""
        start, length = self._vector(self._follow(off))
        return bytes(self.Bytes[start : start + length])

    def VectorLen(self, off: int) -> int:  # noqa: N802
        """Length of the vector in the field at ``off``, at most the bytes that follow it."""
        return self._vector(self._follow(off + self.Pos))[1]

    def Vector(self, off: int) -> int:  # noqa: N802
        """Start of the elements of the vector in the field at ``off``."""
        return self._vector(self._follow(off + self.Pos))[0]

    def GetVectorAsNumpy(self, flags: Any, off: int) -> Any:  # noqa: N802
        """A read-only array on the file's bytes."""
        start, length = self._vector(self._follow(off + self.Pos), flags.bytewidth)
        return flatbuffers.encode.GetVectorAsNumpy(
            flatbuffers.number_types.to_numpy_type(flags), self.Bytes, length, start
        )

    def Union(self, t2: Any, off: int) -> None:  # noqa: N802
        """Points ``t2`` at the table in the field at ``off``."""
        t2.Pos = self._follow(off + self.Pos)
        t2.Bytes = self.Bytes

    def _follow(self, off: int) -> int:
        if not 0 <= off <= len(self.Bytes) - _UOFFSET.size:
            raise CorruptFileError(f"an offset lies at byte {off}, outside of the file")
        target = off + int(_UOFFSET.unpack_from(self.Bytes, off)[0])
        if target > len(self.Bytes) - _UOFFSET.size:
            raise CorruptFileError(f"the offset at byte {off} leads out of the file")
        return target

    def _vector(self, position: int, width: int = 1) -> tuple[int, int]:
        length = int(_UOFFSET.unpack_from(self.Bytes, position)[0])
        start = position + _UOFFSET.size
        if length * width > len(self.Bytes) - start:
            raise CorruptFileError(
                f"the vector at byte {position} has {length} elements, more than the file"
            )
        return start, length


def root(kind: Any, data: bytes) -> Any:
    """The root object of a file, of the generated class ``kind``."""
    if len(data) < _UOFFSET.size:
        raise CorruptFileError("the file is too short")
    table = kind()
    table.Init(data, _UOFFSET.unpack_from(data, 0)[0])
    return checked(table)


def checked(generated: Any) -> Any:
    """The same object with a table that checks; None stays None (an absent field)."""
    if generated is not None:
        table = generated._tab
        generated._tab = CheckedTable(table.Bytes, table.Pos)
    return generated


def int32_field(generated: Any, slot: int) -> int:
    """The int32 in a slot of the layout of a checked object, 0 if it is absent."""
    table = generated._tab
    offset = table.Offset(slot)
    return int(table.Get(flatbuffers.number_types.Int32Flags, table.Pos + offset)) if offset else 0


def reinterpreted(kind: Any, table: Any) -> Any:
    """The table of a union as an object of the generated class ``kind``."""
    generated = kind()
    generated.Init(table.Bytes, table.Pos)
    return checked(generated)
