"""global-scope: RTLD_GLOBAL, and what it does to those who come later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import Mode
from abiclash.rules import global_scope
from abiclash.rules.model import Audience, Severity
from tests.rules.harness import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

FIRST = """
struct codec { int size, mode; };
void codec_open(struct codec *c) { c->size = 1; c->mode = 0; }
"""
SECOND = """
struct codec { int mode, size, flags; };
void codec_open(struct codec *c) { c->mode = 7; c->size = 2; c->flags = 3; }
int codec_read(struct codec *c) { return c->mode; }
int ask(void) { struct codec c; codec_open(&c); return codec_read(&c); }
"""


def global_codec(
    site: Site, *, first: str = FIRST, second: str = SECOND, mode: Mode = GLOBAL, flags: Sequence[str] = ()
) -> Site:
    """Build two releases of a codec; the first goes into the global scope."""
    site.library("alpha/liba.so", first, open_with=mode)
    site.library("beta/libb.so", second, flags=flags)
    return site


def test_found_another_release_serves(site: Site) -> None:
    global_codec(site)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [1]
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = global_scope.check(case)
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.USER)
    assert finding.symbols == ("codec_open",)
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert finding.evidence["counts"]["own"] == 1  # type: ignore[index]


def test_near_miss_equal_code(site: Site) -> None:
    """Two copies of one release: served by the other, and no worse for it."""
    global_codec(site, first=SECOND)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = global_scope.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)
    assert finding.failing_order is None


def test_near_miss_not_global(site: Site) -> None:
    global_codec(site, mode=Mode.NOW)
    assert list(global_scope.check(site.case())) == []


def test_near_miss_bound_within_itself(site: Site) -> None:
    global_codec(site, flags=["-Wl,-Bsymbolic"])
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = global_scope.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert [package.name for package in finding.packages] == ["alpha"]


GROW = "_ZNSt10_HashtableIiiSaIiEE9_M_rehashEmRKm"
TABLE = f"""
#include <stdlib.h>
struct table {{ void *buckets; void *single; }};
__attribute__((weak)) void grow(struct table *) __asm__("{GROW}");
"""
OLD = TABLE + "void grow(struct table *t) { free(t->buckets); t->buckets = malloc(64); }"
NEW = (
    TABLE
    + """
void grow(struct table *t) { if (t->buckets != &t->single) free(t->buckets); t->buckets = malloc(64); }
int ask(void) { struct table t; t.buckets = &t.single; grow(&t); return 7; }
"""
)


def compiled_by(version: str, source: str) -> str:
    """Return the source with another compiler's name for .comment."""
    return f'{source}\n__asm__(".ident \\"GCC: (GNU) {version} 20150101\\"");\n'


def grown(site: Site, first: str, second: str) -> Site:
    """Build two libraries with code of a standard container, of two compilers."""
    flags = ["-fno-ident", "-nostartfiles"]
    site.library("alpha/liba.so", compiled_by(first, OLD), flags=flags, open_with=GLOBAL)
    site.library("beta/libb.so", compiled_by(second, NEW), flags=flags)
    return site


def test_found_is_an_error_where_a_standard_container_grew(site: Site) -> None:
    grown(site, "4.9.2", "5.4.0")
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).exit == -6
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = global_scope.check(site.case())
    assert finding.severity is Severity.ERROR
    assert finding.evidence["compilers"] == {"alpha/liba.so": "GCC 4", "beta/libb.so": "GCC 5"}
    assert "GCC 4" in finding.explanation


def test_found_is_an_error_where_tables_of_tables_shrank(site: Site) -> None:
    """Newer code steps over elements of older code; the start files' compiler is older than the provider's own."""
    nested = "_ZNSt10_HashtableIiSt4pairIKiSt13unordered_setIiEESaIiEE5clearEv"
    flags = ["-fno-ident", "-nostartfiles"]
    newer = compiled_by("4.8.5", compiled_by("7.3.1", OLD.replace(GROW, nested)))
    site.library("alpha/liba.so", newer, flags=flags, open_with=GLOBAL)
    site.library("beta/libb.so", compiled_by("4.8.2", NEW.replace(GROW, nested)), flags=flags)
    (finding,) = global_scope.check(site.case())
    assert finding.severity is Severity.ERROR
    assert finding.failing_order == ("alpha", "beta")
    assert "Where tables are the elements of a table" in finding.explanation


@pytest.mark.parametrize(("first", "second"), [("7.3.1", "4.8.2"), ("8.3.1", "14.2.1")])
def test_near_miss_containers_of_compilers_that_agree_or_shrank(site: Site, first: str, second: str) -> None:
    grown(site, first, second)
    (finding,) = global_scope.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.RESEARCHER)


def test_a_system_library_that_is_served_is_named_with_its_importer(site: Site) -> None:
    """Part of a family from the global scope, the rest from the system's library."""
    zip_all = " ".join(f"int zip_{n}(void) {{ return {n}; }}" for n in ["1", "2"])
    big = " ".join(f"log = {n};" for n in range(40))
    site.library(
        "libzip.so", f"static volatile int log; int zip_open(void) {{ {big} return 7; }} {zip_all}", system=True
    )
    site.library("alpha/liba.so", "int zip_open(void) { return 1; }", open_with=GLOBAL)
    user = "int zip_open(void); int zip_1(void); int ask(void) { return zip_open() + zip_1(); }"
    site.library("beta/libb.so", user, needs=["libzip.so"])
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [2]
    (finding,) = global_scope.check(site.case())
    assert finding.severity is Severity.WARNING
    assert finding.evidence["counts"]["foreign"] == 1  # type: ignore[index]
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
