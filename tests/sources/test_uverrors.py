"""What uv 0.13 says when it fails, and what of it is understood."""

from __future__ import annotations

import pytest

from abiclash.sources.uverrors import Cause, because, transport_detail, understand

FRAME = "error: No solution found when resolving dependencies\n  cause: Because "
END = ", we can conclude that your requirements are unsatisfiable.\n\nhint: something about numpy was not found\n"


@pytest.mark.parametrize(
    ("message", "cause", "name", "requirement"),
    [
        (
            f"{FRAME}nosuch-x was not found in the package registry and you require nosuch-x{END}",
            Cause.MISSING,
            "nosuch-x",
            "nosuch-x",
        ),
        (f"{FRAME}there is no version of numpy==99 and you require numpy==99{END}", Cause.NO_VERSION, "numpy", "numpy==99"),
        (
            f"{FRAME}numpy==1.10.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require numpy{END}",
            Cause.NO_WHEEL,
            "numpy",
            "numpy==1.10.0",
        ),
        (
            f"{FRAME}all versions of docopt have no usable wheels and you require docopt{END}",
            Cause.NO_WHEEL,
            "docopt",
            "docopt",
        ),
        (
            f"{FRAME}all of:\n    numpy<=1.9.3\n    numpy>=1.10.0.post2,<=1.10.2\n    numpy>=1.10.4\n"
            "  have no usable wheels and only the following versions of numpy are available:\n"
            f"    numpy<=1.9.3{END}",
            Cause.NO_WHEEL,
            "numpy",
            "numpy>=1.10.4",
        ),
        (
            f"{FRAME}torch==2.13.0 has no `platform_machine == 's390x' and sys_platform == 'linux'`-compatible wheels{END}",
            Cause.NO_WHEEL,
            "torch",
            "torch==2.13.0",
        ),
        (
            f"{FRAME}docopt==0.6.2 has no usable wheels and only docopt<=0.6.2 is available, we can conclude that"
            " docopt>=0.6.2 cannot be used.\n And because num2words==0.5.12 depends on docopt>=0.6.2 and you require"
            f" num2words==0.5.12{END}",
            Cause.NO_WHEEL,
            "docopt",
            "docopt==0.6.2",
        ),
        (
            f"{FRAME}the requested Python version (>=3.6) does not satisfy Python>=3.11 and numpy==2.4.6 depends on"
            f" Python>=3.11{END}",
            Cause.PYTHON,
            "numpy",
            "numpy==2.4.6",
        ),
        (f"{FRAME}zope-interface was not found in the cache and you require it{END}", Cause.UNCACHED, "zope-interface", None),
        (
            "error: Failed to read `six @ file:///x/six-1.17.0-py3-none-any.whl`\n  cause: Failed to extract archive\n"
            "  cause: Invalid zip file structure\n",
            Cause.UNREADABLE,
            "six",
            "six",
        ),
        (
            "error: Failed to download `demo @ https://h:1/demo-1-py3-none-any.whl`\n  cause: Connection refused\n",
            Cause.UNREADABLE,
            "demo",
            "demo",
        ),
        (
            f"{FRAME}scipy==1.17.0 depends on numpy>=1.26.4,<2.7 and you require numpy<1.20{END}",
            Cause.CONFLICT,
            "",
            "",
        ),
        (
            "error: Failed to fetch: https://h/simple/a/\n  cause: error sending request for url (https://h/simple/a/)\n"
            "  cause: client error (Connect)\n  cause: dns error\n",
            Cause.NETWORK,
            "",
            "",
        ),
        (
            "error: Failed to fetch: https://h/simple/a/\n  cause: error sending request\n"
            "  cause: invalid peer certificate: UnknownIssuer\n",
            Cause.CERTIFICATE,
            "",
            "",
        ),
        (
            "error: Failed to fetch: https://h/simple/a/\n  cause: HTTP status client error (401 Unauthorized) for url\n",
            Cause.CREDENTIALS,
            "",
            "",
        ),
        ("error: something new\n", Cause.OTHER, "", ""),
    ],
)
def test_causes(message: str, cause: Cause, name: str, requirement: str | None) -> None:
    failure = understand("warning: The requested Python version 3.7 is not available\n" + message)
    assert (failure.cause, failure.name) == (cause, name)
    assert requirement is None or failure.requirement == requirement
    assert failure.of_one_project == bool(name)


def test_credentials_are_dropped() -> None:
    text = understand("error: Failed to fetch: https://me:secret@host/simple/a/\n  cause: tcp connect error\n").text
    assert "secret" not in text
    assert transport_detail(text) == "https://host"


def test_an_explanation_without_its_frame() -> None:
    failure = understand(f"{FRAME}scipy==1.17.0 depends on numpy>=1.26.4,<2.7 and you require numpy<1.20{END}")
    assert because(failure.text) == "scipy==1.17.0 depends on numpy>=1.26.4,<2.7 and you require numpy<1.20"


def test_a_long_explanation_is_cut_at_a_word() -> None:
    text = because("x" * 10 + " word" * 100)
    assert len(text) < 310
    assert text.endswith("word ...")
