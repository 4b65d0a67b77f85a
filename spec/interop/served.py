"""Commands of dinograph in one process (commands.ts), and pictures of any size and number of channels, for scripts that try many."""
import json
import pathlib
import subprocess

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Commands:
    """`told = commands("features", "--model", …)`: exit code, standard output, standard error."""

    def __init__(self):
        self.process = subprocess.Popen(["npx", "tsx", "spec/interop/commands.ts"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.process.stdin.write(json.dumps([str(w) for w in words]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the commands ended at {' '.join(map(str, words))}")
        told = json.loads(line)
        return told["code"], told["out"], told["told"]


def picture(generator, at, height, width, channels):
    """A smooth picture as PNG: grey, colours, or colours with an opacity."""
    low = generator.integers(0, 256, (7, 5, channels), dtype=numpy.uint8)
    image = Image.fromarray(low[:, :, 0] if channels == 1 else low).resize((width, height), Image.BICUBIC)
    image.save(at)
    return image
