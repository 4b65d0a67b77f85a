#!/usr/bin/env bash
# The target pjrt on a card, in at most 8 minutes: conformance on pjrt:cuda, then steps of w1 in f32 and of w2 in f32, TF32 and bf16. Nothing is fetched: the machine has no network, so node, packages and plugin are carried.
#
#   spec/device/pjrt.sh pack            here: puts node, node_modules and this tree's sources into .device/ (64 MB may travel)
#   spec/device/pjrt.sh run [PLATFORM]  there: runs what is below; PLATFORM cuda (default), or cpu to try the script here
#
# A plugin of 135 MB and NVIDIA's libraries do not fit into 64 MB: the machine's own are taken (a Python with jax-cuda13-pjrt, or
# DINOGRAPH_PJRT_PLUGIN). Without any, the script says so and ends with 3.
set -euo pipefail
cd "$(dirname "$0")/../.."

pack() {
  mkdir -p .device
  tar -c -C "$(dirname "$(readlink -f "$(command -v node)")")" node | xz -T0 -6 > .device/node.tar.xz
  # what compiling and running needs: no drivers of browsers, no linters
  tar -c --exclude='*.map' --exclude='*.md' node_modules/{tsx,esbuild,@esbuild,get-tsconfig,resolve-pkg-maps,koffi,@koromix,fp-ts,io-ts,msgpackr,yaml} |
    xz -T0 -6 > .device/packages.tar.xz
  du -sh .device
}

# the first plugin that is there: named, of a Python that is active, or of any Python of the machine
plugin() {
  if [ -n "${DINOGRAPH_PJRT_PLUGIN:-}" ]; then echo "$DINOGRAPH_PJRT_PLUGIN"; return; fi
  find / -name xla_cuda_plugin.so -not -path '/proc/*' 2>/dev/null | head -1
}

run() {
  local platform=${1:-cuda} out=${OUT:-$(mktemp -d)} node=node began=$SECONDS
  if ! command -v node > /dev/null; then
    mkdir -p /tmp/node && tar -xJ -C /tmp/node -f .device/node.tar.xz && node=/tmp/node/node
  fi
  [ -d node_modules/tsx ] || tar -xJf .device/packages.tar.xz
  if [ "$platform" = cuda ]; then
    nvidia-smi -L || true
    DINOGRAPH_PJRT_PLUGIN=$(plugin)
    export DINOGRAPH_PJRT_PLUGIN
    if [ -z "$DINOGRAPH_PJRT_PLUGIN" ]; then echo 'no PJRT plugin for CUDA on this machine: nothing was run' | tee "$out/pjrt.txt"; exit 3; fi
  fi
  # each part has its own limit, and what it said is kept whatever becomes of the others
  part() {
    local name=$1 limit=$2
    shift 2
    echo "== $name (after $((SECONDS - began)) s)"
    timeout "$limit" "$node" --import tsx "$@" 2>&1 | tee "$out/$name.txt" | tail -12 || echo "$name: ended with ${PIPESTATUS[0]}"
  }
  part conformance "${CONFORMANCE_S:-150}" spec/parity/conformance.ts spec/parity/fixtures --target "pjrt:$platform"
  part step "${STEP_S:-100}" spec/bench/bench.ts w1-dinov1-tiny --target "pjrt:$platform" --steps "${STEPS:-10}" --json
  for precision in highest tf32 bf16; do
    part "w2-$precision" "${W2_S:-70}" spec/bench/bench.ts w2-dinov2-tiny --target "pjrt:$platform" --precision "$precision" \
      --steps "${STEPS:-10}" --json
  done
  echo "== all after $((SECONDS - began)) s"
}

"${1:-run}" "${@:2}"
