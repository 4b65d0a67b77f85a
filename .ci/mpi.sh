#!/usr/bin/env bash
# Puts MPICH, its version and content pinned, into a folder of its own, for runs of several ranks.
#
#   eval "$(.ci/mpi.sh [folder])"         folder: where it is kept, default /tmp/dinograph-mpi
#
# Prints `export` lines on standard output and everything else on standard error. A second call with the same folder finds it there.
set -euo pipefail

folder=$(realpath -m "${1:-/tmp/dinograph-mpi}")

if [ ! -x "$folder/bin/mpirun" ]; then
  python3 -m venv "$folder" >&2
  echo "mpich==5.0.2 --hash=sha256:8fed465ebff269ea2ebac179a25de02671ddf8df476e0f115be089015015cfd4" > "$folder/requirements.txt"
  "$folder/bin/pip" install --quiet --require-hashes --no-deps -r "$folder/requirements.txt" >&2
fi

# no more of it comes into PATH: its Python is none of ours
echo "export DINOGRAPH_MPIRUN='$folder/bin/mpirun' DINOGRAPH_MPICC='$folder/bin/mpicc' DINOGRAPH_REQUIRE_MPI=1"
