"""Tiny runs that can be killed, and where to find what they are made of."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit"), str(HERE.parent / "unit" / "train")]

from tiny_runs import Server, Site, make_site  # noqa: E402


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two processes that run tiny trainings; they start side by side."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(Server, [tmp_path_factory.mktemp("server") / name for name in ("one", "two")]))
    yield found
    for server in found:
        server.close()


@pytest.fixture(scope="session")
def server(servers: list[Server]) -> Server:
    """One of them."""
    return servers[0]


@pytest.fixture(scope="session")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A tiny base and dataset, with an unbroken run `whole`."""
    site = make_site(tmp_path_factory.mktemp("site"))
    ended = server.run(site, "whole")
    assert ended.code == 0, ended.told
    return site
