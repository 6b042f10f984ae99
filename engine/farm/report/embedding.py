"""Puts things into a page so that nothing in them can break out, and so that they are small.

Data lie in the page as gzip in base64: no text of theirs is text of the page. Scripts are allowed by their hash alone.
"""

import base64
import gzip
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import orjson

SOUND_TYPES: Final = {".flac": "audio/flac", ".opus": "audio/ogg", ".ogg": "audio/ogg", ".wav": "audio/wav"}
"""Media types of audio files that a browser plays, by the end of their names."""


def packed(data: bytes) -> str:
    """Compress and write as base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def packed_json(value: Any) -> str:
    """Give `packed` JSON."""
    return packed(orjson.dumps(value))


def in_base64(data: bytes) -> str:
    """Write bytes that are compressed already."""
    return base64.b64encode(data).decode()


def script_hash(script: str) -> str:
    """Name a script in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def content_security_policy(scripts: Iterable[str]) -> str:
    """Allow just these scripts, styles of the page itself, and sound and pictures; no connection anywhere.

    Plotly sets styles in attributes, so these can't be held to hashes.
    """
    hashes = " ".join(script_hash(script) for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "media-src 'self' file: blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def link_to(path: str, *, from_folder: Path, run_folder: Path) -> str | None:
    """Give the address of a file of a run, relative to the page; None for a path that does not stay below the run."""
    parts = PurePosixPath(path).parts
    if not parts or "\\" in path or any(part in ("/", "//", "..") for part in parts):
        return None
    base = PurePosixPath(Path(os.path.relpath(run_folder, from_folder)).as_posix())
    # A first part such as `javascript:` would be a scheme without the dot before it.
    return "./" + "/".join(quote(part, safe="") for part in (*base.parts, *parts))


def readable_file(path: str, run_folder: Path) -> Path | None:
    """Give a kept file of a run, where it is a plain file that lies below the run's folder."""
    try:
        root = run_folder.resolve()
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL in it, links in a circle
        return None
