"""Other architectures: their binutils, and their own glibc, run by the kernel or by qemu.

Debian: apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-i686-linux-gnu libc6-dev-i386-cross
gcc-s390x-linux-gnu libc6-dev-s390x-cross gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross gcc-riscv64-linux-gnu
libc6-dev-riscv64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross (--no-install-recommends)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.sources.loader import generic_processor, read_loader
from tests.linker.assembly import Machine
from tests.linker.judge import DRIVER, Judge
from tests.support.require import missing

if TYPE_CHECKING:
    from abiclash.sources.host_profile import HostProfile
    from tests.support.builder import Builder


@dataclass(frozen=True)
class Target:
    """A machine with a C library. triple: of its compiler. loader: file name of ld.so. emulator: None for none."""

    machine: Machine
    triple: str
    loader: str
    emulator: str | None


def _machine(
    name: str, triple: str, word: str, size: int, header: str = "", descriptors: tuple[str, ...] = (), **uses: str
) -> Machine:
    return Machine(name, f"{triple}-", uses, word, size, header, descriptors=descriptors)  # type: ignore[arg-type] # names of uses


TARGETS = {
    target.machine.name: target
    for target in (
        Target(
            _machine(
                "aarch64",
                "aarch64-linux-gnu",
                ".xword",
                8,
                got="adrp x0, :got:{0}; ldr x0, [x0, #:got_lo12:{0}]",
                call="bl {}",
                gd="adrp x0, :tlsgd:{0}; add x0, x0, #:tlsgd_lo12:{0}",
                ie="adrp x1, :gottprel:{0}; ldr x0, [x1, #:gottprel_lo12:{0}]",
                desc="adrp x0, :tlsdesc:{0}; ldr x1, [x0, #:tlsdesc_lo12:{0}]; "
                "add x0, x0, #:tlsdesc_lo12:{0}; .tlsdesccall {0}; blr x1",
            ),
            "aarch64-linux-gnu",
            "ld-linux-aarch64.so.1",
            "qemu-aarch64",
        ),
        Target(
            _machine(
                "i686",
                "i686-linux-gnu",
                ".long",
                4,
                # GNU ld 2.40 writes DT_JMPREL for descriptors, but DT_PLTGOT only for calls: on an object without calls
                # ld.so crashes when it binds lazily (sysdeps/i386/dl-machine.h elf_machine_runtime_setup)
                descriptors=("-z", "now"),
                got="movl {}@GOT(%ebx), %eax",
                call="call {}@PLT",
                gd="leal {}@tlsgd(,%ebx,1), %eax",
                ie="movl {}@gotntpoff(%ebx), %eax",
                desc="leal {0}@tlsdesc(%ebx), %eax; call *{0}@tlscall(%eax)",
            ),
            "i686-linux-gnu",
            "ld-linux.so.2",
            None,
        ),
        Target(
            _machine(
                "s390x",
                "s390x-linux-gnu",
                ".quad",
                8,
                got="lgrl %r1, {}@GOTENT",
                call="brasl %r14, {}@PLT",
                gd='.section .tlsgd,"a"; .quad {}@TLSGD; .text',
                ie="larl %r1, {}@INDNTPOFF",
            ),
            "s390x-linux-gnu",
            "ld64.so.1",
            "qemu-s390x",
        ),
        Target(
            _machine(
                "ppc64le",
                "powerpc64le-linux-gnu",
                ".quad",
                8,
                ".abiversion 2",
                got="addis 3, 2, {0}@got@ha; ld 3, {0}@got@l(3)",
                call="bl {}; nop",
                gd="addis 3, 2, {0}@got@tlsgd@ha; addi 3, 3, {0}@got@tlsgd@l",
                ie="addis 3, 2, {0}@got@tprel@ha; ld 3, {0}@got@tprel@l(3)",
            ),
            "powerpc64le-linux-gnu",
            "ld64.so.2",
            "qemu-ppc64le",
        ),
        Target(
            _machine(
                "riscv64",
                "riscv64-linux-gnu",
                ".dword",
                8,
                ".option pic",
                got="la t0, {}",
                call="call {}@plt",
                gd="la.tls.gd a0, {}",
                ie="la.tls.ie a0, {}",
            ),
            "riscv64-linux-gnu",
            "ld-linux-riscv64-lp64d.so.1",
            "qemu-riscv64",
        ),
        Target(
            _machine(
                "armv7l",
                "arm-linux-gnueabihf",
                ".word",
                4,
                ".eabi_attribute 28, 1",  # hard float: ld.so passes over objects of the other kind
                got=".word {}(GOT_PREL)",
                call="bl {}(PLT)",
                gd=".word {}(tlsgd)",
                ie=".word {}(gottpoff)",
            ),
            "arm-linux-gnueabihf",
            "ld-linux-armhf.so.3",
            "qemu-arm",
        ),
    )
}


def judge_of(target: Target, folder: Path, builder: Builder, host: HostProfile) -> Judge:
    """Return an architecture's own ld.so as judge over loads from `folder`; the test skips without the tools."""
    root = Path("/usr", target.triple, "lib")
    compiler = f"{target.triple}-gcc"
    if shutil.which(compiler) is None or not (root / target.loader).exists():
        missing("cross", f"needs {compiler} and its C library: see {__name__}")
    if target.emulator is not None and shutil.which(target.emulator) is None:
        missing("cross", f"needs {target.emulator} (Debian's qemu-user)")
    flags = [f"-Wl,--dynamic-linker={root / target.loader}", f"-Wl,-rpath,{root}"]
    driver = builder.program("driver", DRIVER, compiler=compiler, flags=flags, into=folder / "bin")
    loader = read_loader((root / target.loader).read_bytes(), (root / "libc.so.6").read_bytes(), target.loader)
    name = target.machine.name
    own = replace(
        host,
        machine=name,
        libc_version=loader.version,
        lib=loader.lib,
        processor=generic_processor(name, loader.version),
        cache={},
        default_dirs=loader.system_dirs,
    )
    return Judge(own, driver, folder, target.emulator)
