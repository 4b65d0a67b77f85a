"""Compares evaluations with scikit-learn's and the map of features with umap-learn's, on one file of features.

    python3 -m venv VENV && VENV/bin/pip install numpy scikit-learn umap-learn safetensors
    VENV/bin/python spec/interop/evaluations.py --model runs/dinov2 [--data mnist] [--limit 2000] [--target native]

The features command writes class tokens of train and test; both sides evaluate them. Exit code 0 if every difference is within its
limit: k-NN, ACC and AUC to a few items (float32 products decide ties), probabilities of regressions and principal components to 1e-3
relative, trustworthiness of one map to 1e-6, and the map's own trustworthiness not below umap-learn's by more than 0.02.
"""
import argparse
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np
import safetensors
import sklearn
import umap
from safetensors.numpy import load_file
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPERATURE, KS, CS, NEAR = 0.07, (10, 20, 100, 200), (0.1, 1, 10, 100), 15


def unit(x):
    x = x.astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def votes(train, known, test, classes, k, softmax):
    """Weighted votes of the k nearest by cosine: exp(s / T), or their softmax over the neighbours."""
    similarity = 1 - NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(train).kneighbors(test)[0]
    index = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(train).kneighbors(test, return_distance=False)
    weight = np.exp((similarity - (similarity.max(1, keepdims=True) if softmax else 0)) / TEMPERATURE)
    if softmax:
        weight /= weight.sum(1, keepdims=True)
    score = np.zeros((len(test), classes))
    for j in range(k):
        np.add.at(score, (np.arange(len(test)), known[index[:, j]]), weight[:, j])
    return score.argmax(1)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--model", required=True)
    args.add_argument("--data", default="mnist")
    args.add_argument("--limit", default="2000")
    args.add_argument("--target", default="auto")
    a = args.parse_args()
    rows, ok = [], True

    def row(what, ours, theirs, limit, signed=False):
        nonlocal ok
        difference = (theirs - ours) if signed else abs(ours - theirs)
        fits = difference <= limit
        ok = ok and fits
        rows.append((what, f"{ours:.6f}", f"{theirs:.6f}", f"{difference:.2e}", "" if fits else f"over {limit}"))

    with tempfile.TemporaryDirectory() as folder:
        features, out = f"{folder}/features.safetensors", f"{folder}/out.safetensors"
        tsx = ["npx", "tsx"]
        subprocess.run([*tsx, "train/cli/dinograph.ts", "features", "--model", a.model, "--data", a.data, "--limit", a.limit, "--no-patches", "--out", features, "--target", a.target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*tsx, "spec/interop/evaluations.ts", features, out, a.target], cwd=ROOT, check=True)
        f, got = load_file(features), load_file(out)
    train, test, known, asked = f["train/cls"], f["test/cls"], f["train/label"], f["test/label"]
    classes, item = int(known.max()) + 1, 1 / len(asked)
    for v, name in enumerate(("v1", "v2")):
        for i, k in enumerate(KS):
            if k <= len(train):
                row(f"k-NN top-1, k {k}, votes {name}", got["knn"][v, i], accuracy_score(asked, votes(train, known, test, classes, k, v == 1)), 2 * item)
    for i, c in enumerate(CS):
        r = LogisticRegression(C=c, tol=1e-8, max_iter=20000).fit(train.astype(np.float64), known)
        p = r.predict_proba(test.astype(np.float64))
        row(f"logistic regression, C {c}: ACC", got["logistic"][i, 0], accuracy_score(asked, p.argmax(1)), 2 * item)
        row(f"logistic regression, C {c}: AUC", got["logistic"][i, 1], roc_auc_score(asked, p, multi_class="ovr"), 1e-3)
        ours = got["probabilities"][i].reshape(-1, classes)
        row(f"logistic regression, C {c}: largest difference of a probability", float(np.abs(ours - p).max()), 0.0, 1e-2)
        # the same scores through both metrics
        row(f"AUC of our probabilities, C {c}", got["logistic"][i, 1], roc_auc_score(asked, ours / ours.sum(1, keepdims=True), multi_class="ovr"), 1e-6)
        row(f"ACC of our probabilities, C {c}", got["logistic"][i, 0], accuracy_score(asked, ours.argmax(1)), 1e-6)
    pca = PCA(3, svd_solver="full").fit(test.astype(np.float64))
    for i in range(3):
        row(f"PCA, variance {i + 1}", got["variance"][i] / pca.explained_variance_[i], 1.0, 1e-4)
        row(f"PCA, |cosine| of axis {i + 1}", abs(float(got["axes"][i] @ pca.components_[i])), 1.0, 1e-4)
    z = pca.transform(test.astype(np.float64)) / np.sqrt(pca.explained_variance_)
    row("PCA, largest difference of a whitened row", float(np.abs(np.abs(got["whitened"]) - np.abs(z)).max()), 0.0, 1e-3)
    some = test[: len(got["umap"])].astype(np.float64)
    row("trustworthiness of our map, by both", float(got["trust"][0]), trustworthiness(some, got["umap"], n_neighbors=NEAR), 1e-6)
    theirs = [trustworthiness(some, umap.UMAP(n_neighbors=NEAR, min_dist=0.1, random_state=s).fit_transform(some), n_neighbors=NEAR) for s in range(3)]
    row("trustworthiness of UMAP, umap-learn's mean of three", float(got["trust"][0]), float(np.mean(theirs)), 0.02, signed=True)

    widths = [max(len(r[i]) for r in rows) for i in range(5)]
    print(f"{a.model} on {a.data}: {len(train)} to learn from, {len(test)} to test with, {train.shape[1]} wide")
    print(f"Python {platform.python_version()}, scikit-learn {sklearn.__version__}, umap-learn {umap.__version__}, numpy {np.__version__}, safetensors {safetensors.__version__}")
    for r in [("", "ours", "theirs", "difference", ""), *rows]:
        print("  ".join([r[0].ljust(widths[0]), *(r[i].rjust(max(widths[i], 10)) for i in range(1, 4)), r[4]]).rstrip())
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
