//go:build unix

package devtools

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience limits every wait for the browser.
const patience = 30 * time.Second

// A Browser is a headless Chromium, controlled over a pipe with the Chrome DevTools
// Protocol (https://chromedevtools.github.io/devtools-protocol). Its methods fail the
// test when the browser reports an error or takes longer than 30 s.
type Browser struct {
	t  *testing.T
	to *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	errors  map[string][]string // errors and warnings on the console, by session
}

// A message is a command, its answer or an event.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start starts a browser with a new profile. It ends with the test. Start fails the test
// if Chromium is not installed.
func Start(t *testing.T) *Browser {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return startChromium(t, path)
		}
	}
	t.Fatal("Chromium is not installed")
	return nil
}

func startChromium(t *testing.T, path string) *Browser {
	theirIn, to, err := os.Pipe()
	require.NoError(t, err)
	from, theirOut, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--window-size=800,600", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // Chromium expects descriptors 3 and 4
	require.NoError(t, cmd.Start())
	theirIn.Close()
	theirOut.Close()
	b := &Browser{t: t, to: to, waiting: map[int]chan message{}, errors: map[string][]string{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.listen(bufio.NewReader(from))
	}()
	t.Cleanup(func() {
		to.Close() // makes the browser exit
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		<-done
		from.Close()
	})
	return b
}

// listen dispatches the browser's messages until the browser exits.
func (b *Browser) listen(from *bufio.Reader) {
	for {
		data, err := from.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
			b.t.Errorf("not JSON: %q", data)
			return
		}
		b.mu.Lock()
		if m.ID != 0 {
			b.waiting[m.ID] <- m
		} else if text := consoleError(m); text != "" {
			b.errors[m.SessionID] = append(b.errors[m.SessionID], text)
		}
		b.mu.Unlock()
	}
}

// consoleError returns the text of an event that the console shows as an error or
// warning, "" for any other event.
func consoleError(m message) string {
	params, _ := m.Params.(map[string]any)
	switch m.Method {
	case "Runtime.exceptionThrown":
		return fmt.Sprint(params["exceptionDetails"])
	case "Runtime.consoleAPICalled":
		if params["type"] == "error" || params["type"] == "warning" {
			return fmt.Sprint(params["args"])
		}
	case "Log.entryAdded":
		entry, _ := params["entry"].(map[string]any)
		if entry["level"] == "error" || entry["level"] == "warning" {
			return fmt.Sprint(entry["text"], " ", entry["url"])
		}
	}
	return ""
}

// send sends a command and returns its answer.
func (b *Browser) send(session, method string, params any) message {
	answer := make(chan message, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	b.mu.Unlock()
	data, err := json.Marshal(message{ID: id, SessionID: session, Method: method, Params: params})
	require.NoError(b.t, err)
	_, err = b.to.Write(append(data, 0))
	require.NoError(b.t, err)
	select {
	case m := <-answer:
		return m
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer", method)
		return message{}
	}
}

// A Tab is a tab of the browser.
type Tab struct {
	*Browser
	session string
}

// An Object is a JSON object.
type Object = map[string]any

// NewTab opens an empty tab.
func (b *Browser) NewTab() *Tab {
	var target struct{ TargetID, SessionID string }
	b.must(b.send("", "Target.createTarget", Object{"url": "about:blank"}), &target)
	b.must(b.send("", "Target.attachToTarget", Object{"targetId": target.TargetID, "flatten": true}), &target)
	p := &Tab{b, target.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.Do(domain+".enable", Object{}, nil)
	}
	return p
}

func (b *Browser) must(m message, result any) {
	require.Nil(b.t, m.Error, "%+v", m.Error)
	if result != nil {
		require.NoError(b.t, json.Unmarshal(m.Result, result))
	}
}

// Do sends a command for the tab and decodes its result into result, if that is not nil.
// The command must succeed.
func (p *Tab) Do(method string, params Object, result any) {
	p.must(p.send(p.session, method, params), result)
}

// Eval returns the value of a JavaScript expression, nil while the tab is navigating.
func (p *Tab) Eval(expression string) any {
	m := p.send(p.session, "Runtime.evaluate", Object{"expression": expression, "returnByValue": true})
	var answer struct{ Result struct{ Value any } }
	if m.Error == nil { // it is not nil during a navigation
		require.NoError(p.t, json.Unmarshal(m.Result, &answer))
	}
	return answer.Result.Value
}

// Open navigates to a page and waits until it has loaded.
func (p *Tab) Open(url string) {
	p.Do("Page.navigate", Object{"url": url}, nil)
	p.Wait("location.href == " + quote(url))
}

// Wait waits until the page has loaded and a JavaScript expression is true.
func (p *Tab) Wait(expression string) {
	expression = `document.readyState == "complete" && ` + expression
	for deadline := time.Now().Add(patience); p.Eval(expression) != true; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("still false after %v: %s\n%v\n%v", patience, expression, p.Eval("location.href"), p.Text())
		}
	}
}

// Text returns the visible text of the page.
func (p *Tab) Text() string {
	text, _ := p.Eval("document.body.innerText").(string)
	return text
}

// Enter focuses the element with the id and types text into it.
func (p *Tab) Enter(id, text string) {
	p.Eval("document.getElementById(" + quote(id) + ").focus()")
	p.Do("Input.insertText", Object{"text": text}, nil)
}

// Click clicks on the center of the first element that matches the selector.
func (p *Tab) Click(selector string) {
	rect, ok := p.Eval(`(() => { const r = document.querySelector(` + quote(selector) + `).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`).([]any)
	require.True(p.t, ok)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.Do("Input.dispatchMouseEvent", Object{"type": kind, "x": rect[0], "y": rect[1], "button": "left", "clickCount": 1}, nil)
	}
}

// Screenshot writes a PNG image of the page to a file.
func (p *Tab) Screenshot(file string) {
	var picture struct{ Data []byte }
	p.Do("Page.captureScreenshot", Object{"format": "png"}, &picture)
	require.NoError(p.t, os.WriteFile(file, picture.Data, 0o600))
}

// ConsoleErrors returns the errors and warnings that the console has shown since the last
// call.
func (p *Tab) ConsoleErrors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.errors[p.session], "\n")
	delete(p.errors, p.session)
	return all
}

func quote(s string) string {
	data, _ := json.Marshal(s)
	return string(data)
}
