"""Writes further golden cases, computed from our own formulation of the papers in PyTorch, float64 (not by the official code).

    python spec/parity/generate OUT [--seed N]          # torch, numpy, safetensors
    npm run conformance -- OUT --target native

They cover options and sizes that the official cases leave out: other numbers of heads and registers, local crops 0, masked keys' bias, rope
normalisations, every Gram option, separate heads, other rounds of Sinkhorn, layer decay. Each case runs in float64 and in float32; tolerances follow the
rule of the official cases: max(30 times the deviation of float32, 3e-6 of the largest value, 1e-7).
"""
import argparse
import pathlib

import numpy as np

import cases
from backbones import vit_cases
from losses import loss_cases
from models import model_cases
from parts import part_cases
from trajectories import trajectory_cases

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("out")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
cases.state.update(out=pathlib.Path(args.out), rng=np.random.default_rng(args.seed))
for write in (vit_cases, loss_cases, part_cases, model_cases, trajectory_cases):
    write()
