"""More features of random programs: what users write around tensors."""

from __future__ import annotations

from typing import Final

from program_features import Feature

MORE_FEATURES: Final = [
    Feature("""
class Scope:
    depth = 0
    def __enter__(self):
        self.depth += 1
        return self
    def __exit__(self, *error):
        self.depth -= 1
scope = Scope()""", number=["scope.depth"], scalar=["s + scope.depth"], last=["scope.depth, a, s"],
            simple=["with scope as q:\n    n = q.depth + n\n    <V> = <atom>",
            "with scope, scope:\n    if <condition>:\n        <S> = <scalar>"]),
    Feature("", simple=["<V>, *more = [<atom>, <atom>, x]", "[<V>, <S>] = [<vector>, <scalar>]",
            "<V>, (<S>, *_) = <atom>, (<scalar>, 1, 2)", "*_, <V> = x, a, b",
            "<V> = [*(a, b), x][m % 3]", "a = b = <vector>", "s, t = t, s", "m, n = n, m",
            "<V>, <S> = (a, s) if <condition> else (b, t)"]),
    Feature("", loop=["<i> in reversed(range(<range>))", "<i> in reversed([s, 1])",
            "k, <i> in enumerate(range(<range>), 1)", "<i>, k in zip(range(<range>), <atom>)",
            "<i> in range(m, 3)", "<i> in range(int(s > 0) + 1)", "<i> in reversed(<atom>)",
            "k, (<i>, _) in enumerate(zip(<atom>, [m, n]))", "<i> in (m, n, s)",
            "<i> in range(n, m, -1)", "<i> in sorted([2, 1])"]),
    Feature("", number=["int(flag)", "len(a)", "a.shape[0]", "b.ndim", "abs(n)", "min(m, n)",
            "-n % 3", "max(m, n, 1)", "m ** 2 % 5", "n // 2", "(m and n)", "(m or n)",
            "sum([m, n]) % 4", "divmod(m, 2)[1]", "n & 1", "int(m / 2)",
            "len({q % 2 for q in (1, 2, 3)})"], python=["bool(n)", "len(a) > m", "m in (0, 2)",
            "n not in [1, 3]", "m is n"], simple=["n //= 2", "m %= 3", "<S> /= 2", "n **= 2",
            "n = n % 3", "<S> = -<S>"]),
    Feature("", scalar=["a.astype('int64').sum().astype('float32')", "a.mean()", "float(a.max())",
            "(a > 0).astype('float32').sum()", "abs(s)", "s ** 2 % 7", "paddle.dot(a, b) % 7"],
            tensor=["bool(a[0] > 0)", "(a > b).any()", "(a > 0).all()", "paddle.any(a > <bound>)",
            "(a == b).all()", "x[0] <compare> m < 4", "s in (1, t)"]),
    Feature("", vector=["paddle.concat([<V>[1:], <V>[:1]])", "paddle.where(<V> > 0, <V>, b)",
            "<V>.reshape([1, 2]).squeeze(0)", "<V>.unsqueeze(0)[0]", "paddle.flip(<V>, 0)",
            "<V>.cumsum().clip(-9, 9)", "paddle.zeros_like(<V>) + m", "<V>.clone()",
            "paddle.to_tensor([1.0, 2.0]) + s", "-<V>", "<V>[::-1]", "<V>[[1, 0]]",
            "paddle.full([2], 0.5) + n", "<V>.tile([2])[:2]", "abs(<V>)",
            "<V>.expand([2, 2])[m % 2]"]),
    Feature("count = (x > 0).sum()", tensor=["count > <bound>", "count == 2"], last=["count, a"],
            scalar=["<V>[:count].sum()", "<V>[count - 1:].sum()", "x[count - 1]"],
            simple=["<V>[:count] = 0.5", "<V>[count:] += 1", "count = (count + 1) % 3",
            "count = (<V> > <small>).sum()", "<V>[count - 1] = <scalar>"]),
    Feature("""
class Bag:
    def __init__(self, *items):
        self.items = list(items)
    def __len__(self):
        return len(self.items)
    def __getitem__(self, k):
        return self.items[k]
    def __setitem__(self, k, v):
        self.items[k] = v
    def __iter__(self):
        return iter(self.items)
    def __contains__(self, v):
        return any(v is q for q in self.items)
bag = Bag(x, a)""", atom=["bag[0]", "bag[-1]"], number=["len(bag)"], python=["a in bag",
            "x in bag"], simple=["bag[1] = <vector>", "bag.items.append(<vector>)",
            "for q in bag:\n    <V> = <V> + q", "bag[0] += 1", "<V>, *_ = bag"],
            last=["bag.items, a", "len(bag), b"]),
    Feature("""
import collections
Two = collections.namedtuple('Two', 'v k')
two = Two(x, 0)""", atom=["two.v"], number=["two.k"], last=["tuple(two), a"],
            simple=["two = two._replace(v=<vector>)", "two = Two(<vector>, <number>)",
            "<V>, m = two", "two = Two(k=<number>, v=<atom>)"]),
    Feature("""
def twice(g):
    def run(*args, **more):
        return g(g(*args, **more))
    return run
@twice
def shifted(v):
    if v.sum() > s:
        return v - 1
    return v + m""", vector=["shifted(<atom>)"]),
    Feature("""
def counter(k=0):
    def step(v, by=1):
        nonlocal k
        if v.sum() > k:
            k += by
        return v + k
    return step
step = counter()""", vector=["step(<V>)", "step(<atom>, by=<number>)"]),
    Feature("""
class Base:
    scale = 2
    def apply(self, v):
        return v * self.scale
    @staticmethod
    def low(v):
        return v.min()
    @classmethod
    def made(cls, level):
        found = cls()
        found.level = level
        return found
class Child(Base):
    level = 0
    @property
    def up(self):
        return self.level + 1
    @up.setter
    def up(self, k):
        self.level = k
    def apply(self, v):
        if v.sum() > self.level:
            return super().apply(v) - 1
        return super().apply(v)
child = Child.made(m)""", vector=["child.apply(<atom>).clip(-9, 9)"], number=["child.up % 3"],
            scalar=["child.low(<V>)", "Base.low(<V>)"], last=["a, child.level, child.scale"],
            simple=["child.up = <number>", "child.scale = <factor>", "child.level += 1"]),
    Feature("ops = {'p': lambda v: v + 1, 'q': helper}", vector=["ops['p'](<atom>)"],
            simple=["ops['p'] = lambda v: v * 2", "ops = dict(ops)"]),
    Feature("crate = Box(x)", atom=["getattr(crate, 'v')", "crate.__dict__['v']", "crate.w",
            "getattr(crate, 'w', b)"], python=["hasattr(crate, 'w')"],
            simple=["setattr(crate, 'k', <number>)", "crate.w = <vector>", "del crate.w",
            "d = getattr(crate, 'w', None)"], last=["a, crate.v, crate.k"]),
    Feature("if <condition>:\n    d = <vector>", atom=["d"], result=["(a, [d])"],
            last=["(a, [d]), s"], simple=["o = d", "more = [a, d]", "d = <vector>", "del d",
            "more = {'d': d}"]),
    Feature("nest = [[x, m], {'v': [a]}]", atom=["nest[0][0]", "nest[1]['v'][-1]"],
            number=["nest[0][1]"], simple=["nest[0][0] = <vector>", "nest[1]['v'].append(<vector>)",
            "nest[0][1] += 1", "nest[1]['v'][0] -= 1", "nest[0] = [<atom>, <number>]",
            "nest[1] = {'v': [<atom>]}"], last=["nest, a"]),
    Feature("""
def moved(v, *parts, **named):
    total = v
    for part in parts:
        total = total + part
    for key, part in named.items():
        if key == 'less':
            total = total - part
    return total""", vector=["moved(<atom>, <small>)", "moved(*[a, b])",
            "moved(<atom>, less=<small>)", "moved(x, **{'less': s})"]),
    Feature("word = 'p'", python=["word == 'q'", "not word", "word < 'q'", "'p' in word"],
            number=["len(word)", "word.count('p')"], last=["len(word), a"],
            simple=["word = f'{word[:1]}q'", "word += 'p'", "word = word.replace('p', 'r')",
            "word = 'q' if <condition> else word", "word = word[::-1] or 'p'"]),
]  # fmt: skip
