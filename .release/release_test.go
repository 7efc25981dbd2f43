//go:build unix

package main

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gkpow/gkpow/client/gktest"
)

func interop(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	for _, p := range programs {
		_, err := exec.LookPath(p)
		require.NoError(t, err, "see .ci/run")
	}
}

// command runs a program and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), output)
	return string(output)
}

// checkout clones the repository at the current commit and tags it.
func checkout(t *testing.T, dir, tag string) string {
	t.Helper()
	command(t, ".", "git", "clone", "--quiet", "--no-hardlinks", "..", dir)
	command(t, dir, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "tag", tag)
	return dir
}

// The same commit produces the same bytes in another directory and with another umask, and the
// release is complete.
func TestInteropReproducible(t *testing.T) {
	interop(t, "git", "sha256sum", "dpkg-deb")
	targets := []string{"linux/amd64", "windows/amd64", "darwin/arm64"}
	archives := []string{
		"SHA256SUMS", "THIRD_PARTY_NOTICES", "gkpow_0.9.0.cdx.json", "gkpow_0.9.0_container.tar.gz",
		"gkpow_0.9.0_linux_amd64.deb", "gkpow_0.9.0_linux_amd64.rpm", "gkpow_0.9.0_linux_amd64.tar.gz",
		"gkpow_0.9.0_windows_amd64.zip", "gkpow_0.9.0_darwin_arm64.tar.gz",
	}
	if testing.Short() { // without macOS, whose archive has the format of Linux's
		targets, archives = targets[:2], archives[:8]
	}
	first, second := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "elsewhere", "out")
	require.NoError(t, run(checkout(t, filepath.Join(t.TempDir(), "a"), "v0.9.0"), first, targets))
	old := syscall.Umask(0o077)
	err := run(checkout(t, filepath.Join(t.TempDir(), "another-name"), "v0.9.0"), second, targets)
	syscall.Umask(old)
	require.NoError(t, err)

	var names []string
	require.NoError(t, filepath.WalkDir(first, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		a, err := os.ReadFile(path)
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(second, d.Name()))
		require.NoError(t, err)
		require.True(t, string(a) == string(b), "%s differs", d.Name())
		names = append(names, d.Name())
		return nil
	}))
	require.ElementsMatch(t, archives, names)
	command(t, first, "sha256sum", "--check", "--strict", "SHA256SUMS")

	list := command(t, first, "tar", "tvf", "gkpow_0.9.0_linux_amd64.tar.gz")
	for _, name := range []string{"gkpow", "LICENSE", "THIRD_PARTY_NOTICES", "man/gkpow-token.1", "completions/gkpow.bash", "systemd/gkpow-agent.service"} {
		require.Contains(t, list, " gkpow_0.9.0_linux_amd64/"+name+"\n")
	}
	size := regexp.MustCompile(`0/0 +([0-9]+) .*/gkpow\n`).FindStringSubmatch(list)
	require.NotNil(t, size, list)
	require.Less(t, len(size[1]), len("100000000"))
	require.Less(t, size[1], "18000000", "the program has grown: see what it links now")

	data, err := os.ReadFile(filepath.Join(first, "gkpow_0.9.0.cdx.json"))
	require.NoError(t, err)
	var bom cdx.BOM
	require.NoError(t, json.Unmarshal(data, &bom))
	notices, err := os.ReadFile(filepath.Join(first, "THIRD_PARTY_NOTICES"))
	require.NoError(t, err)
	var parts []string
	for _, c := range *bom.Components {
		parts = append(parts, c.Name)
		require.NotEmpty(t, *c.Licenses, c.Name)
		for _, l := range *c.Licenses {
			require.Contains(t, []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "ISC", "GooglePatentsFile", "Go-Patents"}, l.License.ID, "%s: may a release hold it?", c.Name)
		}
		if c.Name != "std" {
			require.Contains(t, string(notices), "\n"+c.Name+" "+c.Version+" (")
		}
	}
	require.Subset(t, parts, []string{"std", "github.com/spf13/cobra", "github.com/klauspost/cpuid/v2"})

	// A release needs a clean commit.
	dirty := checkout(t, filepath.Join(t.TempDir(), "dirty"), "v0.9.0")
	require.NoError(t, os.WriteFile(filepath.Join(dirty, "LICENSE"), nil, 0o644))
	require.ErrorContains(t, run(dirty, filepath.Join(t.TempDir(), "out"), targets[:1]), "not committed")
	require.ErrorContains(t, run(dirty, dirty, targets[:1]), "is not empty")
}

// inside runs a shell script as root on a temporary copy of this system.
func inside(t *testing.T, script string) string {
	t.Helper()
	require.Zero(t, os.Getuid(), "mounting needs root")
	dir := t.TempDir()
	return command(t, dir, "unshare", "--mount", "--propagation=private", "sh", "-e", "-c", `
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir "$1/root/tmp/packages"
mount --bind "$2" "$1/root/tmp/packages"
export SCRIPT="$3"
exec chroot "$1/root" sh -e -x -c 'cd /tmp/packages; eval "$SCRIPT"' 2>&1
`, "sh", dir, packages(t), script)
}

var packageDir string

// packages builds releases of two versions for this machine, once, in directories
// named after their tags.
func packages(t *testing.T) string {
	t.Helper()
	if packageDir != "" {
		return packageDir
	}
	dir, err := os.MkdirTemp("", "gkpow-packages-*")
	require.NoError(t, err)
	source := checkout(t, filepath.Join(t.TempDir(), "source"), "v0.9.0")
	for _, tag := range []string{"v0.9.0", "v0.9.1"} {
		if tag == "v0.9.1" {
			command(t, source, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--allow-empty", "-m", "next")
			command(t, source, "git", "tag", tag)
		}
		out := filepath.Join(t.TempDir(), "out")
		require.NoError(t, run(source, out, []string{"linux/" + runtime.GOARCH}))
		require.NoError(t, os.CopyFS(filepath.Join(dir, tag), os.DirFS(out)))
	}
	packageDir = dir
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if packageDir != "" {
		os.RemoveAll(packageDir)
	}
	os.Exit(code)
}

func TestInteropDebian(t *testing.T) {
	interop(t, "dpkg", "unshare")
	output := inside(t, `
dpkg --install v0.9.0/*.deb
gkpow version | grep -F 'gkpow v0.9.0, commit '
gkpow --version | grep kernel
HOME=/tmp gkpow token --emulator --difficulty 3 | grep '^eyJ'
getent group gkpow
test "$(stat -c %a:%U /etc/gkpow)" = 750:root
test "$(stat -c %a /usr/bin/gkpow)" = 755
gunzip -t /usr/share/man/man1/gkpow-token.1.gz
bash -n /usr/share/bash-completion/completions/gkpow
systemd-analyze verify gkpow-agent.service gkpow-agent.socket
test "$(stat -c %a:%U:%s /etc/gkpow/secret-key)" = 600:root:0
test "$(stat -c %a:%U:%s /etc/gkpow/gktinc-key)" = 600:root:0
for service in GKCAPTCHA_S GKTINC; do # each alone makes an agent start
	grep "^#$service" /etc/gkpow/agent.env | sed 's|^#||; s|=/run/.*|=/tmp/key|; s|\.\.\.|x|' >/tmp/one.env
	test "$(wc -l </tmp/one.env)" = 2
	echo sk_live_x >/tmp/key
	rm -f /tmp/exports
	(set -a; . /tmp/one.env; HOME=/tmp timeout --preserve-status 60 gkpow agent --socket /tmp/one.sock >/tmp/exports 2>/tmp/log &
	until test -s /tmp/exports; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.1; done; kill $!; wait $!)
done
echo GKCAPTCHA_SITE_KEY=pk_live_kept >>/etc/gkpow/agent.env
echo sk_live_kept >/etc/gkpow/secret-key
dpkg --install v0.9.1/*.deb
gkpow version | grep -F 'gkpow v0.9.1, commit '
grep pk_live_kept /etc/gkpow/agent.env
grep sk_live_kept /etc/gkpow/secret-key
test "$(stat -c %a /etc/gkpow/secret-key)" = 600
dpkg --remove gkpow
test ! -e /usr/bin/gkpow
grep pk_live_kept /etc/gkpow/agent.env
dpkg --purge gkpow
test ! -e /etc/gkpow/agent.env
test ! -e /etc/gkpow/secret-key
test -z "$(find /usr /etc /var/lib/dpkg/info -xdev -name 'gkpow*')"
echo all is well
`)
	require.Contains(t, output, "all is well\n")
}

func TestInteropRedHat(t *testing.T) {
	interop(t, "rpm", "unshare")
	output := inside(t, `
rpm --checksig --nosignature v0.9.0/*.rpm
rpm --install --nodeps v0.9.0/*.rpm
gkpow version | grep -F 'gkpow v0.9.0, commit '
test -e /usr/share/zsh/site-functions/_gkpow
rpm --verify --nodeps gkpow
rpm --upgrade --nodeps v0.9.1/*.rpm
gkpow version | grep -F 'gkpow v0.9.1, commit '
rpm --erase gkpow
test ! -e /usr/bin/gkpow
echo all is well
`)
	require.Contains(t, output, "all is well\n")
}

// serveRelease serves the releases and an emulator, and returns their URLs.
func serveRelease(t *testing.T) (releases, api string) {
	files := httptest.NewServer(http.FileServer(http.Dir(packages(t))))
	t.Cleanup(files.Close)
	service := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 3}))
	t.Cleanup(service.Close)
	return files.URL, service.URL
}

// A runner imitates the environment of a CI job: its files and variables.
func runner(t *testing.T, variables ...string) (env []string, file func(name string) string) {
	dir := t.TempDir()
	env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "RUNNER_TEMP=" + dir,
		"GITHUB_PATH=" + filepath.Join(dir, "path"), "GITHUB_OUTPUT=" + filepath.Join(dir, "output")}, variables...)
	return env, func(name string) string {
		data, _ := os.ReadFile(filepath.Join(dir, name))
		return string(data)
	}
}

// The GitHub action installs a release by its checksum, refuses another one, and
// masks the token.
func TestInteropAction(t *testing.T) {
	interop(t, "bash", "curl")
	releases, api := serveRelease(t)
	sums, err := os.ReadFile(filepath.Join(packages(t), "v0.9.1", checksums))
	require.NoError(t, err)
	sum := regexp.MustCompile(`(?m)^([0-9a-f]{64})  gkpow_0.9.1_linux_` + runtime.GOARCH + `\.tar\.gz$`).FindSubmatch(sums)
	require.NotNil(t, sum)
	arch := map[string]string{"amd64": "X64", "arm64": "ARM64"}[runtime.GOARCH]
	for _, test := range []struct{ version, sum, wrong string }{
		{"0.9.1", "", ""},
		{"v0.9.1", string(sum[1]), ""},
		{"0.9.1", strings.Repeat("0", 64), "it is not installed"},
		{"0.9.2", "", "404"},
		{"0.9.1/..", "", "set it to a release"},
	} {
		env, file := runner(t, "RUNNER_OS=Linux", "RUNNER_ARCH="+arch, "VERSION="+test.version, "SHA256="+test.sum, "RELEASE_URL="+releases)
		install := exec.Command("bash", "../.github/actions/token/install.sh")
		install.Env = env
		output, err := install.CombinedOutput()
		if test.wrong != "" {
			require.Error(t, err, test.version)
			require.Contains(t, string(output), test.wrong)
			require.Empty(t, file("path"))
			continue
		}
		require.NoError(t, err, "%s", output)
		get := exec.Command("bash", "../.github/actions/token/token.sh")
		get.Env = append(env, "PATH="+strings.TrimSpace(file("path"))+":"+os.Getenv("PATH"),
			"GKCAPTCHA_API_URL="+api, "GKCAPTCHA_SITE_KEY="+gktest.SiteKey, "GKCAPTCHA_SECRET_KEY="+gktest.SecretKey)
		output, err = get.CombinedOutput()
		require.NoError(t, err, "%s", output)
		token := regexp.MustCompile(`^token=(eyJ\S+)\nexpires-at=1[0-9]{9}\n$`).FindStringSubmatch(file("output"))
		require.NotNil(t, token, file("output"))
		require.Equal(t, "::add-mask::"+token[1]+"\n", string(output), "the token is in the log, or not masked")
	}
}

// The script of the GitLab template installs gkpow for the job.
func TestInteropGitLab(t *testing.T) {
	interop(t, "sh", "curl")
	releases, api := serveRelease(t)
	data, err := os.ReadFile("../.ci/gitlab/token.yml")
	require.NoError(t, err)
	var template map[string]struct {
		Variables    map[string]string `yaml:"variables"`
		BeforeScript []string          `yaml:"before_script"`
	}
	require.NoError(t, yaml.Unmarshal(data, &template))
	job := template[".gkpow"]
	require.Len(t, job.BeforeScript, 1)
	for _, test := range []struct{ sum, wrong string }{{"", ""}, {strings.Repeat("0", 64), "FAILED"}} {
		env, _ := runner(t)
		for name, value := range job.Variables {
			env = append(env, name+"="+value)
		}
		env = append(env, "GKPOW_VERSION=0.9.1", "GKPOW_RELEASE_URL="+releases, "GKPOW_SHA256="+test.sum,
			"GKCAPTCHA_API_URL="+api, "GKCAPTCHA_SITE_KEY="+gktest.SiteKey, "GKCAPTCHA_SECRET_KEY="+gktest.SecretKey)
		cmd := exec.Command("sh", "-c", job.BeforeScript[0]+"\ngkpow exec -- sh -c 'echo got $GKCAPTCHA_TOKEN'")
		cmd.Env = env
		output, err := cmd.CombinedOutput()
		if test.wrong != "" {
			require.Error(t, err)
			require.Contains(t, string(output), test.wrong)
			continue
		}
		require.NoError(t, err, "%s", output)
		require.Regexp(t, `(?m)^got eyJ`, string(output))
	}
}

// docs/SECURITY.md states the score of the unit. A threshold of 12 is a score of 1.2.
func TestInteropUnits(t *testing.T) {
	interop(t, "systemd-analyze")
	output := command(t, "files", "systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=12", "./gkpow-agent.service")
	require.Contains(t, output, "Overall exposure level for gkpow-agent.service: 1.2 OK")
	document, err := os.ReadFile("../docs/SECURITY.md")
	require.NoError(t, err)
	require.Contains(t, string(document), "(`systemd-analyze security`: 1.2, OK)")
}

// The image builds, and runs with a read-only root and without capabilities. The test uses docker
// if its daemon runs, and buildah otherwise.
func TestInteropContainer(t *testing.T) {
	interop(t)
	dir := t.TempDir()
	build := func() {
		command(t, dir, "tar", "xf", filepath.Join(packages(t), "v0.9.0/gkpow_0.9.0_container.tar.gz"))
	}
	args := []string{"--build-arg", "TARGETARCH=" + runtime.GOARCH, "--tag", "gkpow-test", "--file", "Containerfile", "."}
	if exec.Command("docker", "info").Run() == nil {
		build()
		command(t, dir, "docker", append([]string{"build"}, args...)...)
		t.Cleanup(func() { command(t, dir, "docker", "image", "rm", "--force", "gkpow-test") })
		runs := func(args ...string) string {
			return command(t, dir, "docker", append([]string{"run", "--rm", "--read-only", "--cap-drop=ALL", "--network=none", "gkpow-test"}, args...)...)
		}
		require.Contains(t, runs("version"), "gkpow v0.9.0, commit ")
		require.Regexp(t, `(?m)^eyJ`, runs("token", "--emulator", "--no-cache", "--difficulty", "3"))
		return
	}
	interop(t, "buildah")
	build()
	buildah := func(args ...string) string {
		return command(t, dir, "buildah", append([]string{"--storage-driver=vfs", "--root=" + filepath.Join(dir, "storage"), "--runroot=" + filepath.Join(dir, "run")}, args...)...)
	}
	buildah(append([]string{"build", "--isolation=chroot"}, args...)...)
	image := buildah("inspect", "--type=image", "--format={{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}", "gkpow-test")
	require.Equal(t, "65532:65532 [/gkpow]", strings.TrimSpace(image))
	container := strings.TrimSpace(buildah("from", "gkpow-test"))
	root := strings.TrimSpace(buildah("mount", container))
	defer buildah("umount", container)
	// buildah cannot run a container with a read-only root, so the script mounts the root itself.
	runs := func(args string) string {
		return command(t, dir, "unshare", "--mount", "--propagation=private", "sh", "-e", "-c",
			`mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; cd "$1"; exec chroot --userspec=65532:65532 . /gkpow `+args, "sh", root)
	}
	require.Contains(t, runs("version"), "gkpow v0.9.0, commit ")
	require.Regexp(t, `(?m)^eyJ`, runs("token --emulator --no-cache --difficulty 3"))
}
