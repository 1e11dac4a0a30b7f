"""Features of random programs: names that some of them have, with what is done to them."""

from __future__ import annotations

from typing import Final

Grammar = dict[str, list[str]]


class Feature:
    """Names that some programs have: the lines that define them, and more alternatives."""

    def __init__(self, lines: str, **grammar: list[str]) -> None:
        self.lines = lines.strip("\n").splitlines()
        self.grammar = grammar


FEATURES: Final = [
    Feature("items = [x, m]", atom=["items[0]"], scalar=["items[0].sum()"], number=["len(items)"],
            simple=["items[0] = <vector>", "items[1] = <number>", "items[0] -= 1"],
            last=["a, items"]),
    Feature("table = {'v': x, 'k': 0}", atom=["table['v']"],
            python=["table['k'] > 0", "'w' in table"],
            number=["(table['k'] + 1) % 3", "len(table)"],
            simple=["table['k'] = <number>", "table['v'] = <vector>", "table['k'] += 1",
                    "table['v'] += <operand>", "table.update(k=<number>)"],
            last=["table, flag, b"]),
    Feature("pair = x, m", atom=["pair[0]"], number=["pair[1]"],
            simple=["pair = <vector>, <number>", "<V>, m = pair", "pair = pair[0], n"],
            result=["pair, s"]),
    Feature("box = Box(x)", atom=["box.v", "box.grown(<V>)"], number=["box.k"],
            python=["box.k > 1"],
            simple=["box.v = <vector>", "box.k = <number>", "box.k += 1", "box.v -= <operand>"],
            last=["a, box.v, box.k"]),
    Feature("rows = [x]", atom=["rows[0]", "rows[-1]"], number=["len(rows)"],
            simple=[*2 * ["rows.append(<vector>)"], "rows.append(<atom>)", "rows[0] = <vector>",
                    "<V> = rows.pop() if len(rows) > 1 else x", "rows[-1] = <atom>"],
            loop=["<i>, k in enumerate(list(rows))"],
            last=["rows, a", "len(rows), b", "paddle.stack(rows).sum(0)"]),
    Feature("counts = []", number=["len(counts)", "(counts[-1] if counts else 2)"],
            python=["len(counts) > 1"], last=["counts, m"],
            simple=["counts.append(<number>)", "counts.append(m)", "counts = []",
                    "m = counts.pop() if len(counts) > 0 else n"]),
    Feature("if <condition>:\n    d = <vector>", vector=["d + 0", "d - <operand>"],
            simple=["d = <vector>", "d = <vector>"], result=["a, d"]),
    # An op of an int and a float tensor has the dtype of the left one, so they do not meet.
    Feature("e, u = paddle.to_tensor([2, -1]), paddle.to_tensor(3)",
            atom=["(e.astype('float32') + x)"],
            simple=["e = e + 1", "e = e * 2 % 7", "e = <vector>", "u = u + 1", "u = u // 2",
                    "u = <scalar>", "e = (x > 0).astype('int64')", "u = m"],
            scalar=["e.astype('float32').sum()", "paddle.to_tensor(0.5) + u"],
            tensor=["u <compare> 2"], result=["e, s", "u, a"]),
    Feature("a, b = x + 0, x * 2",
            simple=["<V>[0] = <scalar>", "<V>[1:] = <small>", "<V>[m % 2] += 1", "<V>[:1] -= x[:1]",
                    "<V>[0], <V>[1] = t, s", "<V>[<V> > 1] = 0.5"]),
    Feature("""
def bump(v):
    nonlocal n, s
    if v.sum() > n:
        n = (n + 1) % 4
        return v + n
    s = s - 1
    return v""", atom=["bump(<V>)"], vector=["bump(<atom>)"]),
    Feature("""
def again(v, k):
    if k <= 0:
        return v
    if v.sum() > k:
        v = v - 1
    return again(v + k, k - 1)""", vector=["again(<V>, 2)", "again(<atom>, 1)"]),
    Feature("near = lambda v: v - s if v.sum() > s else v + m", vector=["near(<atom>)"],
            simple=["near = lambda v: v * 2"]),
    Feature("", simple=["assert <tensor>", "assert s < 90, 'large'"]),
    Feature("""
a, b = x + 0, x * 2
c = a""", atom=["c"], python=["c is a", "c is b", "a is not b"], last=["a, b, c"],
            simple=["c = <V>", "<V> = c", "c[0] += 1", "<V>[1] = <small>", "c = <vector>",
                    "<V>.add_(x)", "c.scale_(0.5)", "c[:1] = <V>[1:]"]),
    Feature("""
a, b = x + 0, x * 2
p = a[:1]""", scalar=["p.sum()", "p[0]"], last=["a, b, p"],
            simple=["p[0] = <scalar>", "p = <V>[1:]", "p = p + 1", "<V>[0] += 1"]),
    Feature(
        """
grid = paddle.stack([x, x * 2])
line = grid[0]""",
        atom=["line", "grid[1]", "grid[m % 2]", "grid.sum(0)"], last=["grid, line, m"],
        simple=["line = grid[1]", "grid[0] = <vector>", "line[0] = 2", "grid = grid * 0.5",
                "grid[m % 2] += 1", "grid[:, 0] = <vector>", "line = <vector>",
                "grid[0, 1] = <scalar>"],
    ),
    Feature("rows = [x, a]", atom=["rows[-1]", "sum(rows)"],
            tensor=["any(q.sum() > 2 for q in rows)", "all([q.sum() < 3 for q in rows])"],
            simple=["rows = [q + 1 for q in rows]", "rows[0] = <vector>", "rows[1] *= 2",
                    "rows = [q * 2 if q.sum() > s else q for q in rows]"],
            number=["sum([1 for q in [1, 2, 3] if q > m])"], last=["rows, n"]),
    Feature("", simple=["if <condition>:\n    raise ValueError('no')"]),
    Feature("""
def pick(v, *rest, k=1, **more):
    if k > 1 and v.sum() > more.get('low', 0):
        return rest[0]
    return v * k""", vector=["pick(<atom>, <atom>)", "pick(<atom>, <atom>, k=<number>)",
                             "pick(*[a, b], low=<small>)"]),
    Feature("kind = 'p'", python=["kind == 'q'", "kind in ('p', 'pr')", "kind.startswith('p')"],
            simple=["kind = 'q' if <condition> else 'p'", "kind = kind[:1]", "kind = 'pr'"],
            last=["len(kind), a"]),
    Feature("""
class Sum:
    total = 0
    @property
    def half(self):
        return self.total / 2
    def __call__(self, v):
        if v.sum() > self.total:
            self.total = v.sum()
            return v
        self.total = self.total + 1
        return v - 1
add = Sum()""", vector=["add(<atom>)"], scalar=["add.half + s", "add.total + t"],
            simple=["add.total = <scalar>", "add.total = 0"], last=["a, add.total + s"]),
    Feature("""
def steps(v, k):
    for j in range(k):
        if v.sum() > j:
            yield v + j
        else:
            yield v""", vector=["sum(steps(<atom>, 3))"],
            simple=["for q in steps(<atom>, 2):\n    <V> = q + <V>", "made = list(steps(<V>, 2))"]),
    Feature("", simple=["while True:\n    s = s + 1\n    if s > 4:\n        break",
                        "<V> = paddle.where(<V> > <small>, a, b)", "a, *_ = b, 1, 2",
                        "<S> = <V>.max() if <condition> else <V>.min()", "<S> = float(<S>) + 1",
                        "(a, b), s = (<vector>, <atom>), <scalar>", "<S> = int(<S>)",
                        "with paddle.no_grad():\n    <V> = <vector>", "<S> = min(s, t)"]),
    Feature("", simple=["""match n:
    case 0:
        <V> = <vector>
    case k if <condition>:
        <S> = <scalar>
    case _:
        n = 0"""]),
    Feature("book = {'y': x, 'z': b, 2: m}", atom=["book['z']", "book.get('u', x)"],
            python=["n in book"], number=["len(book) % 3", "book[2]"], last=["book, a"],
            simple=["book['z'] = <vector>", "book[2] = <number>", "book = {**book, 'y': <V>}",
                    "book.setdefault('z', x)", "for key, value in book.items():\n    n = n + 1",
                    "book = {key: a for key in book}"]),
    Feature("place = paddle.zeros([], 'int64')", tensor=["place < 2"], last=["place, a"],
            simple=["place = place + 1", "place = paddle.argmax(<V>)", "<S> = <V>[place % 2]",
                    "<V>[place % 2] = <scalar>", "<V> = <V>[place % 2] + x"]),
    Feature("notes = {'a': x}", atom=["notes.get('b', x)", "notes['a']", "notes.get('c', b)"],
            number=["len(notes)"], python=["'b' in notes", "'c' not in notes", "len(notes) > 1"],
            simple=["notes['b'] = <vector>", "notes['c'] = <vector>", "notes.setdefault('c', x)",
                    "<V> = notes.pop('b', x)", "notes = {'a': <vector>}", "<V> = notes['b']",
                    "notes.update(c=<atom>)"],
            last=["notes, s", "len(notes), a"]),
    # Lists, dicts and objects that are one of two.
    Feature("""
left, right = [x], [x * 2]
one = left""", atom=["one[0]", "left[-1]", "right[0]"], number=["len(one)", "len(left) % 3"],
            python=["one is left", "one is not right", "len(one) > 1"],
            simple=["one = left if <condition> else right", "one = right", "one = left",
                    "one.append(<vector>)", "left.append(<atom>)", "one[0] = <vector>",
                    "one[-1] -= <operand>", "one = [<vector>]", "left, right = right, left",
                    "<V> = one.pop() if len(one) > 1 else x", "one += [<atom>]",
                    "one.extend([<atom>, x])", "for q in one:\n    s = s + q.sum()"],
            last=["left, right, one", "left, one is left, a", "sum(one), right, left"]),
    Feature("""
d1, d2 = {'v': x, 'k': 0}, {'v': b, 'k': 1}
pick = d1""", atom=["pick['v']", "d1['v']", "d2.get('v')"], number=["pick['k'] % 3", "len(pick)"],
            python=["pick is d1", "'v' in pick", "d2['k'] > 1"],
            simple=["pick = d1 if <condition> else d2", "pick = d2", "pick['v'] = <vector>",
                    "pick['k'] += 1", "pick.update(k=<number>)", "d1['k'] = <number>",
                    "pick = {'v': <vector>, 'k': <number>}", "d1, d2 = d2, d1",
                    "maybe = pick if <condition> else None\nif maybe is not None:\n"
                    "    maybe['k'] = <number>",
                    "for k, v in pick.items():\n    s = s + v.sum() if k == 'v' else s"],
            last=["d1, d2, pick", "d1, pick is d2"]),
    Feature("""
p1, p2 = Box(x), Box(x * 2)
who = p1""", atom=["who.v", "p1.v", "who.grown(<V>)"], number=["who.k % 3"],
            python=["who is p1", "p2.k > 0"],
            simple=["who = p1 if <condition> else p2", "who = p2", "who.v = <vector>",
                    "who.k += 1", "p1.k = <number>", "who.v -= <operand>", "p1, p2 = p2, p1"],
            last=["p1.v, p1.k, p2.v, p2.k, who.v", "who is p2, p1.v"]),
    Feature("""
left, right = [x], [x * 2]
halves = [left, right]
top = halves[0]""", atom=["halves[0][0]", "halves[m % 2][-1]", "top[0]"], number=["len(halves[0])"],
            python=["halves[0] is left", "top is halves[1]"],
            simple=["halves[0] = right", "halves[0], halves[1] = halves[1], halves[0]",
                    "halves = [left, left]",
                    "halves[0].append(<vector>)", "halves[1][0] = <vector>", "top = halves[1]",
                    "for r in halves:\n    r[0] = r[0] + <small>", "top.append(<atom>)",
                    "top[0] = <vector>", "halves[1] = [<vector>]"],
            last=["halves, left, right", "top, halves, left"]),
]  # fmt: skip
