package gktinc

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// router answers with the results of both formulas, the monitored field and $_POST.
const router = `<?php
header("Content-Type: application/octet-stream");
$of = fn($name) => is_string($_POST[$name] ?? null) ? $_POST[$name] : "";
$size = fn($post) => strlen(serialize($post)) - (is_string($post["gktinc_solution"] ?? null) ? strlen($post["gktinc_solution"]) : 0);
$slash = function ($value) use (&$slash) { return is_array($value) ? array_map($slash, $value) : addslashes($value); };
echo $size($_POST), " ", $size($slash($_POST)), "\n", bin2hex($of("user")), "\n", serialize($_POST);
`

// startPHP runs PHP's built-in web server, which builds a real $_POST.
func startPHP(t *testing.T) (address string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "router.php")
	require.NoError(t, os.WriteFile(script, []byte(router), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = listener.Addr().String()
	require.NoError(t, listener.Close())
	var log bytes.Buffer
	cmd := exec.Command("php", "-n", "-d", "display_errors=0", "-d", "log_errors=0", "-q", "-S", address, script)
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", &log)
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return address
}

// agree checks that PHP and this package read a form identically.
func agree(t *testing.T, address, contentType string, body []byte) {
	t.Helper()
	response, err := http.Post("http://"+address+"/", contentType, bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var size, slashedSize int
	parts := strings.SplitN(string(answer), "\n", 3)
	require.Len(t, parts, 3, "%s", answer)
	_, err = fmt.Sscan(parts[0], &size, &slashedSize)
	require.NoError(t, err, "%s", answer)
	form, err := ParseForm(contentType, body)
	if err != nil {
		require.ErrorIs(t, err, errTooMany)
	}
	if got := PayloadSizePHP(form); got != size {
		t.Fatalf("PayloadSizePHP of %q = %d; PHP has %d: %s", body, got, size, parts[2])
	}
	if got := PayloadSizeWordPress(form); got != slashedSize {
		t.Fatalf("PayloadSizeWordPress of %q = %d; PHP has %d: %s", body, got, slashedSize, parts[2])
	}
	if got := fmt.Sprintf("%x", form.Value("user")); got != parts[1] {
		t.Fatalf("Value of %q = %s; PHP has %s: %s", body, got, parts[1], parts[2])
	}
}

// TestInteropPHP compares with PHP. It needs php, so it runs only if GKPOW_TEST_INTEROP is
// set, as make test-all does.
func TestInteropPHP(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	address := startPHP(t)
	const encoded = "application/x-www-form-urlencoded"
	for _, body := range oddBodies() {
		agree(t, address, encoded, []byte(body))
	}
	rng := rand.New(rand.NewPCG(6, 8))
	for range 4000 {
		agree(t, address, encoded, []byte(randomBody(rng)))
	}
	for range 500 {
		contentType, body := randomMultipart(rng)
		agree(t, address, contentType, body)
	}
	for _, n := range []int{999, 1000, 1001} {
		contentType, body := multipartOf(t, n)
		agree(t, address, contentType, body)
	}
	agree(t, address, "text/plain", []byte("a=1"))
}

// oddBodies covers the cases that PHP's source distinguishes.
func oddBodies() []string {
	bodies := []string{
		"", "&", "a", "=", "a=", "=1", "&&a=1&=2&b", "a=1&a=2", "a=1&a[b]=2", "a[b]=2&a=1", "a[]=1&a[]=2&a[7]=3&a[]=4",
		"a[b=1", "a[b.c d=1", "a[b][c=1", "a[b][c.d=1", "[a=1", "[a]=1", "a]=1", "a[b]c[d]=1", "a[b]]=1", "a[[b]]=1", "a[b[c]=1",
		"a[[=1", "a[b][=1", "a[b][[=1", "a[][b=1", "a[ ]=1", "a[ ", "a[%20b]=1", "a[%0a]=1", "a[%0ab]=1", "a[ b=1", "a[%a0]=1",
		"..Host-a=1", "__Host-a=1", "..Secure-a[b]=1", "__Secure-a=1", " __Host-a=1", "_.Host-y=3", "_[Host-y=3", "..host-a=1",
		"a[__Host-x]=1&a[__Host-x][y]=1&a[b][__Secure-]=1&a[][__Host-]=1&__Host-a[__Host-b]=1&..Host-a[b=1",
		"a[-5]=1&a[]=2", "a[-1]=1&a[]=2", "a[9223372036854775807]=1&a[]=2&a[][b]=3", "a[9223372036854775806]=1&a[]=2&a[]=3",
		"a[18446744073709551617]=1", "a[-9223372036854775808]=1&a[]=2", "a[-9223372036854775809]=1", "a[9223372036854775808]=1",
		"a[12]=1&a[3]=2&a[]=3", strings.Repeat("a[]=1&", 11), "a[-20]=1&a[]=2", "a[b=1&a_b=2&c[.[=3&c___=4",
		"a[-0]=1&a[08]=2&a[0]=3&a[-]=4&a[%2b1]=5&a[00]=6&a[1.0]=7&a[1e3]=8", "a[99999999999999999999]=1", "1=a&-1=b&01=c&1[]=d",
		"a%00b[c]=1", "a[b%00c]=1", "%00a=1", "a=%00&b=%00%00", "a\x00b=1&c=\x00x", " a=1", "++a+b=1", "+=1", ".=1", "a=%zz%4&b=+%2B%",
		"%zz=%&%4=1&%=2", "GLOBALS=1&this=2&_POST[x]=3", "user=a&user=b", "user[]=a&user=b", "user=b&user[]=a", "us%65r=1&user.=2",
		"user=%C3%A9%F0%9F%98%80&x=%ff%fe", "gktinc_solution=AAAA&log=admin&pwd=x", "gktinc_solution[]=AAAA", "gktinc.solution=AAAA",
		"gktinc_solution=" + strings.Repeat("A", 12345), "a=b=c&d==", "a;b=1;c=2", "a=1\r\n", "%5B=1&a%5Bb%5D=1",
	}
	for _, n := range []int{63, 64, 65, 66} {
		bodies = append(bodies, "a[x]=5&a"+strings.Repeat("[b]", n)+"=1&c=2", "a"+strings.Repeat("[]", n)+"=1&a[]=3", "a"+strings.Repeat("[", n)+"=1")
	}
	for _, n := range []int{999, 1000, 1001, 1002, 3000} {
		bodies = append(bodies, strings.Repeat("a[]=1&", n)+"b=2&c=3", strings.Repeat("&", n)+"b=2", strings.Repeat("&", n)+"b=2&c=3&user=d")
	}
	return bodies
}

// randomBody returns a body of tokens that matter to PHP, or of random bytes.
func randomBody(rng *rand.Rand) string {
	if rng.IntN(20) == 0 {
		bytes := make([]byte, rng.IntN(40))
		for i := range bytes {
			bytes[i] = byte(rng.Uint32())
		}
		return string(bytes)
	}
	var b strings.Builder
	for range rng.IntN(8) {
		b.WriteString(randomName(rng))
		if rng.IntN(10) > 0 {
			b.WriteString("=" + randomText(rng))
		}
		if rng.IntN(30) > 0 {
			b.WriteByte('&')
		}
	}
	return b.String()
}

var nameParts = []string{"a", "b", "user", "gktinc_solution", "0", "1", "-1", "-5", "08", "-0", "9223372036854775807", "9223372036854775808",
	"'", "\\", "\"", "[", "]", "[]", "[]", "[a]", "[b]", "[0]", "[5]", "[-3]", "[ ]", "[ x]", ".", " ", "+", "%20", "%00", "%5B", "%5D", "é", "%C3%A9", "%", "__Host-", "%0A"}

func randomName(rng *rand.Rand) string {
	name := nameParts[rng.IntN(6)]
	for range rng.IntN(5) {
		name += nameParts[rng.IntN(len(nameParts))]
	}
	if rng.IntN(4) == 0 {
		name = name[rng.IntN(len(name)):]
	}
	return name
}

func randomText(rng *rand.Rand) string {
	switch rng.IntN(4) {
	case 0:
		return url.QueryEscape(strings.Repeat("äx😀", rng.IntN(40)))
	case 1:
		return randomName(rng)
	}
	return strings.Repeat("x", rng.IntN(1200))
}

func randomMultipart(rng *rand.Rand) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for range rng.IntN(8) {
		// Unlike browsers, the writer escapes backslashes and quotes with backslashes.
		name := strings.NewReplacer("\x00", "", "\n", "", "%", "", "\\", "", `"`, "").Replace(randomName(rng))
		var part io.Writer
		if rng.IntN(5) == 0 {
			part, _ = w.CreateFormFile(name, []string{"", "f.txt"}[rng.IntN(2)])
		} else {
			part, _ = w.CreateFormField(name)
		}
		_, _ = io.WriteString(part, randomText(rng))
	}
	w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func multipartOf(t *testing.T, n int) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := range n {
		require.NoError(t, w.WriteField(fmt.Sprintf("a%d", i), "1"))
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.Bytes()
}
