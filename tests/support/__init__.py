"""What tests of several rooms share: a compiler, real wheels, and wheels made of text."""

from tests.support.builder import Builder
from tests.support.wheelhouse import Wheelhouse
from tests.support.wheels import make_wheel

__all__ = ["Builder", "Wheelhouse", "make_wheel"]
