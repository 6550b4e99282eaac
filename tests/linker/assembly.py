"""Shared objects from descriptions: assembly text, `as` and `ld`, for any architecture whose binutils are there.

No C library and no start files: an object holds what its description says and nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.support.require import missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Sort = Literal["function", "data", "tls", "unique", "ifunc"]
Use = Literal["word", "got", "call", "gd", "ie", "desc"]
"""How a reference is made: a word of data, a GOT entry, a call; TLS as general dynamic, initial exec, descriptor."""


@dataclass(frozen=True)
class Definition:
    """A symbol that an object defines. version: "V1"; default: `name@@V1`, else `name@V1`. size, align: of
    data, in bytes.
    """

    name: str
    sort: Sort = "function"
    bind: Literal["global", "weak"] = "global"
    visibility: Literal["default", "protected", "hidden"] = "default"
    version: str | None = None
    default: bool = True
    size: int = 8
    align: int = 8


@dataclass(frozen=True)
class Reference:
    """A use of a symbol, which the object itself may define. library: the one that verneed names, by default any."""

    name: str
    use: Use = "word"
    version: str | None = None
    weak: bool = False
    library: str | None = None


@dataclass(frozen=True)
class Object:
    """A shared object. file: where it lies, below the folder of its world. needed: names of libraries, in order.

    versions: those that it defines, used by a symbol or not. options: for ld, after all others.
    """

    file: str
    soname: str | None = None
    needed: tuple[str, ...] = ()
    definitions: tuple[Definition, ...] = ()
    references: tuple[Reference, ...] = ()
    versions: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    """An architecture. prefix: of its binutils. word: directive of an address. uses: one instruction each, or two.

    header: what every file begins with. assembler, linker: options that choose it. descriptors: options for ld where
    an object uses TLS descriptors.
    """

    name: str
    prefix: str
    uses: dict[Use, str]
    word: str = ".quad"
    word_size: int = 8
    header: str = ""
    assembler: tuple[str, ...] = ()
    linker: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()

    def has(self) -> bool:
        """Tell whether its tools are there."""
        return shutil.which(f"{self.prefix}as") is not None and shutil.which(f"{self.prefix}ld") is not None


X86_64 = Machine(
    "x86_64",
    "",
    {
        "got": "movq {}@GOTPCREL(%rip), %rax",
        "call": "call {}@PLT",
        "gd": "leaq {}@tlsgd(%rip), %rdi",
        "ie": "movq {}@gottpoff(%rip), %rax",
        "desc": "leaq {0}@tlsdesc(%rip), %rax; call *{0}@tlscall(%rax)",
    },
    assembler=("--64",),
    linker=("-m", "elf_x86_64"),
)


@dataclass
class Assembler:
    """Builds objects of one world into `folder`."""

    folder: Path
    machine: Machine = X86_64
    _stubs: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.machine.has():
            missing("compiler" if self.machine is X86_64 else "cross", f"needs {self.machine.prefix}as and ld")

    def build(self, thing: Object) -> Path:
        """Assemble and link one object; libraries it needs are stood for by stubs that define every version."""
        target = self.folder / thing.file
        target.parent.mkdir(parents=True, exist_ok=True)
        stubs = [self.stub(name, thing) for name in thing.needed]
        options = [f"--soname={thing.soname}"] if thing.soname is not None else []
        if thing.rpath is not None:
            options += ["--disable-new-dtags", "-rpath", thing.rpath]
        if thing.runpath is not None:
            options += ["--enable-new-dtags", "-rpath", thing.runpath]
        if any(reference.use == "desc" for reference in thing.references):
            options += self.machine.descriptors
        self._link(target, thing, [*options, "--no-as-needed", *map(str, stubs), *thing.options])
        return target

    def stub(self, name: str, user: Object) -> Path:
        """Return a library of soname `name` that defines what `user` asks for with a version, and nothing else."""
        wanted = sorted(
            {(r.name, r.version, r.use) for r in user.references if r.version is not None and r.library in (None, name)}
        )
        versions = sorted({version for _, version, _ in wanted})
        key = f"{name.replace('/', '-')}-{abs(hash(tuple(wanted))):x}"
        if key not in self._stubs:
            lines = [
                Definition(symbol, "tls" if use in ("gd", "ie", "desc") else "function", version=version, default=False)
                for symbol, version, use in {(s, v): (s, v, u) for s, v, u in wanted}.values()
            ]
            thing = Object("", definitions=tuple(lines), versions=tuple(versions))
            target = self.folder / "stubs" / key
            target.parent.mkdir(exist_ok=True)
            self._link(target, thing, [f"--soname={name}"])
            self._stubs[key] = target
        return self._stubs[key]

    def _link(self, target: Path, thing: Object, options: Sequence[str]) -> None:
        relocatable = target.with_name(target.name + ".o")
        command = [f"{self.machine.prefix}as", *self.machine.assembler, "-o", str(relocatable)]
        _run(command, text_of(thing, self.machine))
        script = target.with_name(target.name + ".map")
        if thing.versions:
            script.write_text("".join(_node(version, thing.definitions) for version in thing.versions))
            options = [*options, f"--version-script={script}"]
        linker = [f"{self.machine.prefix}ld", *self.machine.linker, "-shared", "-z", "noexecstack"]
        _run([*linker, "-o", str(target), str(relocatable), *options])
        relocatable.unlink()
        script.unlink(missing_ok=True)


def _run(command: Sequence[str], source: str | None = None) -> None:
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)}\n{done.stderr}\n{source or ''}"
        raise AssertionError(message)


def _node(version: str, definitions: Sequence[Definition]) -> str:
    """Return a node of a version script. A unique symbol gets its version there: .symver makes it an ordinary one."""
    names = [f"{d.name};" for d in definitions if d.sort == "unique" and d.version == version]
    return f"{version} {{ {' '.join(names)} }};\n"


def text_of(thing: Object, machine: Machine) -> str:
    """Return the assembly text of an object."""
    lines = [machine.header] if machine.header else []
    for place, definition in enumerate(thing.definitions):
        lines += _definition(definition, place, machine)
    lines.append(".text")
    for place, reference in enumerate(thing.references):
        lines += _reference(reference, place, machine)
    return "\n".join([*lines, '.section .note.GNU-stack,"",%progbits', ""])


def _definition(definition: Definition, place: int, machine: Machine) -> list[str]:
    name = definition.name
    plain = definition.version is None or definition.sort == "unique"
    label = name if plain else f"{name}__{place}"
    section, kind = {
        "function": (".text", "function"),
        "ifunc": (".text", "gnu_indirect_function"),
        "data": (".data", "object"),
        "unique": (".data", "gnu_unique_object"),
        "tls": ('.section .tdata,"awT",%progbits', "object"),
    }[definition.sort]
    lines = [section, f".balign {definition.align}", f".globl {label}"]
    if definition.bind == "weak":
        lines[-1] = f".weak {label}"
    if definition.sort == "tls":
        kind = "tls_object"
    lines.append(f".type {label}, %{kind}")
    if definition.visibility != "default":
        lines.append(f".{definition.visibility} {label}")
    lines += [f"{label}:", *_body(definition, machine), f".size {label}, . - {label}"]
    if not plain:
        at = "@@" if definition.default else "@"
        lines.append(f".symver {label}, {name}{at}{definition.version}, remove")
    return lines


def _body(definition: Definition, machine: Machine) -> list[str]:
    if definition.sort == "ifunc":
        return ["leaq 0(%rip), %rax", "ret"]
    if definition.sort == "function":
        return [".zero 8"]
    return [f".zero {definition.size}"]


def _reference(reference: Reference, place: int, machine: Machine) -> list[str]:
    name = reference.name
    lines = []
    if reference.version is not None:
        name = f"{reference.name}__use{place}"
        lines.append(f".symver {name}, {reference.name}@{reference.version}")
    if reference.weak:
        lines.append(f".weak {name}")
    if reference.use == "word":
        return [*lines, ".data", f".balign {machine.word_size}", f"{machine.word} {name}", ".text"]
    use = reference.use if reference.use in machine.uses else "gd"  # no TLS descriptors there
    return [*lines, machine.uses[use].format(name)]
