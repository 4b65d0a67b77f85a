#!/usr/bin/env bash
# Puts a software Vulkan driver (Mesa lavapipe) into a folder of its own, for WebGPU without a graphics card.
#
#   eval "$(.ci/mesa.sh [folder])"        folder: where the driver is kept, default /tmp/dinograph-mesa
#
# Prints `export` lines on standard output and everything else on standard error. A second call with the same
# folder finds the driver there and prints the lines at once.
#
# Debian 12's own Mesa (22.3) lacks features that the webgpu package asks of a driver, so the driver comes from
# the release's backports. It is unpacked, not installed: only stable packages that it depends on are installed.
set -euo pipefail

folder=$(realpath -m "${1:-/tmp/dinograph-mesa}")
tree=$folder/tree
icd=$folder/lavapipe.json

say() { echo "mesa.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# The unpacked libraries come first on the path, as the driver wants the libdrm it was built with.
lib_dir() { dirname "$(find "$tree" -name libvulkan_lvp.so -print -quit)"; }
missing_libraries() { LD_LIBRARY_PATH=$(lib_dir) ldd "$(lib_dir)/libvulkan_lvp.so" | awk '/not found/ {print $1}'; }

print_exports() {
  printf 'export VK_ICD_FILENAMES=%q\n' "$icd"
  printf 'export VK_DRIVER_FILES=%q\n' "$icd"
  # The driver compiles every kernel once and runs it a few times: narrow vectors and no optimising take it a third of the time.
  printf 'export LP_NATIVE_VECTOR_WIDTH=128 GALLIVM_PERF=nopt\n'
  printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$(lib_dir)"
}

if [[ -f $folder/complete ]] && ldconfig -p | grep -q 'libvulkan\.so\.1' && [[ -z $(missing_libraries) ]]; then
  say "driver is there already: $(cat "$folder/complete")"
  print_exports
  exit 0
fi

command -v apt-get >/dev/null || die "needs apt-get; on other systems install Mesa 24 or newer with Vulkan lavapipe"
[[ $(id -u) == 0 ]] || die "needs root for apt-get"
export DEBIAN_FRONTEND=noninteractive

# shellcheck disable=SC1091
release=$(. /etc/os-release && echo "$VERSION_CODENAME")

# Another program may hold the package lock for a while. apt-get waits for it where it installs; where it updates, it gives up at once.
apt_get() { apt-get -o DPkg::Lock::Timeout=120 "$@"; }
update() {
  local said waited
  for ((waited = 0; ; waited += 2)); do
    said=$("$@" update -qq 2>&1 >/dev/null) && return 0
    if [[ $said != *"Could not get lock"* ]] || ((waited >= 120)); then echo "$said" >&2; return 1; fi
    ((waited > 0)) || say "waiting for the lock of the package lists"
    sleep 2
  done
}
update apt_get || say "apt-get update had errors; going on with the package lists that are there"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
[[ -n $mirror ]] || die "no package source for $release is configured in /etc/apt"

# A private apt: own sources and lists, the machine's keys; nothing of it stays behind in /etc or /var.
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
mkdir -p "$private/lists/partial" "$private/archives/partial" "$private/parts" "$private/debs"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=""
[[ -f $keyring ]] && signed="[signed-by=$keyring]"
echo "deb $signed $mirror $release-backports main" > "$private/sources.list"
backports() {
  "$1" -o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts="$private/parts" \
    -o Dir::State::lists="$private/lists" -o Dir::Cache::archives="$private/archives" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "${@:2}"
}
update backports apt_get || die "cannot read the backports of $release from the configured mirror"

# The driver with the packages of the backports that it needs at their backports version.
wanted=(mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 libdrm-common)
fetched=()
for package in "${wanted[@]}"; do
  if [[ -n $(backports apt-cache show "$package" 2>/dev/null) ]]; then fetched+=("$package"); fi
done
[[ " ${fetched[*]} " == *" mesa-vulkan-drivers "* ]] || die "the backports of $release hold no mesa-vulkan-drivers"
( cd "$private/debs" && backports apt_get download -qq "${fetched[@]}" >&2 )

rm -rf "$tree" "$folder/complete"
mkdir -p "$tree"
for deb in "$private"/debs/*.deb; do dpkg -x "$deb" "$tree"; done
[[ -n $(find "$tree" -name libvulkan_lvp.so -print -quit) ]] || die "libvulkan_lvp.so is not in the downloaded package"

# What is still missing: the Vulkan loader, and the LLVM and small libraries that the driver names.
needed=()
dependencies=$(dpkg-deb -f "$private"/debs/mesa-vulkan-drivers_*.deb Depends | tr ',' '\n' | awk '{print $1}')
for dependency in $(printf '%s\n' libvulkan1 $dependencies | sort -u); do
  [[ " ${fetched[*]} " == *" $dependency "* ]] && continue
  dpkg -s "$dependency" >/dev/null 2>&1 || needed+=("$dependency")
done
if ((${#needed[@]} > 0)); then
  say "installing ${needed[*]}"
  apt_get install -y -qq --no-install-recommends "${needed[@]}" >&2 || die "cannot install ${needed[*]}"
fi
[[ -z $(missing_libraries) ]] || die "the driver still misses: $(missing_libraries | tr '\n' ' ')"

cat > "$icd" <<JSON
{ "file_format_version": "1.0.0",
  "ICD": { "library_path": "$(lib_dir)/libvulkan_lvp.so", "api_version": "1.4.0" } }
JSON
dpkg-deb -f "$private"/debs/mesa-vulkan-drivers_*.deb Version > "$folder/complete"
say "unpacked Mesa $(cat "$folder/complete") into $folder"
print_exports
