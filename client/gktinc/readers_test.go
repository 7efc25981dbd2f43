package gktinc

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readers are programs that run the form parsers of their language. For each input line
// {"type":...,"body":...} they print a JSON array of the values of "user", one for each
// parser, null if there is none. The body is in Latin-1, so each character is a byte.
var readers = map[string][]string{
	"node": {"node", "-e", `
const qs = require("qs"), querystring = require("querystring");
(async () => {
	for await (const line of require("readline").createInterface({ input: process.stdin })) {
		const { type, body } = JSON.parse(line), bytes = Buffer.from(body, "latin1"), found = [];
		const own = (o) => Object.hasOwn(o, "user") ? o.user : null;
		if (type.startsWith("application/x-www-form-urlencoded")) {
			const text = bytes.toString("utf8"); // like body-parser
			found.push(own(qs.parse(text, { allowPrototypes: true, arrayLimit: 100, depth: 32, parameterLimit: 1000 })));
			found.push(own(querystring.parse(text)));
		}
		try {
			const all = (await new Response(bytes, { headers: { "Content-Type": type } }).formData()).getAll("user");
			found.push(all.length == 0 ? null : all.length == 1 && typeof all[0] == "string" ? all[0] : ["several"]);
		} catch (e) {} // an application would answer with an error
		console.log(JSON.stringify(found));
	}
})();`},
	"python": {"python3", "-W", "ignore", "-c", `
import cgi, io, json, sys, urllib.parse
for line in sys.stdin:
    request = json.loads(line)
    kind, body, found = request["type"], request["body"].encode("latin1"), []
    if kind.startswith("application/x-www-form-urlencoded"):
        for separator in "&;":
            text = body.decode("latin1").replace(";", "&") if separator == ";" else body.decode("latin1")
            values = urllib.parse.parse_qs(text, keep_blank_values=True).get("user")
            found.append(None if values is None else values[0] if len(values) == 1 else values)
    else:
        try:
            form = cgi.FieldStorage(io.BytesIO(body), environ={"REQUEST_METHOD": "POST", "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}, keep_blank_values=True)
            values = form.getlist("user")
            field = form["user"] if "user" in form else None
            found.append(None if not values else ["file"] if not isinstance(field, list) and field.filename else values[0] if len(values) == 1 else [str(v) for v in values])
        except Exception:
            pass
    print(json.dumps(found), flush=True)`},
	"ruby": {"ruby", "-W0", "-e", `
require "rack"; require "json"; require "stringio"
$stdout.sync = true
STDIN.each_line do |line|
  request = JSON.parse(line)
  type, body = request["type"], request["body"].encode("ISO-8859-1")
  begin
    env = { "REQUEST_METHOD" => "POST", "CONTENT_TYPE" => type, "CONTENT_LENGTH" => body.bytesize.to_s, "rack.input" => StringIO.new(body.b) }
    value = Rack::Request.new(env).POST["user"]
    value = value.is_a?(String) ? value.dup.force_encoding("UTF-8").scrub : value.nil? ? nil : ["not a string"]
    puts JSON.generate([value])
  rescue StandardError, RangeError
    puts "[]"
  end
end`},
}

// A reader is a running process of one of the readers.
type reader struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startReader(t *testing.T, command []string) *reader {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "NODE_PATH=/usr/share/nodejs")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		require.NoError(t, cmd.Wait())
	})
	return &reader{in, bufio.NewReader(out)}
}

func (r *reader) read(t *testing.T, contentType, body string) (found []any) {
	latin1 := make([]rune, len(body))
	for i := range len(body) {
		latin1[i] = rune(body[i])
	}
	line, err := json.Marshal(map[string]string{"type": contentType, "body": string(latin1)})
	require.NoError(t, err)
	_, err = r.in.Write(append(line, '\n'))
	require.NoError(t, err)
	answer, err := r.out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(answer, &found), "%s", answer)
	return found
}

// TestInteropReaders checks the promise of a Guard: every program that reads the monitored
// field of an accepted form finds the value that the service checked.
func TestInteropReaders(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	php := startPHP(t)
	others := map[string]*reader{}
	for name, command := range readers {
		others[name] = startReader(t, command)
	}
	accepted, rejected, found := 0, 0, 0
	check := func(contentType, body string) {
		r, err := http.NewRequest("POST", "http://"+php+"/", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", contentType)
		form, err := readForm(r, 1<<20)
		if err == nil {
			_, err = form.single("user")
		}
		if err != nil {
			rejected++
			return
		}
		accepted++
		judged := form.values.Get("user")
		for name, other := range others {
			for i, value := range other.read(t, contentType, body) {
				found++
				if value == nil {
					value = "" // a missing field is judged as an empty one
				}
				if value != judged {
					t.Fatalf("%s (parser %d) finds %q in the body\n%q\nof type %s, but %q was judged", name, i, value, body, contentType, judged)
				}
			}
		}
		response, err := http.Post("http://"+php+"/", contentType, strings.NewReader(body))
		require.NoError(t, err)
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		if parts := strings.SplitN(string(answer), "\n", 3); parts[1] != fmt.Sprintf("%x", judged) {
			t.Fatalf("PHP finds %s in the body\n%q\nof type %s, but %q was judged", parts[1], body, contentType, judged)
		}
	}
	for _, body := range oddBodies() {
		check(urlencoded, body)
	}
	rng := rand.New(rand.NewPCG(16, 12))
	for range 6000 {
		check(urlencoded, hostileBody(rng))
	}
	for range 6000 {
		check(hostileMultipart(rng))
	}
	t.Logf("%d forms rejected, %d accepted; %d values compared", rejected, accepted, found)
	require.Greater(t, accepted, 1000)
	require.Greater(t, rejected, 1000)
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// hostileName returns "user" or a name that some program could take for it.
func hostileName(rng *rand.Rand) string {
	if rng.IntN(3) == 0 {
		return "user"
	}
	return pick(rng, "", "", "", "[", "]", " ", "+", "%20", "%5B", "[]", "x[", "\x00", "%00", ".") +
		pick(rng, "user", "user", "User", "us%65r", "%u0075ser", "u", "other", "users", "user_name", "u\xcc\x81ser", "%EF%BB%BFuser", "user%ff") +
		pick(rng, "", "", "", "[]", "[0]", "[x]", "[x", "]", "%5B%5D", ".x", "%00", "%00x", "+", "[]]", "[][a]", "[ ]", "%E2%80%8B")
}

func hostileValue(rng *rand.Rand) string {
	return pick(rng, "", "zed", "zed", "admin", "a%20b", "%C3%A9", "%ff", "é", "\xff", "%zz", "a;user=admin", "a=b", "%u0041", "a%00b", "1", "a\nb", "%0D%0Ax", "+a+")
}

func hostileBody(rng *rand.Rand) string {
	var b strings.Builder
	for range 1 + rng.IntN(3) {
		b.WriteString(hostileName(rng))
		if rng.IntN(12) > 0 {
			b.WriteString("=" + hostileValue(rng))
		}
		b.WriteString(pick(rng, "&", "&", "&", "&", "&", "&&", ";", "\r\n", "%26"))
	}
	return strings.TrimRight(b.String(), pick(rng, "&", ""))
}

func hostileMultipart(rng *rand.Rand) (contentType, body string) {
	plain := rng.IntN(2) == 0 // framed as browsers do it
	odd := func(usual string, others ...string) string {
		if plain || rng.IntN(8) > 0 {
			return usual
		}
		return pick(rng, others...)
	}
	b := odd("", "preamble", "\r\n", "\n")
	for range 1 + rng.IntN(3) {
		line := odd("\r\n", "\n", "\r")
		b += odd("--B", "--B ", "--b", "-B", "--BB") + line
		b += odd("Content-Disposition: form-data; name=", "content-disposition: form-data; name=", "Content-Disposition:form-data;name=",
			"Content-Disposition: form-data; name*=utf-8''", "Content-Disposition: attachment; name=", "Content-Disposition: form-data; filename=x; name=", "X: y; name=") +
			pick(rng, `"`, `"`, `"`, "", "'")
		name := hostileName(rng)
		b += name + pick(rng, `"`, `"`, `"`, "", "'")
		if rng.IntN(8) == 0 {
			b += pick(rng, `; filename="f"`, `; filename=""`, `; name="user"`, ` ; x=y`)
		}
		b += line
		b += odd("", "Content-Type: text/plain; charset=utf-16\r\n", "Content-Transfer-Encoding: base64\r\n", "Content-Type: text/plain\n", "Content-Disposition: form-data; name=\"user\"\r\n", " folded\r\n")
		b += odd("\r\n", "\n", "\r", " \r\n") + hostileValue(rng) + odd("\r\n", "\n", "\r")
	}
	b += odd("--B--\r\n", "--B--", "--B", "--B--\r\nepilogue\r\n--B\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nadmin\r\n--B--\r\n")
	return odd("multipart/form-data; boundary=B", `multipart/form-data; boundary="B"`, "multipart/form-data; boundary=B; boundary=BB",
		"multipart/form-data; xboundary=C; boundary=B", "multipart/form-data; boundary=B; charset=utf-16", "Multipart/Form-Data; Boundary=B"), b
}
