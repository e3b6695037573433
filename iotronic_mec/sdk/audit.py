"""The audit: who did what, and whether the record is whole."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from iotronic_mec import audit_segment
from iotronic_mec.audit_chain import Finding, Head, Verdict, verify
from iotronic_mec.audit_segment import Segment
from iotronic_mec.sdk.errors import NotFound, UnexpectedAnswer
from iotronic_mec.sdk.names import segment as segment_of
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/audit"

_PIECE_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow(Resource):
    """One row of the audit."""

    sequence: int
    time: datetime | None = field(default=None, metadata=MOMENT)
    project: str | None = None
    user: str | None = None
    user_name: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target: str | None = None
    outcome: str | None = None
    reason: str | None = None
    request_id: str | None = None
    details: Json = None
    previous: str | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSegment(Resource):
    """A range of the audit whose rows are in a file."""

    uuid: str
    first: int
    last: int
    previous: str
    hash: str
    digest: str
    size: int
    file: str | None = None
    first_at: datetime | None = field(default=None, metadata=MOMENT)
    last_at: datetime | None = field(default=None, metadata=MOMENT)
    created_at: datetime | None = field(default=None, metadata=MOMENT)

    def sealed(self) -> Segment:
        """Return what a check needs to know."""
        return Segment(
            first=self.first,
            last=self.last,
            previous=self.previous,
            hash=self.hash,
            digest=self.digest,
            size=self.size,
        )

    def is_file(self, file: IO[bytes]) -> bool:
        """Say whether an open file, read from where it is, is the segment's."""
        return audit_segment.digest_of(file) == (self.digest, self.size)


class Audit:
    """The audit: all of it for administrators, their own rows for others."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[AuditRow]:
        """Yield rows, the oldest first unless ``sort_dir`` says otherwise.

        :param filters: ``user``, ``action``, ``target_kind``, ``target``,
            ``outcome``, ``request_id``, ``project`` (administrators)
        """
        return map(AuditRow.from_wire, self.iter_raw(limit=limit, **filters))

    def iter_raw(self, *, limit: int | None = None, **filters: Json) -> Iterator[dict[str, Any]]:
        """Yield rows exactly as they came: what the hashes are made of."""
        return iter_items(self._transport, PATH, "audit", query=filters, limit=limit)

    def head(self) -> Head:
        """Return the end of the chain, to be kept where the cloud cannot reach.

        :raises UnexpectedAnswer: the answer is no head
        """
        told = self._transport.json(Call(method="GET", path=f"{PATH}/head"))
        try:
            return Head.parse(str(told["head"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswer("the answer is no head of the audit") from error

    def segments(self, *, limit: int | None = None, after: int = 0) -> Iterator[AuditSegment]:
        """Yield the sealed segments in the order of the chain; for administrators.

        :param after: only those that end after this sequence
        """
        path, query = f"{PATH}/segments", {"marker": after} if after else {}
        found = iter_items(self._transport, path, "segments", query=query, limit=limit)
        return map(AuditSegment.from_wire, found)

    def save(self, segment: AuditSegment, target: IO[bytes]) -> None:
        """Write a segment's file to an open file.

        :raises UnexpectedAnswer: it is not the file the list speaks of; what came was written
        """
        path = f"{PATH}/segments/{segment_of(segment.uuid, 'segment')}/file"
        summed, size = hashlib.sha256(), 0
        with self._transport.send(Call(method="GET", path=path, stream=True)) as response:
            for piece in response.iter_content(_PIECE_BYTES):
                size += len(piece)
                if size > segment.size:
                    break
                summed.update(piece)
                target.write(piece)
        if (summed.hexdigest(), size) != (segment.digest, segment.size):
            raise UnexpectedAnswer(f"the file of segment {segment.uuid} is another one")

    def verify(
        self,
        *,
        expected: Head | Iterable[Head] | None = None,
        own_rows: bool = False,
        after: Head | None = None,
        folder: Path | None = None,
    ) -> Verdict:
        """Fetch the whole audit, sealed or not, and check its chain here, not in the cloud.

        :param expected: heads kept before; show a cut end and a chain signed anew
        :param own_rows: the caller reads a selection, which never is a sealed one; gaps
            are no findings
        :param after: a head kept before that is trusted: begin behind it
        :param folder: where exported segments are; ``None`` fetches them
        """
        if own_rows:
            return verify(self.iter_raw(), expected=expected, own_rows=True)
        known: dict[str, AuditSegment] = {}

        def sealed(last: int) -> list[Segment]:
            # a cloud of an earlier release has none; one that hides them has gaps
            found: dict[str, AuditSegment] = {}
            with contextlib.suppress(NotFound):
                found = {each.digest: each for each in self.segments(after=last)}
            known.update(found)
            return [each.sealed() for each in found.values()]

        def fetched(segment: Segment) -> IO[bytes] | None:
            return self._fetch(known[segment.digest])

        source = audit_segment.Source(
            segments=sealed,
            rows=lambda last: self.iter_raw(**({"marker": last} if last else {})),
            opened=fetched if folder is None else audit_segment.in_folder(folder),
        )
        findings: list[Finding] = []
        rows = audit_segment.iter_all(source, findings, after.sequence if after else 0)
        verdict = verify(rows, after=after, expected=expected)
        return audit_segment.with_findings(verdict, findings)

    def _fetch(self, segment: AuditSegment) -> IO[bytes] | None:
        """Return a segment's file, at its beginning, ``None`` when the cloud has lost it."""
        file = tempfile.TemporaryFile()  # closed by who reads it
        try:
            # what was changed is found, and told, by the check
            with contextlib.suppress(UnexpectedAnswer):
                self.save(segment, file)
        except NotFound:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file
