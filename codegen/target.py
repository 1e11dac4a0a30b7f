"""The machines that code is generated for, and LLVM's optimizer and emitter for them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from wherry.schema.errors import TargetError

from .machine import Machine, machine_of

# LLVM would use half of an AVX-512 register only.
_WHOLE_VECTORS = "-prefer-256-bit"
# The name of an ISA level -> LLVM's triple, cpu and features.
_LEVELS = {
    "x86-64-v2": ("x86_64-unknown-linux-gnu", "x86-64-v2", ""),
    "x86-64-v3": ("x86_64-unknown-linux-gnu", "x86-64-v3", ""),
    "x86-64-v4": ("x86_64-unknown-linux-gnu", "x86-64-v4", _WHOLE_VECTORS),
    "aarch64": ("aarch64-unknown-linux-gnu", "generic", ""),
}


@dataclass(frozen=True)
class Target:
    """A kind of machine: `Target.named("x86-64-v3")`, or `Target.host()`, this one."""

    name: str
    triple: str
    cpu: str
    features: str = ""

    @staticmethod
    def named(name: str) -> Target:
        """One of the ISA levels. Raises TargetError for a name that is none."""
        if name not in _LEVELS:
            raise TargetError(f"no target {name!r}; there are {', '.join(_LEVELS)} and 'host'")
        return Target(name, *_LEVELS[name])

    @staticmethod
    @cache
    def host() -> Target:
        """This machine, with all features that it has."""
        _initialize()
        features = llvm.get_host_cpu_features().flatten()
        if "+avx512vl" in features.split(","):
            features += f",{_WHOLE_VECTORS}"
        return Target("host", llvm.get_process_triple(), llvm.get_host_cpu_name(), features)

    @property
    def architecture(self) -> str:
        """The processor's family, as LLVM names it."""
        return self.triple.partition("-")[0]

    @property
    def vectors(self) -> Machine:
        """What kernels must know of it."""
        return machine_of(self.name, self.features)

    @cache  # noqa: B019  (targets are few and immutable)
    def machine(self) -> Any:
        """LLVM's TargetMachine. Raises TargetError where this llvmlite cannot emit for it."""
        _initialize()
        try:
            found = llvm.Target.from_triple(self.triple)
        except RuntimeError as error:
            raise TargetError(f"LLVM cannot emit code for {self.name}: {error}") from error
        return found.create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, reloc="pic", codemodel="small"
        )


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def shows_code() -> bool:
    """Whether WHERRY_DEBUG asks to see LLVM IR or assembly."""
    return os.environ.get("WHERRY_DEBUG") in ("3", "4")


def emit_object(text: str, target: Target) -> bytes:
    """Optimized object code for a module's text. Shows IR and assembly as WHERRY_DEBUG asks.

    For another architecture it is made in a child process. Raises TargetError where LLVM fails.
    """
    if target.architecture == Target.host().architecture:
        return emit_here(text, target)
    from .cross import emit_across

    return emit_across(text, target)


def emit_here(text: str, target: Target) -> bytes:
    """Object code, made in this process."""
    machine, start = target.machine(), perf_counter()
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    _optimize(module, machine)
    shown = os.environ.get("WHERRY_DEBUG")
    if shown == "3":
        print(module, file=sys.stderr)
    if shown == "4":
        print(machine.emit_assembly(module), file=sys.stderr)
    code = bytes(machine.emit_object(module))
    if shown == "1":
        taken = (perf_counter() - start) * 1e3
        print(f"# {target.name}: {len(code)} bytes of code in {taken:.0f} ms", file=sys.stderr)
    return code


def _optimize(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    passes.run(module, builder)
    # Its own `close` frees nothing, as the `_dispose` that it inherits first is empty: 200 KB would
    # stay behind for each module.
    NewPassManager._dispose(passes)
    passes.detach()
