//go:build cgo && linux

package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

func interop(t *testing.T) {
	t.Helper()
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
}

// examples returns the code blocks of docs/languages.md in a language.
func examples(t *testing.T, language string) (blocks []string) {
	document, err := os.ReadFile("../../docs/languages.md")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```\n").FindAllStringSubmatch(string(document), -1) {
		blocks = append(blocks, m[1])
	}
	require.NotEmpty(t, blocks, language)
	return blocks
}

// run runs a program in a directory, with additional environment variables, and returns
// its output.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", name, output)
	return string(output)
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
}

// The programs in docs/languages.md find a solution and get a token. A second C program
// also tests the error cases.
func TestInteropLibrary(t *testing.T) {
	interop(t)
	dir := t.TempDir()
	library := filepath.Join(dir, "libgkpow.so")
	run(t, ".", nil, "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", library, ".")
	header, err := os.ReadFile("gkpow.h")
	require.NoError(t, err)
	write(t, dir, "gkpow.h", string(header))

	// The library exports exactly the functions that the header declares.
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^[a-z].*?\b(gkpow_\w+)\(`).FindAllStringSubmatch(string(header), -1) {
		declared = append(declared, m[1])
	}
	var exported []string
	for _, m := range regexp.MustCompile(`(?m) T (gkpow_\w+)$`).FindAllStringSubmatch(run(t, dir, nil, "nm", "-D", "--defined-only", library), -1) {
		exported = append(exported, m[1])
	}
	require.ElementsMatch(t, declared, exported)
	info, err := os.Stat(library)
	require.NoError(t, err)
	t.Logf("%d bytes, %s", info.Size(), strings.Join(exported, " "))

	service := gktest.New(gktest.Options{Difficulty: 2})
	server := httptest.NewServer(service)
	defer server.Close()
	env := []string{"LIBGKPOW=" + library, "LD_LIBRARY_PATH=" + dir, "GKCAPTCHA_API_URL=" + server.URL,
		"GKCAPTCHA_SITE_KEY=" + gktest.SiteKey, "GKCAPTCHA_SECRET_KEY=" + gktest.SecretKey}
	answer := regexp.MustCompile(`^[0-9]+ 0000[0-9a-f]{60}\ntoken eyJ\S+\n$`)

	compile := func(source, program string) {
		run(t, dir, nil, "cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-L.", "-lgkpow", "-pthread")
	}
	t.Run("C", func(t *testing.T) {
		write(t, dir, "example.c", examples(t, "c")[0])
		compile("example.c", "example")
		require.Regexp(t, answer, run(t, dir, env, "./example"))
	})
	t.Run("C, all functions", func(t *testing.T) {
		program, err := os.ReadFile("testdata/all.c")
		require.NoError(t, err)
		write(t, dir, "all.c", string(program))
		compile("all.c", "all")
		before := service.Counts().Challenges
		require.Equal(t, "ok\n", run(t, dir, env, "./all"))
		require.Equal(t, before+2, service.Counts().Challenges, "one token, and a second after the first was refused")
	})
	t.Run("Python", func(t *testing.T) {
		write(t, dir, "example.py", examples(t, "python")[0])
		require.Regexp(t, answer, run(t, dir, env, "python3", "example.py"))
	})
	t.Run("Node", func(t *testing.T) {
		write(t, dir, "package.json", `{"type":"module","private":true}`)
		run(t, dir, nil, "npm", "install", "--silent", "--no-audit", "--no-fund", "koffi@3.3.4")
		write(t, dir, "example.mjs", examples(t, "js")[0])
		require.Regexp(t, answer, run(t, dir, env, "node", "example.mjs"))
	})
	t.Run("PHP", func(t *testing.T) {
		write(t, dir, "example.php", examples(t, "php")[0])
		require.Regexp(t, answer, run(t, dir, env, "php", "example.php"))
	})
}

// Package solver runs as WebAssembly, as docs/languages.md describes.
func TestInteropWebAssembly(t *testing.T) {
	interop(t)
	dir := t.TempDir()
	write(t, dir, "main.go", examples(t, "go")[0])
	js := examples(t, "js")
	write(t, dir, "wasi.mjs", js[len(js)-1])
	commands := examples(t, "sh")
	script := strings.NewReplacer(" main.go", " "+dir+"/main.go", "-o ", "-o "+dir+"/", " js.wasm", " "+dir+"/js.wasm",
		" wasi.mjs", " "+dir+"/wasi.mjs", " wasip1.wasm 7", " "+dir+"/wasip1.wasm 7").Replace(commands[len(commands)-1])
	script = strings.ReplaceAll(script, dir+"/ "+dir, dir)
	output := run(t, ".", nil, "sh", "-e", "-c", script)
	require.Regexp(t, `^[0-9]+ 0000[0-9a-f]{60}\n[0-9]+ 0000[0-9a-f]{60}\n$`, output)
}
