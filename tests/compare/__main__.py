"""Read many mails with four readers, sort the disagreements into classes, and fail on one that is in none.

``python -m tests.compare --packages FOLDER [--made N] [--table] [FOLDER...]``. FOLDER holds the npm packages, further ones
more mails (`*.eml`). --table prints the classes as docs/receiving.md shows them.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.compare import readers
from tests.compare.facts import Facts
from tests.compare.generate import make_mail
from tests.compare.rules import RULES, Rule, rule_of
from tests.fuzz.samples import samples

TESTS = Path(__file__).parents[1]
_OTHERS = ("mailparser", "postal-mime", "email")


def main() -> int:
    """Run the comparison; 1 if a disagreement is undecided or a generated mail is read otherwise than it was meant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--made", type=int, default=3000)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("folders", nargs="*", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mails = _collect(Path(folder), given.made, [TESTS, *given.folders])
        truths = {name: truth for name, truth in mails.items() if truth}
        found, undecided, wrong = _compare(Path(folder), given.packages, truths)
    for line in (*undecided, *wrong):
        sys.stdout.write(line + "\n")
    _report(found, len(mails), as_table=given.table)
    sys.stdout.write(f"{len(undecided)} undecided, {len(wrong)} members read otherwise than they were meant\n")
    return int(bool(undecided or wrong))


def _collect(folder: Path, made: int, sources: list[Path]) -> dict[str, dict | None]:
    """Write all mails into *folder*; their names, with what the author of each meant where that is known."""
    truths: dict[str, dict | None] = {}
    for source in sources:
        for path in sorted(source.rglob("*.eml")):
            name = "-".join(path.relative_to(source.parent).parts)
            (folder / name).write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            truths[name] = None
    for number, sample in enumerate(samples("smtp_bdat")):
        (folder / f"fuzz-{number:05}").write_bytes(sample)
        truths[f"fuzz-{number:05}"] = None
    for seed in range(made):
        mail = make_mail(seed)
        (folder / f"made-{seed:05}").write_bytes(mail.raw)
        truths[f"made-{seed:05}"] = mail.truth
    return truths


def _compare(
    folder: Path, packages: Path, truths: dict[str, dict]
) -> tuple[Counter[tuple[Rule, str]], list[str], list[str]]:
    """The disagreements by rule and reader, those without a rule, and what differs from the truth."""
    found: Counter[tuple[Rule, str]] = Counter()
    undecided, wrong = [], []
    for name, views in readers.by_node(folder, packages):
        raw = (folder / name).read_bytes()
        mail, ours = Facts(raw), readers.by_mailseal(raw)
        views["email"] = readers.by_email(raw)
        for member, meant in readers.even_members(truths.get(name, {})).items():
            if ours[member] != meant:
                wrong.append(f"{name}: {member} is {ours[member]!r}, and was meant as {meant!r}")
        for reader in _OTHERS:
            for member in readers.FIELDS:
                theirs = views[reader][member]
                if theirs == ours[member]:
                    continue
                if rule := rule_of(member, reader, mail, ours[member], theirs):
                    found[rule, reader] += 1
                else:
                    undecided.append(f"undecided: {name}, {member}, {reader}: {theirs!r}; ours is {ours[member]!r}")
    return found, undecided, wrong


def _report(found: Counter[tuple[Rule, str]], mails: int, *, as_table: bool) -> None:
    sys.stdout.write(f"{mails} mails\n")
    for rule in RULES:
        counts = [found[rule, reader] for reader in _OTHERS]
        if any(counts):
            member = "all" if len(rule.members) > 8 else ", ".join(rule.members)
            cells = (member, rule.name, *map(str, counts), f"{rule.right}: {rule.why}")
            sys.stdout.write(f"| {' | '.join(cells)} |\n" if as_table else f"{sum(counts):6} {member}: {rule.name}\n")


if __name__ == "__main__":
    sys.exit(main())
