"""Cases for volumes, patches, grids, rearranged channels, and for losses and weights in use."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import bools, case, ints, positive


def unit(*shape: int) -> np.ndarray:
    return np.random.RandomState(5).uniform(-1.6, 1.6, shape).astype("float32")


def _volumes() -> None:
    x, w, b = (2, 4, 5, 6, 7), (6, 2, 3, 2, 3), (6,)
    for i, options in enumerate([
        {}, {"stride": 2, "padding": 1}, {"padding": [1, 0, 2], "dilation": [2, 1, 1]},
        {"padding": "SAME", "stride": [1, 2, 2]}, {"padding": "VALID"},
        {"padding": [1, 2, 0, 1, 1, 0]},
    ]):  # fmt: skip
        case(f"F.conv3d_{i}", lambda p, x, w, b, o=options: p.nn.functional.conv3d(
            x, w, b, groups=2, **o), x, w, b)  # fmt: skip
    case("F.conv3d_last", lambda p, x, w: p.nn.functional.conv3d(
        x, w, padding=[[0, 0], [1, 2], [0, 1], [1, 1], [0, 0]], data_format="NDHWC"),
        (2, 3, 4, 3, 4), (2, 4, 3, 2, 3))  # fmt: skip
    x, w = (2, 4, 3, 4, 5), (4, 3, 3, 2, 3)
    for i, options in enumerate([
        {}, {"stride": 2, "padding": 1}, {"padding": [1, 0, 2], "dilation": [2, 1, 1]},
        {"stride": 2, "output_padding": 1}, {"stride": 2, "output_size": [8, 9, 12]},
        {"padding": [1, 2, 0, 1, 1, 0]},
    ]):  # fmt: skip
        case(f"F.conv3d_transpose_{i}", lambda p, x, w, b, o=options:
             p.nn.functional.conv3d_transpose(x, w, b, groups=2, **o), x, w, b)  # fmt: skip
    case("F.conv3d_transpose_same", lambda p, x, w: p.nn.functional.conv3d_transpose(
        x, w, padding="SAME"), x, w)  # fmt: skip
    case("F.conv3d_transpose_last", lambda p, x, w: p.nn.functional.conv3d_transpose(
        x, w, stride=2, data_format="NDHWC"), (2, 3, 4, 5, 4), w)  # fmt: skip


def _pools() -> None:
    x = (2, 3, 5, 6, 7)
    for i, options in enumerate([
        {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": [2, 3, 2], "stride": [1, 2, 2], "padding": [1, 1, 0], "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": "SAME"},
        {"kernel_size": 3, "stride": 2, "padding": "VALID"},
    ]):  # fmt: skip
        case(f"F.max_pool3d_{i}", lambda p, x, o=options: p.nn.functional.max_pool3d(x, **o), x)
        case(f"F.avg_pool3d_{i}", lambda p, x, o=options: p.nn.functional.avg_pool3d(x, **o), x)
    case("F.avg_pool3d_counts", lambda p, x: [
        p.nn.functional.avg_pool3d(x, 3, 2, 1, exclusive=False),
        p.nn.functional.avg_pool3d(x, 2, divisor_override=3)], x)  # fmt: skip
    case("F.max_pool3d_mask", lambda p, x: [
        *p.nn.functional.max_pool3d(x, 2, return_mask=True),
        *p.nn.functional.max_pool3d(x, 3, 2, 1, return_mask=True)], x, grad=False)  # fmt: skip
    case("F.pools3d_last", lambda p, x: [
        p.nn.functional.avg_pool3d(x, 2, data_format="NDHWC"),
        p.nn.functional.max_pool3d(x, 2, data_format="NDHWC"),
        p.nn.functional.adaptive_avg_pool3d(x, [2, 3, 4], data_format="NDHWC")],
        (2, 5, 6, 7, 3))  # fmt: skip
    case("F.adaptive_pools3d", lambda p, x: [
        p.nn.functional.adaptive_avg_pool3d(x, 2),
        p.nn.functional.adaptive_avg_pool3d(x, [2, 3, None]),
        p.nn.functional.adaptive_max_pool3d(x, [2, 3, 4])], x)  # fmt: skip
    case("F.adaptive_max_pool3d_mask", lambda p, x: p.nn.functional.adaptive_max_pool3d(
        x, [2, 3, 4], return_mask=True), x, grad=False)  # fmt: skip


def _grids() -> None:
    for align in (True, False):
        case(f"F.affine_grid_{align}", lambda p, t, a=align: p.nn.functional.affine_grid(
            t, [2, 3, 4, 5], align_corners=a), (2, 2, 3))  # fmt: skip
        case(f"F.affine_grid_3d_{align}", lambda p, t, a=align: p.nn.functional.affine_grid(
            t, [2, 3, 4, 5, 2], align_corners=a), (2, 3, 4))  # fmt: skip
        for mode in ("bilinear", "nearest"):
            for padding in ("zeros", "border", "reflection"):
                name = f"F.grid_sample_{mode}_{padding}_{align}"
                # Of "nearest" wherry gives the grid no gradient, Paddle zeros.
                case(name, lambda p, x, g, o=(mode, padding, align): p.nn.functional.grid_sample(
                    x, g, *o), (2, 3, 4, 5), unit(2, 3, 4, 2), grad=mode == "bilinear")  # fmt: skip
                case(name + "_3d", lambda p, x, g, o=(mode, padding, align):
                     p.nn.functional.grid_sample(x, g, *o), (2, 2, 4, 5, 3),
                     unit(2, 3, 4, 2, 3), grad=mode == "bilinear")  # fmt: skip


def _patches() -> None:
    for i, arguments in enumerate([(2,), ([2, 3], 2, 1), (3, 1, [1, 2]),
                                   (2, [2, 1], [1, 0, 2, 1], [1, 2])]):  # fmt: skip
        case(f"F.unfold_{i}", lambda p, x, a=arguments: p.nn.functional.unfold(x, *a),
             (2, 3, 5, 6))  # fmt: skip
    case("F.fold", lambda p, x: p.nn.functional.fold(x, [4, 5], 2), (2, 12, 12))
    case("F.fold_options", lambda p, x: p.nn.functional.fold(x, [5, 8], 2, [2, 2], [1, 0], 1),
         (2, 12, 12))  # fmt: skip


def _channels() -> None:
    case("F.pixel_unshuffle", lambda p, x: p.nn.functional.pixel_unshuffle(x, 2), (2, 3, 4, 6))
    case("F.pixel_unshuffle_last", lambda p, x: p.nn.functional.pixel_unshuffle(x, 2, "NHWC"),
         (2, 4, 6, 3))  # fmt: skip
    case("F.channel_shuffle", lambda p, x: [p.nn.functional.channel_shuffle(x, 3),
         p.nn.functional.channel_shuffle(x, 2)], (2, 6, 4, 3))  # fmt: skip
    case("F.channel_shuffle_last", lambda p, x: p.nn.functional.channel_shuffle(x, 3, "NHWC"),
         (2, 4, 3, 6))  # fmt: skip
    case("F.temporal_shift", lambda p, x: [p.nn.functional.temporal_shift(x, 3),
         p.nn.functional.temporal_shift(x, 2, 0.2)], (6, 8, 2, 3))  # fmt: skip
    case("F.temporal_shift_last", lambda p, x: p.nn.functional.temporal_shift(
        x, 3, 0.3, None, "NHWC"), (6, 2, 3, 8))  # fmt: skip
    rng = np.random.RandomState(3)
    case("F.gather_tree", lambda p, ids, parents: p.nn.functional.gather_tree(ids, parents),
         rng.randint(0, 9, (5, 3, 4)), rng.randint(0, 4, (5, 3, 4)))  # fmt: skip
    case("F.diag_embed", lambda p, x: [
        p.nn.functional.diag_embed(x), p.nn.functional.diag_embed(x, 1),
        p.nn.functional.diag_embed(x, -2, 0, 2), p.nn.functional.diag_embed(x, 1, 2, 0),
        p.nn.functional.diag_embed(x, 0, 1, 2)], (2, 3), grad=False)  # fmt: skip


def _loss(name: str, *specs: Any, options: tuple[dict[str, Any], ...] = ({},)) -> None:
    case(f"F.{name}", lambda p, *xs: [getattr(p.nn.functional, name)(*xs, **o) for o in options],
         *specs)  # fmt: skip


def _losses() -> None:
    labels = bools([1, 0, 1, 1, 0], [0, 0, 1, 0, 1]).astype("float32")
    x = (2, 5)
    _loss("dice_loss", positive(2, 3, 4), ints([[0], [2], [3]], [[1], [1], [0]]),
          options=({}, {"epsilon": 0.1}))  # fmt: skip
    _loss("sigmoid_focal_loss", x, labels, options=(
        {}, {"alpha": 0.3, "gamma": 1.5, "reduction": "mean"}, {"reduction": "none"}))  # fmt: skip
    case("F.sigmoid_focal_loss_normalized", lambda p, x, y, n: p.nn.functional.sigmoid_focal_loss(
        x, y, n), x, labels, np.float32([3.0]))  # fmt: skip
    _loss("npair_loss", (4, 5), (4, 5), ints(0, 1, 0, 2), options=({}, {"l2_reg": 0.1}))
    margins = ({}, {"margin": 0.1, "reduction": "none"}, {"margin": -0.4, "reduction": "sum"})
    _loss("cosine_embedding_loss", (4, 5), (4, 5), ints(1, -1, 1, -1), options=margins)
    others = {"margin": 0.5, "p": 3, "epsilon": 1e-5, "swap": True, "reduction": "none"}
    _loss("triplet_margin_loss", (4, 5), (4, 5), (4, 5), options=({}, others))
    _loss("triplet_margin_with_distance_loss", (4, 5), (4, 5), (4, 5),
          options=({"swap": True, "reduction": "sum"},))  # fmt: skip
    _loss("multi_label_soft_margin_loss", x, labels, options=({}, {"reduction": "none"}))
    _loss("multi_margin_loss", (4, 5), ints(0, 3, 2, 4),
          options=({}, {"p": 2, "margin": 0.7, "reduction": "none"}))  # fmt: skip
    case("F.multi_margin_loss_weighed", lambda p, x, y, w: p.nn.functional.multi_margin_loss(
        x, y, 2, 0.5, w), (4, 5), ints(0, 3, 2, 4), positive(5), grad=False)  # fmt: skip
    _loss("poisson_nll_loss", (4, 5), 3 * positive(4, 5),
          options=({}, {"full": True, "reduction": "none"}))  # fmt: skip
    # Paddle gives the variance no gradient.
    case("F.gaussian_nll_loss", lambda p, x, y, v: [p.nn.functional.gaussian_nll_loss(
        x, y, v.detach()), p.nn.functional.gaussian_nll_loss(
        x, y, v.detach(), True, 0.5, "none")], x, x, positive(2, 5))  # fmt: skip


def _unpooled(p: Any, x: Any, axes: int, **options: Any) -> Any:
    f = p.nn.functional
    out, at = getattr(f, f"max_pool{axes}d")(x, 2, return_mask=True)
    return getattr(f, f"max_unpool{axes}d")(out, at, 2, **options)


def _unpools() -> None:
    case("F.max_unpool1d", lambda p, x: _unpooled(p, x, 1), (2, 3, 6))
    case("F.max_unpool2d", lambda p, x: _unpooled(p, x, 2), (2, 3, 4, 6))
    case("F.max_unpool2d_size", lambda p, x: _unpooled(p, x, 2, output_size=[5, 7]), (2, 1, 5, 7))
    case("F.max_unpool3d", lambda p, x: _unpooled(p, x, 3), (1, 2, 4, 2, 4))


def _weight_normed(p: Any, x: Any, dim: Any) -> list[Any]:
    net = p.nn.Linear(3, 4)
    net.weight.set_value(np.cos(np.arange(12, dtype="float32")).reshape(3, 4))
    p.nn.utils.weight_norm(net, dim=dim)
    out = net(x)
    out.sum().backward()
    x.clear_gradient()
    return [net(x), net.weight_g, net.weight_v.grad, net.weight_g.grad]


def _spectral_normed(p: Any, x: Any) -> list[Any]:
    net = p.nn.Linear(3, 4)
    net.weight.set_value(np.cos(np.arange(12, dtype="float32")).reshape(3, 4))
    p.nn.utils.spectral_norm(net)
    net.weight_u.set_value(np.sin(np.arange(4, dtype="float32")))
    net.weight_v.set_value(np.sin(np.arange(3, dtype="float32")))
    return [net(x), net.weight_u, net.weight_v, net(x)]


def _weights() -> None:
    for dim in (0, 1, None):
        case(f"nn.utils.weight_norm_{dim}", lambda p, x, d=dim: _weight_normed(p, x, d)[:1] + [
            one.detach() for one in _weight_normed(p, x, d)[1:]], (2, 3), grad=False)  # fmt: skip
    case("nn.utils.spectral_norm", _spectral_normed, (2, 3), grad=False)


for _family in (_volumes, _pools, _grids, _patches, _channels, _losses, _unpools, _weights):
    _family()
