"""The bucket of files that jobs write: sent in parts, downloaded by an address that is good for minutes.

Finished files stand below `files/`, where the worker may only write and the API only read. What is kept
between two steps stands below `unfinished/`, which the worker reads again. The bucket drops both by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from client_credits.aws.clients import client

FINISHED, UNFINISHED = "files/", "unfinished/"
ADDRESS_SECONDS = 300
CSV = "text/csv; charset=utf-8"


class Files(Protocol):
    """What jobs do with files. A part, or a file, that is sent twice is there once."""

    def put(self, name: str, content: bytes) -> None: ...
    def begin(self, name: str) -> str: ...
    def part(self, name: str, upload: str, number: int, content: bytes) -> str: ...
    def complete(self, name: str, upload: str, etags: Sequence[str]) -> None: ...
    def keep(self, name: str, content: bytes) -> None: ...
    def kept(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """The files of one bucket. The client is made when the first is asked for."""

    name: str

    def put(self, name: str, content: bytes) -> None:
        """A finished file in one piece, over whatever is there."""
        self._s3.put_object(Bucket=self.name, Key=FINISHED + name, Body=content, ContentType=CSV)

    def begin(self, name: str) -> str:
        """Begins a file in parts; the upload that its parts belong to. One never completed is dropped in a week."""
        begun = self._s3.create_multipart_upload(Bucket=self.name, Key=FINISHED + name, ContentType=CSV)
        return str(begun["UploadId"])

    def part(self, name: str, upload: str, number: int, content: bytes) -> str:
        """Sends part `number`, from 1, of at least 5 MiB unless it is the last; its tag."""
        place = {"Bucket": self.name, "Key": FINISHED + name, "UploadId": upload}
        return str(self._s3.upload_part(**place, PartNumber=number, Body=content)["ETag"])

    def complete(self, name: str, upload: str, etags: Sequence[str]) -> None:
        """Makes a file of its parts, in this order. An upload that is gone was completed by an earlier attempt:
        nothing else ends one within the days that a job may run."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        place = {"Bucket": self.name, "Key": FINISHED + name, "UploadId": upload}
        try:
            self._s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except self._s3.exceptions.NoSuchUpload:
            return

    def keep(self, name: str, content: bytes) -> None:
        """Keeps what is no file yet, for the next step."""
        self._s3.put_object(Bucket=self.name, Key=UNFINISHED + name, Body=content)

    def kept(self, name: str) -> bytes:
        """What an earlier step kept. Raises ClientError where there is nothing of this name."""
        return cast(bytes, self._s3.get_object(Bucket=self.name, Key=UNFINISHED + name)["Body"].read())

    def address(self, name: str, shown_as: str) -> str:
        """Where a finished file can be downloaded for ADDRESS_SECONDS, under the name `shown_as`."""
        disposition = f'attachment; filename="{shown_as}"'
        asked = {"Bucket": self.name, "Key": FINISHED + name, "ResponseContentDisposition": disposition}
        made: str = self._s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=ADDRESS_SECONDS)
        return made

    @property
    def _s3(self) -> Any:
        return client("s3")
