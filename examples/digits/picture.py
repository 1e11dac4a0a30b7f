"""A picture of what the network says of held-back digits."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLUMNS, ROWS, CELL, CAPTION = 12, 8, 80, 16
RIGHT, WRONG = (40, 120, 40), (200, 30, 30)


def draw_grid(path: Path, images: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
    """Write a PNG: each digit with the prediction and its probability; wrong ones first, in red.

    `images` float32 [N, 1, 8, 8], `labels` int64 [N], `scores` float32 [N, 10].
    """
    exponent = np.exp(scores - scores.max(1, keepdims=True))
    chances = exponent / exponent.sum(1, keepdims=True)
    guesses = chances.argmax(1)
    order = np.argsort(guesses == labels, kind="stable")[: COLUMNS * ROWS]
    sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * (CELL + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, i in enumerate(order):
        x, y = place % COLUMNS * CELL, place // COLUMNS * (CELL + CAPTION)
        grey = Image.fromarray((255 - images[i, 0] * 255).astype(np.uint8))
        sheet.paste(grey.resize((CELL - 8, CELL - 8), Image.Resampling.NEAREST), (x + 4, y + 4))
        right = guesses[i] == labels[i]
        caption = f"{guesses[i]}  {chances[i, guesses[i]]:.0%}"
        if not right:
            caption += f" (is {labels[i]})"
            pen.rectangle(
                (x + 1, y + 1, x + CELL - 2, y + CELL + CAPTION - 2), outline=WRONG, width=3
            )
        pen.text((x + 6, y + CELL - 2), caption, fill=RIGHT if right else WRONG)
    sheet.save(path)
