"""The hypothesis that two packages enter one name into a registry of the process, and its experiment.

The dynamic linker has no part in it, so what is edited are names: the same number of other letters, in the files of one
package. A name is kept as a whole string of an extension module (a C++ type's, as in its type information), or inside
of Python source (serialized .proto files).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from abiclash.lab.investigate.minimise import minimise
from abiclash.lab.investigate.result import Attempt, Cause, Role, Status, Suspect
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from abiclash.lab.investigate.bench import Bench
    from abiclash.lab.investigate.result import Outcome, Program
    from abiclash.lab.investigate.trial_edits import Editor
    from abiclash.rules.model import Finding

_KINDS = ("files", "types", "names")
_PLACEBOS = 2
_TYPE = re.compile(rb"(?<=\0)(\d{1,3})([A-Za-z_]\w{2,})(?=\0)")
_UNREGISTERED = re.compile(rb"(?<=\0)(P?F\w{6,}E)(?=\0)")
"""Type information of functions and of pointers to them: nobody registers these."""
_FILE = re.compile(rb"[\w/]{3,}\.proto\b")
_OPEN = """\
import importlib.util as _u
_s = _u.spec_from_file_location({name!r}, {path!r})
_s.loader.exec_module(_u.module_from_spec(_s))
"""


def try_registries(
    bench: Bench,
    editor: Editor,
    findings: Iterable[Finding],
    failing: Program,
    passing: Program,
    owned: Mapping[str, str],
) -> list[Cause]:
    """Try each hypothesis until one is proven. owned: path -> package, of all installed files."""
    wanted = suspects(findings, failing.outcome, owned)
    used = _used(bench, passing, [suspect.object for suspect in wanted])
    tried: list[Cause] = []
    for suspect in wanted:
        rest = [each.object for each in wanted if each.package != suspect.package]
        if suspect.object in used or not rest or bench.spent():
            continue
        source = suspect.object.endswith(".py")
        files = [path for path, package in owned.items() if package == suspect.package and path.endswith(".py")]
        files = sorted(files) if source else [suspect.object]
        bench.progress(f"suspect: {suspect.kind} {suspect.object} ({len(suspect.symbols)} names)")
        tried.append(RegistryExperiment(bench, editor, suspect, failing, passing, files, rest[0]).run())
        if tried[-1].status is Status.PROVEN:
            break
    return tried


def _used(bench: Bench, program: Program, paths: Sequence[str]) -> set[str]:
    """Return those of the files that a program loads as modules."""
    if not paths:
        return set()
    asked = (
        "import sys\n_files = [str(getattr(m, '__file__', '')) for m in list(sys.modules.values())]\n"
        f"print('\\n'.join('USED ' + p for p in {list(paths)!r} if any(f.endswith('/' + p) for f in _files)))"
    )
    lines = bench.printed([*program.statements, asked]).splitlines()
    return {line.removeprefix("USED ") for line in lines if line.startswith("USED ")}


def suspects(findings: Iterable[Finding], outcome: Outcome, owned: Mapping[str, str]) -> list[Suspect]:
    """Return a hypothesis for each file that a finding says to enter a name which the failure's message has."""
    found = []
    for finding in findings:
        registry = finding.evidence.get("registry")
        if finding.severity is Severity.NOTE or not isinstance(registry, str):
            continue
        listed = next((names for kind in _KINDS if isinstance(names := finding.evidence.get(kind), list)), [])
        names = tuple(entry(str(name)) for name in listed)
        if any(_spoken(name) in outcome.detail for name in names):
            found += [
                Suspect("registry", path, owned[path], names, finding.id, registry)
                for path in finding.objects
                if path in owned
            ]
    return found


def entry(name: str) -> str:
    """Return a C++ type's name as its type information has it (Itanium C++ ABI); names of files stay as they are."""
    if not re.fullmatch(r"[A-Za-z_]\w*(::[A-Za-z_]\w*)*", name):
        return name
    parts = name.split("::")
    mangled = "".join(f"{len(part)}{part}" for part in parts)
    return mangled if len(parts) == 1 else f"N{mangled}E"


def _spoken(name: str) -> str:
    """The part of an entry that a message would have."""
    return name if "." in name else re.split(r"\d+", name.removesuffix("E"))[-1]


def other_name(name: str) -> str:
    """A name of the same length that is nobody's: one letter becomes another one.

    Of a type the last one of its first identifier, else the last before a dot or the end.
    """
    type_ = re.match(r"N?(\d{1,3})(?=[A-Za-z_])", name)
    end = type_.end() + int(type_[1]) - 1 if type_ else len(name.partition(".")[0]) - 1
    letter = "Q" if name[end : end + 1] != "Q" else "R"
    return name[:end] + letter + name[end + 1 :]


def renamed(data: bytes, names: Collection[str]) -> bytes:
    """Return a file with these entries under other names; whole strings of an object, any text of another file.

    protoc may write the first letter of a name as an escape, so source is searched for the rest.
    """
    whole = data[:4] == b"\x7fELF"
    for name in names:
        old, new = name.encode(), other_name(name).encode()
        data = data.replace(b"\0" + old + b"\0", b"\0" + new + b"\0") if whole else data.replace(old[1:], new[1:])
    return data


def entries(data: bytes) -> set[str]:
    """Return what may be an entry of a file: names of C++ types, of .proto files."""
    found = [match[0] for match in _TYPE.finditer(data) if _is_type(int(match[1]), match[2])]
    found += [match[0] for match in _FILE.finditer(data)]
    return {name.decode() for name in found}


def _is_type(length: int, rest: bytes) -> bool:
    """Whether an identifier of this length, perhaps with template arguments, is the whole."""
    tail = rest[length:]
    return len(rest) >= length and (not tail or (tail[:1] == b"I" and tail[-1:] == b"E"))


@dataclass(slots=True)
class RegistryExperiment:
    """files: of the suspect's package, that may have the names. other: the file that enters them as well."""

    bench: Bench
    editor: Editor
    suspect: Suspect
    failing: Program
    passing: Program
    files: Sequence[str]
    other: str
    attempts: list[Attempt] = field(default_factory=list)

    def run(self) -> Cause:
        """Rename in the failing program; open the one file first in the working program, with all but some renamed."""
        removing: tuple[str, ...] = ()
        restoring: tuple[str, ...] = ()
        whole = True
        if self._ends(frozenset(self.suspect.symbols)) or self._ends_with_more():
            names = self.suspect.symbols
            removing = (self.suspect.finding,)
            if not self._apart():  # a key is one name already; else the fewest entries
                removing, whole = minimise(names, self._ends, self.bench.spent)
            if self._returns(frozenset(names)):
                restoring, also = minimise(names, self._returns, self.bench.spent)
                whole = whole and also
            self._placebos()
        placebos = [each for each in self.attempts if each.role is Role.PLACEBO]
        status = Status.SUPPORTED if removing or restoring else Status.OPEN
        if removing and restoring and placebos and all(each.good for each in placebos):
            status = Status.PROVEN
        return Cause(self.suspect, status, removing, restoring, whole, tuple(self.attempts))

    def _ends_with_more(self) -> bool:
        """Whether it takes names that no rule has told, but that both files have."""
        mine, others = (entries(self.editor.read(path)) for path in (self.suspect.object, self.other))
        names = tuple(sorted({*self.suspect.symbols, *(mine & others)}))
        self.suspect = replace(self.suspect, symbols=names)
        return self._ends(frozenset(names))

    def _ends(self, names: Collection[str]) -> bool:
        outcome = self.bench.run(self.failing.statements, edits=self._renamed(self.files, names))
        self._note(Role.REMOVAL, RENAME, self.failing, outcome, names, good=outcome.works)
        return outcome.works

    def _apart(self) -> bool:
        """Whether a registry of its own helps, where the file finds the common one by a key that it has as a string."""
        key = self.suspect.finding
        edits = self._renamed([self.suspect.object], [key])
        if not edits:
            return False
        outcome = self.bench.run(self.failing.statements, edits=edits)
        self._note(Role.REMOVAL, APART, self.failing, outcome, [key], good=outcome.works)
        return outcome.works

    def _returns(self, names: Collection[str]) -> bool:
        outcome = self._opened(names)
        good = self._same(outcome)
        self._note(Role.RESTORATION, OPENED, self.passing, outcome, names, good=good)
        return good

    def _opened(self, kept: Collection[str]) -> Outcome:
        path = self.suspect.object
        edits = self._renamed([path], [name for name in self.suspect.symbols if name not in kept])
        module = path.replace("/", ".").partition(".cpython")[0].removesuffix(".py").partition(".abi3")[0]
        code = _OPEN.format(name=module, path=self.editor.place(path))
        return self.bench.run([code, *self.passing.statements], edits=edits)

    def _placebos(self) -> None:
        """The same edit on names that are not in the registry, or are entered by this package alone."""
        data = self.editor.read(self.suspect.object)
        mine = entries(data)
        if self.suspect.object.endswith(".py"):  # names that others enter are mentioned here because they are needed
            mine = {name for path in self.files for name in entries(self.editor.read(path)) if self._enters(name)}
        pool = sorted(mine - entries(self.editor.read(self.other)) - set(self.suspect.symbols))
        pool = pool or sorted({match[1].decode() for match in _UNREGISTERED.finditer(data)})
        for name in pool[:_PLACEBOS]:
            outcome = self.bench.run(self.failing.statements, edits=self._renamed(self.files, [name]))
            self._note(Role.PLACEBO, RENAME, self.failing, outcome, [name], good=self._same(outcome))
        outcome = self._opened(())
        self._note(Role.PLACEBO, OPENED, self.passing, outcome, (), good=outcome.works)

    def _enters(self, name: str) -> bool:
        """Whether the package has the module that protoc makes of a .proto file."""
        module = name.removesuffix(".proto").rpartition("/")[2] + "_pb2.py"
        return any(path.rpartition("/")[2] == module for path in self.files)

    def _renamed(self, paths: Iterable[str], names: Collection[str]) -> dict[str, bytes]:
        return dict(self._changed(paths, lambda data: renamed(data, names)))

    def _changed(self, paths: Iterable[str], change: Callable[[bytes], bytes]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            before = self.editor.read(path)
            after = change(before)
            if after != before:
                yield self.editor.key(path), after

    def _same(self, outcome: Outcome) -> bool:
        """Whether it fails with the same words, whichever of the names the message has."""
        wanted = self.failing.outcome
        return outcome.same_failure(wanted) and self._words(outcome.detail) == self._words(wanted.detail)

    def _words(self, detail: str) -> str:
        for name in sorted(map(_spoken, self.suspect.symbols), key=len, reverse=True):
            detail = re.sub(rf"\b{re.escape(name)}\b", "NAME", detail)
        return detail

    def _note(
        self, role: Role, what: str, program: Program, outcome: Outcome, names: Collection[str], *, good: bool
    ) -> None:
        attempt = Attempt(role, what, str(program), outcome, good, tuple(sorted(names)), (self.suspect.object,))
        self.attempts.append(attempt)
        self.bench.progress(f"{role}: {what} {len(attempt.symbols)} names: {outcome.text}")


RENAME = "enter these under other names"
APART = "look for the registry under another name"
OPENED = "load the one file first, with every entry renamed but"
