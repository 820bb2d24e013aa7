"""Which model a name means."""

from dataclasses import dataclass

from luthier.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Route:
    """One name that may be asked for."""

    name: str
    adapter: bool
    """True: the tuned model; False: its base."""


class Router:
    """The names of one server: the run's (tuned) and, for a decoder, the base's."""

    def __init__(self, *, tuned: str, base: str | None) -> None:
        self.routes = {tuned: Route(tuned, adapter=True)}
        if base is not None and base != tuned:
            self.routes[base] = Route(base, adapter=False)

    def find(self, name: str) -> Route:
        """The route of a name; NotFoundError lists the names there are."""
        if name not in self.routes:
            raise NotFoundError(f"The model '{name}' does not exist. Served here: {', '.join(self.routes)}")
        return self.routes[name]
