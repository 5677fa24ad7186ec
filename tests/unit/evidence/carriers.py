"""Messages with attachments and archives, for the tests."""

import io
import tarfile
import zipfile
from email.message import EmailMessage


def with_attachment(
    content: bytes,
    name: str = "file.bin",
    kind: str = "application/octet-stream",
    *,
    text: str = "See attached.",
) -> bytes:
    """A message with one attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "rita@reporter.example",
        "cps@ca.example",
        "x",
    )
    message.set_content(text)
    main, _, sub = kind.partition("/")
    message.add_attachment(content, main, sub, filename=name)
    return message.as_bytes()


def zip_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def tar_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()
