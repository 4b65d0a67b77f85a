"""Compares what `npm run data -- dump` writes with what pydicom and nibabel read, on the files that these packages ship for their own tests.

    /usr/bin/python3 spec/interop/readers.py [FOLDER...]        (needs pydicom, nibabel, numpy, pillow; Debian: python3-pydicom, python3-nibabel)

Prints a line for every file that either side reads: images, their shape, the largest difference over all images, whether the spacing agrees; then the files
that are read here alone, by the other side alone, or by nobody, with the reasons. Exits 1 where a file differs by more than its coding allows, or where the
other side alone reads an image.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import nibabel
import numpy as np
import pydicom
from pydicom.pixel_data_handlers.util import apply_color_lut, apply_modality_lut, convert_color_space

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parents[2]
# lossy JPEG: decoders round the inverse transform and the colours each in their own way
LOSSY = {"1.2.840.10008.1.2.4.50": 4, "1.2.840.10008.1.2.4.51": 4, "1.2.840.10008.1.2.4.91": 1, "1.2.840.10008.1.2.4.81": 0}


def dumped(folder, files, *options):
    """What the project reads of these files (a folder is of one kind: they are linked into one): {(source, frame): (image [C, H, W], spacing)} and {source: reason}."""
    with tempfile.TemporaryDirectory() as scratch:
        linked = pathlib.Path(scratch) / "data"
        for path in files:
            at = linked / path.relative_to(folder)
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(path)
        out = pathlib.Path(scratch) / "images.safetensors"
        words = ["npx", "tsx", "train/cli/dinograph.ts", "data", "dump", "--data", str(linked), "--out", str(out), "--on-error", "skip", "--json", *options]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        told = json.loads(done.stdout.strip().splitlines()[-1])
        raw = out.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n])
    items = json.loads(header["__metadata__"]["items"])
    images = {}
    for i, item in enumerate(items):
        entry = header[f"image/{i}"]
        assert entry["dtype"] == "F32"
        a, b = entry["data_offsets"]
        images[item["source"], item["frame"]] = (np.frombuffer(raw[8 + n + a:8 + n + b], "<f4").reshape(entry["shape"]), item["spacing"])
    return images, {str(pathlib.Path(s["file"]).relative_to(linked)): s["reason"] for s in told["skipped"]}


def dicom(path):
    """Frames [n, C, H, W] in the modality's units or RGB, the spacing of rows and columns, and the difference that the coding allows."""
    d = pydicom.dcmread(path)
    a = d.pixel_array
    kind = d.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        a = apply_color_lut(a, d)
    elif d.SamplesPerPixel == 1:
        a = apply_modality_lut(a, d)
    elif kind in ("YBR_FULL", "YBR_FULL_422"):
        a = convert_color_space(a, kind, "RGB")
    colour = d.SamplesPerPixel == 3 or kind == "PALETTE COLOR"
    a = np.asarray(a, dtype=np.float64)
    if a.ndim == (3 if colour else 2):
        a = a[None]
    a = np.moveaxis(a, -1, 1) if colour else a[:, None]
    spacing = d.get("PixelSpacing") or d.get("ImagerPixelSpacing")
    syntax = str(d.file_meta.get("TransferSyntaxUID", ""))
    return a, None if not spacing else [float(x) for x in spacing], LOSSY.get(syntax, 2 if kind.startswith("YBR") else 0)


def nifti(path, axis):
    """Slices along an axis, [n, C, H, W], and the spacing of rows and columns: these are the two other axes, the first of them along the columns."""
    image = nibabel.load(path)
    a = np.asanyarray(image.dataobj)
    planes = [a[name].astype(np.float64) for name in a.dtype.names] if a.dtype.fields else [a.astype(np.float64)]
    out = []
    size = (list(a.shape) + [1, 1])[:3]
    volumes = [p.reshape(*size, -1, order="F") for p in planes]
    for t in range(volumes[0].shape[3]):
        for k in range(size[axis]):
            out.append(np.stack([np.take(v[..., t], k, axis=axis).T for v in volumes]))
    zooms = [float(z) for z in (list(image.header.get_zooms()) + [1, 1])[:3]]
    rest = [z for i, z in enumerate(zooms) if i != axis]
    return np.stack(out), [rest[1], rest[0]], 0


def compare(title, folder, files, read, *options):
    """Prints the table of one folder; returns how many lines are wrong."""
    ours, refused = dumped(folder, files, *options)
    print(f"\n{title}\n{'file':58} {'images':>6} {'C x H x W':>14} {'difference':>11} {'allowed':>8}  spacing")
    alone, other, nobody, bad, equal = [], [], [], 0, 0
    for path in files:
        name = str(path.relative_to(folder))
        mine = [ours[key] for key in sorted(k for k in ours if k[0] == name)]
        try:
            theirs, spacing, allowed = read(path)
        except Exception as e:
            theirs, reason = None, f"{type(e).__name__}: {e}".splitlines()[0][:100]
        if theirs is None:
            if mine:
                alone.append((name, reason))
            elif name in refused:
                nobody.append((name, refused[name]))
            continue
        if not mine:
            other.append((name, refused.get(name, "passed over")))
            continue
        got = np.stack([image for image, _ in mine]).astype(np.float64)
        same = got.shape == theirs.shape
        # what is no number on one side must be none on the other
        same = same and np.array_equal(np.isnan(got), np.isnan(theirs))
        error = np.nanmax(np.abs(got - theirs.astype(np.float32)), initial=0) if same else np.inf
        near = spacing is None or mine[0][1] is not None and np.allclose(mine[0][1][:2], spacing, rtol=1e-5)
        good = same and error <= allowed and near
        bad += not good
        equal += good and error == 0
        print(f"{name[-58:]:58} {len(got):6} {'x'.join(map(str, got.shape[1:])):>14} {error:11.4g} {allowed:8}  {'none' if spacing is None else 'same' if near else mine[0][1]}{'' if good else '   WRONG'}")
    print(f"{equal} files equal to the last bit")
    for what, names in (("read here alone", alone), ("read by the other side alone", other), ("read by nobody", nobody)):
        if names:
            print(f"{what}: {len(names)}")
            for name, reason in names[:12]:
                print(f"    {name}: {reason}")
            if len(names) > 12:
                print(f"    and {len(names) - 12} more")
    return bad + len(other)


def main():
    packages = [pathlib.Path(m.__file__).parent for m in (pydicom, nibabel)]
    folders = [pathlib.Path(f).resolve() for f in sys.argv[1:]] or [packages[0] / "data", packages[1] / "tests" / "data", packages[1] / "nicom" / "tests" / "data"]
    print(f"pydicom {pydicom.__version__}, nibabel {nibabel.__version__}, numpy {np.__version__}")
    bad = 0
    for folder in folders:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        if pictures := [p for p in files if p.suffix == ".dcm" or p.suffix == ""]:
            bad += compare(f"DICOM in {folder}", folder, pictures, dicom)
        volumes = [p for p in files if p.name.endswith((".nii", ".nii.gz"))]
        for axis in (2, 0, 1) if volumes else ():
            bad += compare(f"NIfTI in {folder}, slices along axis {axis}", folder, volumes, lambda p, a=axis: nifti(p, a), "--axis", str(axis))
    sys.exit(1 if bad else 0)


main()
