"""Attributes of the values in a module: of classes, instances, and modules with lazy attributes."""

from __future__ import annotations

from abiclash.imports.evaluate import Evaluator
from abiclash.imports.flags import RTLD
from abiclash.imports.paths import path_attribute
from abiclash.imports.values import (
    MISSING,
    UNKNOWN,
    Bound,
    Class,
    Frame,
    Function,
    Instance,
    Module,
    Native,
    Raised,
    Super,
    Thing,
    Value,
    Wrapped,
)
from abiclash.imports.versions import version_attribute

_PLAIN = (str, dict, list, tuple, set, frozenset)


class Attributes(Evaluator):
    """Attributes."""

    def module_attribute(self, module: Module, name: str) -> Value:
        """Return what a module itself has under a name: MISSING where it surely has not."""
        raise NotImplementedError

    def doubted(self, value: Value) -> bool:
        """Tell whether a value is a module that may not have been imported yet, as the running statement goes."""
        raise NotImplementedError

    def reached(self, value: Value) -> None:
        """Note that a module in sys.modules is imported again, maybe with less doubt than before."""
        raise NotImplementedError

    def attribute(self, base: Value, name: str, frame: Frame) -> Value:
        base = self.force(base)
        if name in RTLD and not isinstance(base, Module):
            return RTLD[name]
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(base, Module):
            return self.of_module(base, name, frame)
        if isinstance(base, Instance):
            return self.of_instance(base, name, frame)
        if isinstance(base, Class):
            return self.of_class(base, name)
        if isinstance(base, Thing):
            return self.of_thing(base, name)
        if isinstance(base, Super):
            return self._of_super(base, name)
        if isinstance(base, _PLAIN):
            return self.plain_method(base, name)
        if isinstance(base, Function) and name in ("__name__", "__module__"):
            return base.name if name == "__name__" else base.module.name
        if isinstance(base, Bound) and name == "__name__":
            return self.attribute(base.function, name, frame)
        return UNKNOWN

    def of_thing(self, thing: Thing, name: str) -> Value:
        """Return an attribute of a small object of the standard library."""
        if thing.kind == "path":
            return path_attribute(thing, name)
        if thing.kind == "version":
            return version_attribute(thing, name)
        return thing.vars.get(name, UNKNOWN)

    def of_module(self, module: Module, name: str, frame: Frame) -> Value:
        """Return module.name, through its `__getattr__` where it has one."""
        value = self.module_attribute(module, name)
        if value is not MISSING and not self.doubted(value):
            return value
        if value is MISSING and module.cls is not None:
            return self.of_instance(Instance(module.cls, module.vars), name, frame)
        getter = module.vars.get("__getattr__", MISSING)
        if getter is MISSING or name.startswith("__"):
            return UNKNOWN if value is MISSING else value
        return self.lazily(getter, [name], frame)

    def lazily(self, getter: Value, args: list[Value], frame: Frame) -> Value:
        """Call a `__getattr__`; an exception of it is the attribute's absence, which a reader cannot rely on."""
        self.catching.append(["AttributeError"])
        try:
            value = self.force(self.call(getter, args, {}, frame))
        except Raised as error:
            if error.kind in ("ImportError", "ModuleNotFoundError"):
                raise
            return UNKNOWN
        finally:
            self.catching.pop()
        self.reached(value)  # the call may not have been played again
        return value

    def lookup(self, cls: Class, name: str, depth: int = 0) -> Value:
        """Return a class attribute along its bases, depth first; MISSING where none has it."""
        value = cls.vars.get(name, MISSING)
        if value is not MISSING or depth > 20:
            return value
        for base in cls.bases:
            known = self.force(base)
            if isinstance(known, Class):
                value = self.lookup(known, name, depth + 1)
                if value is not MISSING:
                    return value
        return MISSING

    def of_class(self, cls: Class, name: str) -> Value:
        """Return cls.name."""
        if name == "__name__":
            return cls.name
        value = self.force(self.lookup(cls, name))
        if value is MISSING:
            return UNKNOWN
        if isinstance(value, Wrapped):
            return Bound(value.function, [cls]) if value.kind == "classmethod" else value.function
        return value

    def of_instance(self, instance: Instance, name: str, frame: Frame) -> Value:
        """Return instance.name: its own, its class's, or what `__getattr__` gives."""
        if instance.pending is not None:
            pending, instance.pending = instance.pending, None
            pending()
        if name == "__dict__":
            return instance.vars
        if name == "__class__":
            return instance.cls
        value = instance.vars.get(name, MISSING)
        if value is not MISSING:
            return value
        value = self.force(self.lookup(instance.cls, name))
        if isinstance(value, Function):
            return Bound(value, [instance])
        if isinstance(value, Wrapped):
            if value.kind == "staticmethod":
                return value.function
            if value.kind == "classmethod":
                return Bound(value.function, [instance.cls])
            return self.call(value.function, [instance], {}, frame)
        if value is not MISSING:
            return value
        getter = MISSING if name.startswith("__") or instance.opaque else self.lookup(instance.cls, "__getattr__")
        return UNKNOWN if getter is MISSING else self.lazily(getter, [instance, name], frame)

    def _of_super(self, base: Super, name: str) -> Value:
        for parent in base.cls.bases:
            known = self.force(parent)
            if isinstance(known, Class) and (value := self.force(self.lookup(known, name))) is not MISSING:
                function = value.function if isinstance(value, Wrapped) else value
                return Bound(function, [base.instance])
        if name == "__init__" and isinstance(base.instance, Instance):
            return Native("__init__", lambda _m, args, _k, _f: name_module(base.instance, args))
        return UNKNOWN


def name_module(instance: Instance, args: list[Value]) -> None:
    """What types.ModuleType.__init__ does: a class derived from it keeps its first argument as `__name__`."""
    if args and isinstance(args[0], str):
        instance.vars.setdefault("__name__", args[0])
