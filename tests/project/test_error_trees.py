"""The tree that each module of errors draws at its top is the tree of its classes."""

import inspect
import re

import pytest

from relay import errors as relay_errors
from relay.web.answers import errors as web_errors
from store import errors as store_errors

_LINE = re.compile(r"((?:[│├└─ ]{4})*)([A-Z]\w+)(?: {2,}\S.*)?")


def drawn(module):
    """Each class of the drawing with its base class; None for the root."""
    path, found = [], {}
    drawing = inspect.getdoc(module).partition("::\n\n")[2].partition("\n\n")[0]
    for line in inspect.cleandoc(drawing).splitlines():
        indent, name = _LINE.fullmatch(line).groups()
        depth = len(indent) // 4
        path[depth:] = [name]
        found[name] = path[depth - 1] if depth else None
    return found


def defined(module):
    """Each exception class of a module with its base class; None for the root."""
    classes = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]
    return {each.__name__: None if each.__base__ is Exception else each.__base__.__name__ for each in classes}


@pytest.mark.parametrize("module", [relay_errors, web_errors, store_errors], ids=lambda module: module.__name__)
def test_the_drawn_tree_is_the_tree_of_the_classes(module):
    assert defined(module) == drawn(module)


@pytest.mark.parametrize("module", [relay_errors, web_errors, store_errors], ids=lambda module: module.__name__)
def test_classes_are_defined_in_the_order_of_the_drawing(module):
    places = [inspect.getsourcelines(getattr(module, name))[1] for name in drawn(module)]

    assert sorted(places) == places
