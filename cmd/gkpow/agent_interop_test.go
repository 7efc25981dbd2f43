//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

// codeBlock matches a fenced code block in a document.
var codeBlock = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```\n")

// agentDocument returns the code blocks of docs/agent.md by language.
func agentDocument(t *testing.T) map[string][]string {
	doc, err := os.ReadFile("../../docs/agent.md")
	require.NoError(t, err)
	return codeBlocks(doc)
}

// codeBlocks returns a document's code blocks by language.
func codeBlocks(doc []byte) map[string][]string {
	blocks := map[string][]string{}
	for _, found := range codeBlock.FindAllSubmatch(doc, -1) {
		blocks[string(found[1])] = append(blocks[string(found[1])], string(found[2]))
	}
	return blocks
}

// TestInteropAgent runs the programs of docs/agent.md unchanged, against an agent that is
// started by the document's commands.
func TestInteropAgent(t *testing.T) {
	interop(t)
	blocks := agentDocument(t)
	require.Len(t, blocks["sh"], 3)

	u := newUser(t, gktest.Options{})
	c, err := client.New(client.Config{URL: u.url, SiteKey: "pk_live_site", SecretKey: client.NewSecret(secret)})
	require.NoError(t, err)
	asked := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verdict, err := c.VerifyToken(r.Context(), r.Header.Get("X-Captcha-Token"), client.VerifyOptions{})
		if err != nil || !verdict.OK() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		asked++
	}))
	defer api.Close()

	dir := socketDir(t)
	script := func(t *testing.T, content string) string {
		cmd := u.command("sh", "-e", "-c", "trap 'kill $! 2>&- || :' EXIT\n"+content)
		cmd.Dir = dir
		cmd.Env = append(cmd.Env, "API_URL="+api.URL, "HOME="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		output, err := cmd.Output()
		log, _ := os.ReadFile(filepath.Join(dir, "agent.log"))
		require.NoError(t, err, "%s%s", &stderr, log)
		require.Empty(t, stderr.String())
		return string(output)
	}
	for _, p := range []struct{ language, file, interpreter string }{
		{"js", "token.mjs", "node"}, {"python", "token.py", "python3"}, {"php", "token.php", "php"},
	} {
		t.Run(p.language, func(t *testing.T) {
			require.NotEmpty(t, blocks[p.language])
			require.NoError(t, os.WriteFile(filepath.Join(dir, p.file), []byte(blocks[p.language][0]), 0o600))
			require.Equal(t, "200\n", script(t, blocks["sh"][0]+interpreter(t, p.interpreter)+" "+p.file+"\nkill $!\nwait $!\n"))
		})
	}
	require.Equal(t, 3, asked)
	t.Run("curl", func(t *testing.T) {
		require.Regexp(t, `^{"token":"eyJ[^"]+","expiresAt":[0-9]+,"expiresIn":[0-9.]+}\n$`, script(t, blocks["sh"][1]+"wait $!\n"))
	})
	t.Run("file", func(t *testing.T) {
		require.Equal(t, "eyJ", script(t, strings.Replace(blocks["sh"][2], "kill", "head -c 3 captcha-token\nkill", 1)+"wait $!\n"))
	})
	require.Equal(t, 1, u.service.Counts().Challenges, "all programs share one token")
}

// interpreter returns the path of the real interpreter. A version manager's shim in PATH
// would need the home directory, which the programs do not get.
func interpreter(t *testing.T, name string) string {
	ask := map[string][]string{
		"node":    {"-p", "process.execPath"},
		"python3": {"-c", "import sys; print(sys.executable)"},
		"php":     {"-r", "echo PHP_BINARY;"},
	}
	output, err := exec.Command(name, ask[name]...).Output()
	require.NoError(t, err)
	return string(bytes.TrimSpace(output))
}
