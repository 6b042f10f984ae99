"""Makes a page of templates, styles and scripts of this package, with Plotly and the data packed into it."""

import importlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from engine.errors import ConfigError, FarmError
from engine.farm.report.embedding import content_security_policy, packed
from engine.farm.report.formatting import time_text

_FOLDER: Final = "page"
_WAY_OUT: Final = "pip install 'realtime-engine[farm]'"


def part(name: str) -> str:
    """Give a template, style or script of this package."""
    return files(__package__).joinpath(_FOLDER, name).read_text("utf-8")


def joined(names: Sequence[str]) -> str:
    """Join scripts into one that keeps its names to itself."""
    return "\n".join(('"use strict";', "(() => {", *(part(name) for name in names), "})();"))


def plotly_script() -> str:
    """Give Plotly as the package plotly ships it.

    Raises:
        ConfigError: It is not installed; install the extra that the message names.
    """
    return str(_library("plotly.offline").get_plotlyjs())


@cache
def _packed_plotly() -> str:
    return packed(plotly_script().encode())


def write_page(
    out: Path,
    template: str,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    blocks: Iterable[tuple[str, str]],
    sounds: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Write a page as a whole, or not at all.

    Args:
        out: Where.
        template: Its name.
        values: What the template names. All of it is escaped.
        styles: Names of style sheets.
        scripts: Names of scripts, in order.
        blocks: Ids and texts (of `embedding.packed`) that the scripts read.
        sounds: Audio that lies in the page: `job`, `attempt`, `type`, and `text` in base64.

    Raises:
        FarmError: It can't be written there.
        ConfigError: A library of the extra `farm` is not installed.
    """
    script = joined(scripts)
    jinja = _library("jinja2")
    chunks = _environment(jinja, template).generate(
        **values,
        # Our own files: the only texts that are not escaped.
        styles=jinja.utils.markupsafe.Markup("\n".join(part(name) for name in styles)),
        script=jinja.utils.markupsafe.Markup(script),
        policy=content_security_policy((script, plotly_script())),
        packed=[("plotly", _packed_plotly()), *blocks],
        sounds=sounds,
        made=time_text(datetime.now(UTC).timestamp()),
        version=_version(),
    )
    return _write(out, chunks)


def _library(name: str) -> Any:
    """Import a library that nothing but reports needs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        library = name.partition(".")[0]
        raise ConfigError("extra", "farm", _WAY_OUT, message=f"{library} is not installed | {_WAY_OUT}") from missing


def _environment(jinja: Any, template: str) -> Any:
    environment = jinja.Environment(
        loader=jinja.FunctionLoader(part),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # JSON in an attribute: plain text for the template, which escapes it like any other.
    environment.filters["tojson_attribute"] = lambda value: orjson.dumps(value).decode()
    return environment.get_template(template)


def _version() -> str:
    try:
        return version("realtime-engine")
    except PackageNotFoundError:
        return ""


def _write(out: Path, chunks: Iterable[str]) -> Path:
    """Write beside the page and put it in its place at the end: a page that is there is whole.

    It is its owner's alone, as the ledger is: it holds what people said.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=out.parent, prefix=".report-", delete=False
        ) as file:
            try:
                file.writelines(chunks)
                file.close()
                Path(file.name).replace(out)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FarmError(
            f"{out}: can't be written: {error.strerror or error} | make room, or name another place"
        ) from error
    return out
