"""The tools of a session: functions and dictionaries that are added to a set."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, Unpack, overload

from engine.contract import to_wire_tool
from engine.errors import ConfigError
from engine.tools import bounds
from engine.tools.call import CallReport
from engine.tools.host import ToolHost
from engine.tools.runner import ToolRunner
from engine.tools.schema import describe
from engine.tools.spec import tool_of_spec
from engine.tools.tool import Settings, Tool, ToolSettings, check_function

F = TypeVar("F", bound=Callable[..., Any])


class Tools:
    """Functions that the model may call.

    ```python
    tools = Tools()

    @tools.add
    async def get_weather(city: str, days: int = 1) -> dict[str, float]:
        ...

    async with open_session(SessionConfig(tools=tools.specs)) as session:
        async for event in session.run(tools):
            ...
    ```

    Args:
        tools: Functions, and dictionaries (`{"name", "description", "inputSchema"}`, or the service's flat form) that
            hold their function as `"handler"`.
        limit: Calls of one session that run at the same time.
        waiting_limit: Calls that may wait for a place beside them; past it a call is refused, and the model told so.
        on_report: Called with a `CallReport` after each call, in the session's own task: log exceptions here. It must
            not wait.

    Raises:
        ConfigError: As `add` and `add_spec` raise it.
    """

    def __init__(
        self,
        tools: Iterable[Callable[..., Any] | Mapping[str, Any]] = (),
        *,
        limit: int = bounds.TOOLS_AT_ONCE,
        waiting_limit: int = bounds.TOOL_CALLS_WAITING,
        on_report: Callable[[CallReport], None] | None = None,
    ) -> None:
        self.limit = _whole("tools.limit", limit, 1)
        self.waiting_limit = _whole("tools.waiting_limit", waiting_limit, 0)
        self.on_report = on_report
        self._tools: dict[str, Tool] = {}
        for each in tools:
            if isinstance(each, Mapping):
                spec = {key: value for key, value in each.items() if key != "handler"}
                self.add_spec(spec, each.get("handler"))
            else:
                self.add(check_function(each, "tools"))

    @overload
    def add(self, function: F, /) -> F: ...

    @overload
    def add(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        **settings: Unpack[Settings],
    ) -> Callable[[F], F]: ...

    def add(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        **settings: Unpack[Settings],
    ) -> Any:
        """Add a function, async or plain; a decorator with and without settings.

        Its schema comes from its type hints and docstring (Google, NumPy or reST style). Arguments are checked and
        converted by pydantic as from JSON, so a dataclass, a date or an `Enum` arrives as one, and `"3"` is taken for
        an int; what does not fit is told to the model and the function is not called. A plain function runs in a
        worker thread.

        Args:
            function: Given back as it is.
            name: How the model calls it; the function's own name when None.
            description: What the model is told; the docstring's when None.
            settings: See `ToolSettings`.

        Raises:
            ConfigError: The name is taken or not possible, the function can't be described (it has `*args`, or a type
                that no JSON Schema can say), a setting is wrong, or the extra `tools` is not installed.
        """
        checked = ToolSettings(**settings)

        def added(function: F) -> F:
            self._put(_tool_of(function, name, description, checked))
            return function

        return added if function is None else added(function)

    def add_spec(
        self, spec: Mapping[str, Any], handler: Callable[..., Any] | None, **settings: Unpack[Settings]
    ) -> None:
        """Add a tool whose schema is written already; arguments are checked with jsonschema, Draft 2020-12.

        Args:
            spec: `{"name", "description", "inputSchema": {"json": schema}}`, or the service's flat form.
            handler: Called with keyword arguments when its parameters have the names of the schema's properties (or
                it takes `**kwargs`), else with one dictionary. A parameter of type `ToolContext` is given as well.
            settings: See `ToolSettings`.

        Raises:
            ConfigError: The name is taken, the schema is broken, the handler fits neither way, a setting is wrong, or
                the extra `tools` is not installed.
        """
        self._put(tool_of_spec(spec, handler, ToolSettings(**settings)))

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The tools as `SessionConfig(tools=...)` takes them."""
        return [tool.spec for tool in self._tools.values()]

    @property
    def names(self) -> list[str]:
        """How the model calls them, in the order in which they were added."""
        return list(self._tools)

    def get(self, name: str) -> Tool | None:
        """Give the tool of that name, if there is one."""
        return self._tools.get(name)

    def runner(self, host: ToolHost, *, on_report: Callable[[CallReport], None] | None = None) -> ToolRunner:
        """Make what runs the calls of one session; `session.run(tools)` does so.

        Args:
            host: The session.
            on_report: Told of each call that is over, after the set's own.
        """
        return ToolRunner(self, host, on_report=on_report)

    def __iter__(self) -> Iterator[Tool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def _put(self, tool: Tool) -> None:
        to_wire_tool(tool.spec)
        if tool.name in self._tools:
            raise ConfigError("tools.name", tool.name, "each name once")
        self._tools[tool.name] = tool


def _whole(field: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(field, value, f"a whole number, {least} or more")
    return value


def _tool_of(function: Callable[..., Any], name: str | None, description: str | None, settings: ToolSettings) -> Tool:
    own = str(name or getattr(function, "__name__", type(function).__name__))
    field = f"tools.{own}"
    check_function(function, field)
    described = describe(function, field)
    return Tool(
        name=own,
        description=described.description if description is None else description,
        parameters=described.parameters,
        function=function,
        bind=described.bind,
        settings=settings,
    )
