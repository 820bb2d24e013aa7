"""Tiny runs that can be killed, and where to find what they are made of."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit"), str(HERE.parent / "unit" / "train")]

from tiny_runs import Server, Site, make_site  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process that runs tiny trainings."""
    server = Server(tmp_path_factory.mktemp("server") / "one")
    yield server
    server.close()


@pytest.fixture(scope="session")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A tiny base and dataset, with an unbroken run `whole`."""
    site = make_site(tmp_path_factory.mktemp("site"))
    ended = server.run(site, "whole")
    assert ended.code == 0, ended.told
    return site
