# A copy of the store under a new name, and `current` leads to it in one step; the last three copies stay.
set -eu
name=store-$(date -u +%Y%m%d-%H%M%S)
liquid-ai store backup "/published/$name" --store /state/store
ln -s "$name" /published/.current
mv -T /published/.current /published/current
ls -d /published/store-* | head -n -3 | xargs -r rm -r --
