#!/usr/bin/env bash
# Downloads the release VERSION for this runner from RELEASE_URL, checks it against
# SHA256 or the release's own SHA256SUMS, and adds gkpow to the PATH of later
# steps.
set -euo pipefail

if ! [[ $VERSION =~ ^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "::error::version is \"$VERSION\": set it to a release, such as 1.2.3"
	exit 2
fi
version=${VERSION#v}
case $RUNNER_OS in
Linux) os=linux ;;
macOS) os=darwin ;;
Windows) os=windows ;;
*)
	echo "::error::there is no release for $RUNNER_OS"
	exit 2
	;;
esac
case $RUNNER_ARCH in
X64) arch=amd64 ;;
ARM64) arch=arm64 ;;
ARM) arch=arm ;;
*)
	echo "::error::there is no release for $RUNNER_ARCH"
	exit 2
	;;
esac
name=gkpow_${version}_${os}_$arch
archive=$name.tar.gz
[ "$os" != windows ] || archive=$name.zip

directory=${RUNNER_TEMP:?}/gkpow-$version
mkdir -p "$directory"
cd "$directory"
download() { curl --fail --silent --show-error --location --retry 3 --output "$1" "$RELEASE_URL/v$version/$1"; }
download "$archive"
if [ -z "$SHA256" ]; then
	download SHA256SUMS
	SHA256=$(awk -v name="$archive" '$2 == name { print $1 }' SHA256SUMS)
fi
sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }
got=$(sum "$archive")
if [ "$got" != "$SHA256" ]; then
	rm -f "$archive"
	echo "::error::$archive has the SHA-256 $got, not ${SHA256:-one of SHA256SUMS}: it is not installed"
	exit 1
fi
if [ "$os" = windows ]; then unzip -q -o "$archive"; else tar -xzf "$archive"; fi
if [ "$os" = windows ]; then cygpath -w "$directory/$name"; else printf '%s\n' "$directory/$name"; fi >>"$GITHUB_PATH"
