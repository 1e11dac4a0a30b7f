"""Places and devices. wherry runs on the CPU only; asking for another device is refused by name."""

from __future__ import annotations

from collections.abc import Callable


class CPUPlace:
    """The CPU. All CPUPlaces are equal."""

    def __repr__(self) -> str:
        return "Place(cpu)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CPUPlace)

    def __hash__(self) -> int:
        return hash(CPUPlace)

    def is_cpu_place(self) -> bool:
        return True

    def is_gpu_place(self) -> bool:
        return False


_PLACE = CPUPlace()


def expected_place() -> CPUPlace:
    """The place of every Tensor."""
    return _PLACE


def set_device(device: str | CPUPlace) -> CPUPlace:
    """Choose the device: only "cpu" exists. Raises ValueError for any other."""
    if isinstance(device, CPUPlace) or str(device).lower() == "cpu":
        return _PLACE
    raise ValueError(f"wherry computes on the CPU only: set_device needs 'cpu', got {device!r}")


def get_device() -> str:
    """The name of the current device: "cpu"."""
    return "cpu"


def is_compiled_with_cuda() -> bool:
    """False: wherry has no GPU code."""
    return False


def _without(what: str) -> Callable[..., bool]:
    def function(*arguments: str) -> bool:
        return False

    function.__name__ = function.__qualname__ = f"is_compiled_with_{what}"
    function.__doc__ = f"False: wherry has no code for {what}."
    return function


is_compiled_with_xpu, is_compiled_with_rocm = _without("xpu"), _without("rocm")
is_compiled_with_ipu, is_compiled_with_cinn = _without("ipu"), _without("cinn")
is_compiled_with_distribute = _without("distribute")
is_compiled_with_custom_device = _without("custom_device")


def get_all_device_type() -> list[str]:
    """The kinds of devices: the CPU."""
    return ["cpu"]


get_available_device = get_all_device_type


def get_cudnn_version() -> None:
    """None: there is no cuDNN."""


def synchronize(device: str | CPUPlace | None = None) -> None:
    """Wait for what was begun: everything is done when a call returns."""
