from collections.abc import Iterator

import pytest

from support.cells import Halls, open_halls


@pytest.fixture(scope="session")
def halls() -> Iterator[Halls]:
    with open_halls() as halls:
        yield halls
