"""What uv 0.13 says when it fails, and what of it is understood."""

from __future__ import annotations

import pytest

from abiclash.sources.uverrors import Cause, because, transport_detail, understand

FRAME = "error: No solution found when resolving dependencies\n  cause: Because "
END = ", we can conclude that your requirements are unsatisfiable.\n\nhint: something about numpy was not found\n"


NO_WHEEL_AT_ALL = f"""{FRAME}all of:
             numpy<=1.9.3
             numpy>=1.10.0.post2,<=1.10.2
             numpy>=1.10.4
          have no usable wheels and only the following versions of numpy are available:
             numpy<=1.9.3{END}"""

OTHER_MACHINE = (
    f"{FRAME}torch==2.0 has no `platform_machine == 's390x' and sys_platform == 'linux'`-compatible wheels{END}"
)

DEPENDENCY = f"""{FRAME}docopt==0.6.2 has no usable wheels and only docopt<=0.6.2 is available, we can conclude that docopt>=0.6.2 cannot be used.
         And because num2words==0.5.12 depends on docopt>=0.6.2 and you require num2words==0.5.12{END}"""  # noqa: E501

TOO_OLD = f"""{FRAME}the requested Python version (>=3.6) does not satisfy Python>=3.11 and numpy==2.4.6 depends on Python>=3.11{END}"""  # noqa: E501

BROKEN = """error: Failed to read `six @ file:///x/six-1.17.0-py3-none-any.whl`
  cause: Failed to extract archive
  cause: Invalid zip file structure
"""

REFUSED = ".\n\nhint: An index (https://me:pw@h/simple) returned a 403 Forbidden error.\n"

FETCH = "error: Failed to fetch: https://h/simple/a/\n  cause: error sending request for url (https://h/simple/a/)\n"


@pytest.mark.parametrize(
    ("message", "cause", "requirement"),
    [
        (f"{FRAME}no-x was not found in the package registry and you require no-x{END}", Cause.MISSING, "no-x"),
        (f"{FRAME}no-x was not found in the provided package locations{END}", Cause.MISSING, "no-x"),
        (f"{FRAME}there is no version of numpy==99 and you require numpy==99{END}", Cause.NO_VERSION, "numpy==99"),
        (f"{FRAME}numpy==1.10.0 has no wheels with a matching Python ABI tag{END}", Cause.NO_WHEEL, "numpy==1.10.0"),
        (f"{FRAME}all versions of docopt have no usable wheels{END}", Cause.NO_WHEEL, "docopt"),
        (NO_WHEEL_AT_ALL, Cause.NO_WHEEL, "numpy>=1.10.4"),
        (OTHER_MACHINE, Cause.NO_WHEEL, "torch==2.0"),
        (DEPENDENCY, Cause.NO_WHEEL, "docopt==0.6.2"),
        (TOO_OLD, Cause.PYTHON, "numpy==2.4.6"),
        (f"{FRAME}zope-x was not found in the cache and you require zope-x{END}", Cause.UNCACHED, "zope-x"),
        (BROKEN, Cause.UNREADABLE, "six"),
        ("error: Failed to download `a-b @ https://h:1/a_b-1-py3-none-any.whl`\n", Cause.UNREADABLE, "a-b"),
        (f"{FRAME}scipy==1.17.0 depends on numpy>=1.26,<2.7 and you require numpy<1.20{END}", Cause.CONFLICT, ""),
        (f"{FETCH}  cause: client error (Connect)\n  cause: dns error\n", Cause.NETWORK, ""),
        (f"{FETCH}  cause: invalid peer certificate: UnknownIssuer\n", Cause.CERTIFICATE, ""),
        (f"{FETCH}  cause: HTTP status client error (401 Unauthorized) for url\n", Cause.CREDENTIALS, ""),
        (f"{FRAME}no-x was not found in the package registry{REFUSED}", Cause.CREDENTIALS, "no-x"),
        (f"{FRAME}zope.proxy<403 and you require zope.proxy>=403 Fixed{END}", Cause.CONFLICT, ""),
        ("error: something new\n", Cause.OTHER, ""),
    ],
)
def test_causes(message: str, cause: Cause, requirement: str) -> None:
    failure = understand("warning: The requested Python version 3.7 is not available\n" + message)
    assert (failure.cause, failure.requirement) == (cause, requirement)
    assert requirement.startswith(failure.name)
    assert failure.of_one_project == bool(requirement)


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
