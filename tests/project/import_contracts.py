"""A contract type for import-linter: each library with the modules that may import it."""

import sys
from typing import Any, ClassVar

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowListContract(Contract):
    """Each row reads ``library: module module``; a module stands for its package's modules too.

    With ``closed = True`` a third-party library without a row may not be imported at all. A row that
    permits more than the code uses breaks the contract as well.
    """

    type_name: ClassVar[str] = "allow_list"
    allowed: Any = fields.ListField(subfield=fields.StringField())
    closed: Any = fields.BooleanField(required=False, default=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 (import-linter's own)
        """Compare every import of an external module with its row."""
        del verbose
        rows = dict(self._rows())
        used: set[tuple[str, str]] = set()
        problems = []
        for importer, imported in _external_imports(graph, self.session_options["root_packages"]):
            if imported not in rows and (not self.closed or imported in sys.stdlib_module_names):
                continue
            match = next((name for name in rows.get(imported, ()) if f"{importer}.".startswith(f"{name}.")), None)
            if match is None:
                problems.append(f"{importer} imports {imported}")
            else:
                used.add((imported, match))
        permitted = {(library, name) for library, names in rows.items() for name in names}
        problems += [f"{name} is permitted {library} and does not import it" for library, name in permitted - used]
        return ContractCheck(kept=not problems, metadata={"problems": sorted(problems)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what is wrong, a line each."""
        for problem in check.metadata["problems"]:
            output.print_error(f"- {problem}")

    def _rows(self) -> list[tuple[str, tuple[str, ...]]]:
        pairs = [row.partition(":") for row in self.allowed]
        return [(library.strip(), tuple(modules.split())) for library, _, modules in pairs]


def _external_imports(graph: ImportGraph, roots: list[str]) -> list[tuple[str, str]]:
    return [
        (importer, imported)
        for importer in sorted(graph.modules)
        if importer.partition(".")[0] in roots
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.partition(".")[0] not in roots
    ]
