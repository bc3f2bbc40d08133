#!/bin/bash
# build.sh OUT.qcow2: builds the guest image from Debian packages, in well under a minute once they are here.
#
# 1. Download the packages of packages.list and the cloud kernel into the cache and unpack them there; nothing
#    is installed on this machine.
# 2. Lay out the root file system (rootfs/ and the programs named below) and the initramfs (initramfs/).
# 3. Make an ext4 image of it, without a partition table, and let extlinux make it bootable: extlinux works on
#    a mounted file system, hence root and a loop device.
# 4. Set every time stamp to SOURCE_DATE_EPOCH, so that the same packages give the same bytes.
# 5. Compress it into OUT.qcow2, which appears under its name only when it is whole.
#
# Needs: Debian 12 or newer on x86-64, root, and qemu-img (package qemu-utils), mke2fs, tune2fs and debugfs
# (e2fsprogs).
# Environment: SOURCE_DATE_EPOCH (default: the last commit of this folder), GUEST_IMAGE_CACHE (default: .cache
# beside this file; remove it to fetch newer packages), IMAGE_MIB (default 64: the virtual size; the file
# system grows to the disk's size at boot).
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
umask 022

die() { echo "build.sh: $*" >&2; exit 1; }
step() { echo "build.sh: $*" >&2; }

[ $# -eq 1 ] || die "usage: build.sh OUT.qcow2"
[ "$(uname -m)" = x86_64 ] || die "builds on x86-64 only"
[ "$(id -u)" = 0 ] || die "must be root: it mounts a loop device"
for program in apt-get apt-cache dpkg-deb qemu-img mke2fs tune2fs debugfs flock unshare; do
  command -v $program >/dev/null || die "$program is missing (packages qemu-utils, e2fsprogs, util-linux)"
done

HERE=$(dirname "$(readlink -f "$0")")
OUT=$(readlink -m "$1")
CACHE=${GUEST_IMAGE_CACHE:-$HERE/.cache}
IMAGE_MIB=${IMAGE_MIB:-64}
EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$HERE" log -1 --format=%ct -- . 2>/dev/null || true)}
EPOCH=${EPOCH:-1} # 0 would mean "now" to e2fsprogs
# Fixed, because a random one would make every build differ. Programs find the root by label, never by this.
ROOT_UUID=70696c65-7573-4775-8573-740000000001

mkdir -p "$CACHE" "$(dirname "$OUT")"
# Makes the tools of e2fsprogs write this time instead of now.
export E2FSPROGS_FAKE_TIME=$EPOCH
exec 9>"$CACHE/lock"
flock 9
WORK=$(mktemp -d "$CACHE/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

wanted_packages() { sed 's/#.*//' "$HERE/packages.list"; }

find_kernel_package() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/.*Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p' | head -n 1
}

# The tree is unpacked once; its stamp is the list it was made from.
fetch_packages() {
  local tree=$CACHE/tree kernel debs=$CACHE/debs
  [ "$(cat "$tree/stamp" 2>/dev/null)" = "$(wanted_packages)" ] && return 0
  kernel=$(find_kernel_package)
  if [ -z "$kernel" ]; then
    step "the package lists are empty: apt-get update"
    apt-get -qq update
    kernel=$(find_kernel_package)
  fi
  [ -n "$kernel" ] || die "apt knows no linux-image-cloud-amd64"
  step "downloading $kernel and $(wanted_packages | grep -c .) packages"
  rm -rf "$tree" "$debs"
  mkdir -p "$tree" "$debs"
  # An old package list names versions that the archive no longer has; a new list is the cure.
  download() { (cd "$debs" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" $(wanted_packages)); }
  download || { apt-get -qq update && kernel=$(find_kernel_package) && download; } || die "the download failed"
  for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$tree"; done
  for deb in "$debs"/*.deb; do dpkg-deb -f "$deb" Package Version | paste -sd' '; done |
    sed 's/Package: //; s/Version: //' | sort >"$tree/versions"
  rm -rf "$debs"
  wanted_packages >"$tree/stamp"
}

module_names() { sed 's/#.*//; /^ *$/d' "$@"; }

# copy_modules TARGET LOADED LIST...: copies the modules and refuses an order in which one comes before its
# need. LOADED names the modules that are there already.
copy_modules() {
  local target=$1 name file need loaded=" $2 "
  shift 2
  mkdir -p "$target"
  for name in $(module_names "$@"); do
    file=$(find "$MODULES" -name "$name.ko" | head -n 1)
    [ -n "$file" ] || die "the kernel has no module $name"
    for need in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' '); do
      case $loaded in *" $need "*) ;; *) die "module $name needs $need before it in $*" ;; esac
    done
    case $loaded in *" $name "*) continue ;; esac
    loaded="$loaded$name "
    cp "$file" "$target/$name.ko"
  done
}

make_initramfs() {
  local root=$WORK/initramfs
  mkdir -p "$root"/{bin,modules}
  cp "$TREE/bin/busybox" "$root/bin/"
  copy_modules "$root/modules" "" "$HERE/initramfs/modules" "$HERE/initramfs/modules.scsi"
  cp "$HERE/initramfs/modules" "$root/modules/list"
  cp "$HERE/initramfs/modules.scsi" "$root/modules/list.scsi"
  cp "$HERE/initramfs/init" "$root/init"
  find "$root" -exec touch -h -d "@$EPOCH" {} +
  (cd "$root" && find . | sort |
    "$TREE/bin/busybox" cpio -o -H newc -R 0:0 --renumber-inodes --ignore-devno 2>/dev/null) | gzip -9n >"$1"
}

# Programs that need shared libraries bring exactly the ones the loader asks for.
copy_programs() { # ROOT PROGRAM...
  local root=$1 program library
  local loader=$TREE/lib64/ld-linux-x86-64.so.2
  local path=$TREE/lib/x86_64-linux-gnu:$TREE/usr/lib/x86_64-linux-gnu
  shift
  mkdir -p "$root/lib64" "$root/lib/x86_64-linux-gnu"
  cp -L "$loader" "$root/lib64/"
  for program in "$@"; do
    install -D -m 755 "$TREE$program" "$root$program"
    "$loader" --library-path "$path" --list "$TREE$program" >"$WORK/needs"
    ! grep -v "=> $TREE\|ld-linux\|vdso" "$WORK/needs" || die "$program needs a library outside packages.list"
    for library in $(sed -n "s|.*=> \($TREE[^ ]*\) .*|\1|p" "$WORK/needs"); do
      cp -L "$library" "$root/lib/x86_64-linux-gnu/"
    done
  done
}

make_rootfs() {
  local root=$1 applet
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,mnt,root,boot/extlinux,usr/bin,usr/sbin,var/log,var/lib/pileus}
  cp "$TREE/bin/busybox" "$root/bin/"
  for applet in $("$TREE/bin/busybox" --list-full); do ln -s /bin/busybox "$root/$applet" 2>/dev/null || true; done
  ln -s /bin/busybox "$root/sbin/init" 2>/dev/null || true
  copy_programs "$root" /usr/sbin/dropbear /usr/bin/dropbearkey /sbin/resize2fs /sbin/mkfs.ext4 /sbin/e2fsck
  copy_modules "$root/lib/modules" "$(module_names "$HERE/initramfs/modules" | paste -sd' ')" \
    "$HERE"/rootfs/etc/modules.d/{network,scsi,config-drive,ide,late}
  cp -r --preserve=mode "$HERE/rootfs/." "$root/"
  chmod 600 "$root/etc/shadow"
  cp "$TREE/versions" "$root/etc/packages"
  cp "$TREE"/boot/vmlinuz-* "$root/boot/vmlinuz"
  make_initramfs "$root/boot/initrd.gz"
  chown -R -h 0:0 "$root"
  find "$root" -exec touch -h -d "@$EPOCH" {} +
}

# The journal is added after extlinux has written through a mount, because a mount writes times into it.
# extlinux cannot read 64-bit or checksummed ext4 metadata. resize= reserves room to grow to
# 1 TiB online; more would not fit into one transaction of the small journal.
make_image() { # ROOT IMAGE
  truncate -s "${IMAGE_MIB}M" "$2"
  mke2fs -q -t ext4 -b 4096 -I 256 -m 0 -L pileus-root -U $ROOT_UUID -O ^has_journal,^64bit,^metadata_csum \
    -E "hash_seed=$ROOT_UUID,resize=268435456,root_owner=0:0,nodiscard" -d "$1" "$2"
  # In a mount namespace of its own: no other process sees the mount, and it ends with this command.
  unshare -m --propagation private bash -c 'set -e; mount -o loop "$0" /mnt; "$1" --install /mnt/boot/extlinux' \
    "$2" "$TREE/usr/bin/extlinux" >"$WORK/extlinux.log" 2>&1 || { cat "$WORK/extlinux.log" >&2; die "extlinux failed"; }
  tune2fs -J size=4 "$2" >/dev/null
}

# mke2fs copies this machine's inode change times and the mount wrote its own: overwrite them all.
settle_times() { # ROOT IMAGE
  {
    (cd "$1" && find . -mindepth 1 | sed 's|^\./|/|') | cat - <(printf '%s\n' / /lost+found \
      /boot/extlinux/ldlinux.sys /boot/extlinux/ldlinux.c32 '<8>' '<7>') | while read -r path; do
      for field in atime ctime mtime crtime; do
        echo "sif $path $field @$EPOCH"
        echo "sif $path ${field}_extra 0"
      done
    done
    for file in ldlinux.sys ldlinux.c32; do # written through the mount, so the kernel chose these
      echo "sif /boot/extlinux/$file generation 0"
      echo "sif /boot/extlinux/$file version 0"
    done
    for field in mkfs_time mtime wtime lastcheck; do echo "ssv $field @$EPOCH"; done
    echo "ssv mnt_count 0"
    echo "ssv kbytes_written 0"
  } >"$WORK/times"
  debugfs -w -f "$WORK/times" "$2" >"$WORK/debugfs.log" 2>&1 || { tail -n 5 "$WORK/debugfs.log" >&2; die "debugfs failed"; }
}

fetch_packages
TREE=$CACHE/tree
MODULES=$(echo "$TREE"/lib/modules/*)
step "laying out the root file system"
make_rootfs "$WORK/root"
step "making the image"
make_image "$WORK/root" "$WORK/disk.raw"
settle_times "$WORK/root" "$WORK/disk.raw"
qemu-img convert -q -c -f raw -O qcow2 "$WORK/disk.raw" "$WORK/out.qcow2"
mv "$WORK/out.qcow2" "$OUT.partial"
mv "$OUT.partial" "$OUT"
step "$OUT: $(($(stat -c %s "$OUT") / 1024)) KiB, $IMAGE_MIB MiB virtual"
